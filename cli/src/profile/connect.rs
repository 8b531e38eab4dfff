//! The way to a consumer that can be profiled.

use std::net::Ipv4Addr;

use bytes::Bytes;
use exportpool_contract::environment::{self as name, DEFAULT_PROFILE_PORT};
use http_body_util::Empty;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use procfs::{
    ProcError,
    net::TcpState,
    process::{FDTarget, Process},
};
use tokio::net::TcpStream;

use super::nothing::Nothing;
use crate::{
    cluster::Cluster,
    forward::{self, Link, NotForwarded},
};

/// A connection to a consumer, at the port for profiles.
pub(super) struct Connection {
    /// Where it goes, for people.
    pub(super) to: String,
    pub(super) way: Way,
}

/// It ends when this is dropped.
pub(super) enum Way {
    Local(SendRequest<Empty<Bytes>>),
    Forwarded(Link),
}

impl Connection {
    /// Sends requests.
    pub(super) fn requests(&mut self) -> &mut SendRequest<Empty<Bytes>> {
        match &mut self.way {
            Way::Local(requests) => requests,
            Way::Forwarded(link) => &mut link.requests,
        }
    }
}

/// A port of this machine.
///
/// # Errors
/// Nobody is there.
pub(super) async fn to_port(port: u16) -> Result<Connection, Nothing> {
    let to = format!("127.0.0.1:{port}");
    let refused = |why: String| Nothing::Refused {
        address: to.clone(),
        why,
        remedy: "the consumer listens there for profiles, unless PROFILE_PORT says otherwise",
    };
    let stream =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| refused(error.to_string()))?;
    let (requests, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| refused(error.to_string()))?;
    tokio::spawn(connection);
    Ok(Connection { to, way: Way::Local(requests) })
}

/// A process of this machine.
///
/// # Errors
/// There is none, or it takes no profiles.
pub(super) async fn to_process(pid: i32) -> Result<Connection, Nothing> {
    let port = listens_at(pid)?;
    let connection = to_port(port).await?;
    Ok(Connection { to: format!("process {pid}"), ..connection })
}

/// The port of 127.0.0.1 at which a process listens (proc_pid_net(5)).
fn listens_at(pid: i32) -> Result<u16, Nothing> {
    let why = |error: ProcError| match error {
        ProcError::PermissionDenied(_) => Nothing::NotOurs(pid),
        _ => Nothing::NoProcess(pid),
    };
    let process = Process::new(pid).map_err(why)?;
    let own = |inode: u64, process: &Process| -> Result<bool, ProcError> {
        Ok(process.fd()?.flatten().any(|fd| matches!(fd.target, FDTarget::Socket(of) if of == inode)))
    };
    for socket in process.tcp().map_err(why)? {
        let here = socket.local_address.ip() == Ipv4Addr::LOCALHOST && socket.state == TcpState::Listen;
        if here && own(socket.inode, &process).map_err(why)? {
            return Ok(socket.local_address.port());
        }
    }
    Err(Nothing::ListensNowhere(pid))
}

/// A pod of a cluster.
///
/// # Errors
/// There is none, it may not be profiled, or not by who asks.
pub(super) async fn to_pod(cluster: &Cluster, pod: &str) -> anyhow::Result<Connection> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let found = api.get_opt(pod).await?.ok_or_else(|| {
        let namespace = &cluster.namespace;
        anyhow::anyhow!(
            "there is no pod {pod} in namespace {namespace}: `kubectl get pods -n {namespace}` lists them"
        )
    })?;
    let port = port_of(&found).ok_or_else(|| Nothing::Forbidden(pod.to_owned()))?;
    let link = forward::connect(&api, pod, port).await.map_err(|error| match error {
        NotForwarded::NotAllowed(_) => anyhow::anyhow!("pod {pod} cannot be reached: {error}"),
        NotForwarded::Failed(why) => Nothing::Refused {
            address: format!("pods/{pod}:{port}"),
            why,
            remedy: "is it a pod of an ExportPool, of this version or later, and does it run?",
        }
        .into(),
    })?;
    Ok(Connection { to: format!("pod {pod}"), way: Way::Forwarded(link) })
}

/// Where a pod listens for profiles. `None`: nowhere.
fn port_of(pod: &Pod) -> Option<u16> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut set = containers.flat_map(|container| container.env.iter().flatten());
    match set
        .find(|variable| variable.name == name::PROFILE_PORT)
        .and_then(|variable| variable.value.as_deref())
    {
        None | Some("") => Some(DEFAULT_PROFILE_PORT),
        Some(port) => port.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_there_or_listens_nowhere_is_told() {
        assert!(matches!(listens_at(i32::MAX), Err(Nothing::NoProcess(i32::MAX))));
        let own = i32::try_from(std::process::id()).unwrap();
        let _elsewhere = std::net::TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        assert!(listens_at(own).is_ok_and(|port| port > 0));
        assert!(listener.local_addr().is_ok());
    }

    #[test]
    fn a_pod_says_where_it_listens() {
        let pod = |env: serde_json::Value| -> Pod {
            serde_json::from_value(
                serde_json::json!({"spec": {"containers": [{"name": "consumer", "env": env}]}}),
            )
            .unwrap()
        };
        let set = |port: &str| pod(serde_json::json!([{"name": "PROFILE_PORT", "value": port}]));
        assert_eq!(port_of(&pod(serde_json::json!([]))), Some(3001));
        assert_eq!(
            [set("4000"), set(""), set("none")].map(|pod| port_of(&pod)),
            [Some(4000), Some(3001), None]
        );
    }
}
