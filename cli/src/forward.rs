//! To a port of a pod through the API server, as `kubectl port-forward` goes: whoever may do that needs no way to the pod's
//! address.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::Portforwarder, client::UpgradeConnectionError};
use tokio::time::timeout;

/// To be connected through the API server and a kubelet.
const CONNECT: Duration = Duration::from_secs(3);

/// A connection to a pod, for requests one after the other. It ends when this is dropped.
pub(crate) struct Link {
    /// Sends requests.
    pub(crate) requests: SendRequest<Empty<Bytes>>,
    forwarder: Portforwarder,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotForwarded {
    /// Who asks may not.
    #[error("{0}: it needs the right to create pods/portforward, as the role edit has it")]
    NotAllowed(String),
    /// Something else.
    #[error("{0}")]
    Failed(String),
}

/// Connects to a port of a pod.
///
/// # Errors
/// Whose fault it is that there is none.
pub(crate) async fn connect(api: &Api<Pod>, pod: &str, port: u16) -> Result<Link, NotForwarded> {
    let connecting = async {
        let mut forwarder = api.portforward(pod, &[port]).await.map_err(|error| why(&error))?;
        let stream = forwarder.take_stream(port).ok_or_else(|| failed(&"no stream"))?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // It ends with the link.
        tokio::spawn(connection);
        Ok(Link { requests, forwarder })
    };
    timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(failed(&"no answer")))
}

fn why(error: &kube::Error) -> NotForwarded {
    match error {
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status))
            if status.as_u16() == 403 =>
        {
            NotForwarded::NotAllowed(status.to_string())
        }
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => failed(status),
        error => failed(error),
    }
}

fn failed(why: &dyn std::fmt::Display) -> NotForwarded {
    NotForwarded::Failed(why.to_string())
}
