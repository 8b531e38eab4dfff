//! Nothing but tests: exportpool on a real Kubernetes. See `README.md` beside this.
