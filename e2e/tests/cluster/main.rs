//! exportpool on a real Kubernetes: installed by helm, with real pods, against a stand-in of AWS in the cluster.
//!
//! Each test has a namespace of its own, which enforces the Pod Security level `restricted`, with a stand-in of its own.
//! `make e2e` brings a cluster, or takes the one of `KUBECONFIG`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a panic is how it fails"
)]

mod api_server;
mod bad_pools;
mod chart;
mod deleted;
mod disturbed;
mod kubectl;
mod machine;
mod people;
mod plugin;
mod pool;
mod profile;
mod release;
mod releases;
mod rights;
mod scaling;
mod stand_in;
mod team;
mod unwell_queues;
mod wait;
