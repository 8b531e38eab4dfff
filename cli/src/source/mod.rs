//! A file server.
