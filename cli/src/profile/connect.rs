//! The way to a consumer that can be profiled.

use std::{collections::HashSet, ffi::OsStr, net::Ipv4Addr};

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

/// The port of our 127.0.0.1 at which a process listens (proc_pid_net(5), namespaces(7)).
fn listens_at(pid: i32) -> Result<u16, Nothing> {
    let why = |error: ProcError| match error {
        ProcError::PermissionDenied(_) => Nothing::NotOurs(pid),
        _ => Nothing::NoProcess(pid),
    };
    let process = Process::new(pid).map_err(why)?;
    if network(&process).map_err(why)? != Process::myself().and_then(|own| network(&own)).map_err(why)? {
        return Err(Nothing::Elsewhere(pid));
    }
    ports(&process).map_err(why)?.first().copied().ok_or(Nothing::ListensNowhere(pid))
}

/// The ports of 127.0.0.1 at which a process listens.
fn ports(of: &Process) -> Result<Vec<u16>, ProcError> {
    let sockets: HashSet<u64> = of
        .fd()?
        .flatten()
        .filter_map(|fd| match fd.target {
            FDTarget::Socket(inode) => Some(inode),
            _ => None,
        })
        .collect();
    let listens = of.tcp()?.into_iter().filter(|socket| {
        let here = socket.local_address.ip() == Ipv4Addr::LOCALHOST && socket.state == TcpState::Listen;
        here && sockets.contains(&socket.inode)
    });
    Ok(listens.map(|socket| socket.local_address.port()).collect())
}

/// The number of a process's network namespace.
fn network(of: &Process) -> Result<Option<u64>, ProcError> {
    Ok(of.namespaces()?.0.get(OsStr::new("net")).map(|network| network.identifier))
}

/// A pod of a cluster.
///
/// # Errors
/// There is none, it may not be profiled, or not by who asks.
pub(super) async fn to_pod(cluster: &Cluster, pod: &str) -> Result<Connection, Nothing> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let no_way = |why: anyhow::Error| Nothing::NoWay { pod: pod.to_owned(), why };
    let found = api.get_opt(pod).await.map_err(|error| no_way(error.into()))?;
    let found = found.ok_or_else(|| {
        let namespace = cluster.namespace.clone();
        Nothing::NoPod { pod: pod.to_owned(), namespace }
    })?;
    let port = port_of(&found).ok_or_else(|| Nothing::Forbidden(pod.to_owned()))?;
    let link = forward::connect(&api, pod, port).await.map_err(|error| match error {
        NotForwarded::NotAllowed(_) => no_way(error.into()),
        NotForwarded::Failed(why) => Nothing::Refused {
            address: format!("pods/{pod}:{port}"),
            why,
            remedy: "is it a pod of an ExportPool, of this version or later, and does it run?",
        },
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
    use std::{
        io::{Read as _, Write as _},
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn a_process_that_is_not_there_or_listens_nowhere_is_told() {
        assert!(matches!(listens_at(i32::MAX), Err(Nothing::NoProcess(i32::MAX))));
        let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let found = listens_at(other.id().cast_signed());
        other.kill().and_then(|()| other.wait()).unwrap();
        assert!(matches!(found, Err(Nothing::ListensNowhere(_))), "{found:?}");
    }

    #[test]
    fn a_process_of_another_network_is_not_looked_for_in_ours() {
        let mut unshared = Command::new("unshare");
        unshared
            .args(["--user", "--map-root-user", "--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut other = unshared.spawn().unwrap();
        // What comes back says that cat runs, in its network.
        other.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        other.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let found = listens_at(other.id().cast_signed());
        other.kill().and_then(|()| other.wait()).unwrap();
        assert!(matches!(found, Err(Nothing::Elsewhere(_))), "{found:?}");
    }

    #[test]
    fn a_process_is_found_where_it_listens_on_127_0_0_1() {
        let elsewhere = std::net::TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        // Other tests of this process listen as well, unless each is a process of its own.
        let ports = ports(&Process::myself().unwrap()).unwrap();
        assert!(ports.contains(&listener.local_addr().unwrap().port()), "{ports:?}");
        assert!(!ports.contains(&elsewhere.local_addr().unwrap().port()), "{ports:?}");
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
