//! Listens, converses, and stops: the life of a stand-in.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time,
};
use tokio_util::sync::CancellationToken;

use super::{error::Error, ill::Illness, route::Edge};

/// Open long polls are answered at once when a stand-in stops, so that only transfers take part of this.
const DRAIN: Duration = Duration::from_secs(5);
/// Before the next accept, after one that failed: most often no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How a stand-in is to be started.
pub(crate) struct Options {
    /// Where it listens. Whoever reaches this address may do everything.
    pub bind: IpAddr,
    /// The port; 0 is any free one.
    pub port: u16,
    /// When set, requests signed with another access key id are refused as AWS refuses them.
    pub access_key: Option<String>,
    /// When set, each request to SQS is answered so.
    pub illness: Option<Illness>,
    /// So long S3 takes to begin with an object, or a part of one, that is stored.
    pub store_delay: Duration,
    /// Answers what is under `/_source/`. It sees paths without that prefix.
    pub source: Option<axum::Router>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            access_key: None,
            illness: None,
            store_delay: Duration::ZERO,
            source: None,
        }
    }
}

/// SQS, S3 and DynamoDB in this process, on one port. Its data is gone when it stops or is dropped.
pub(crate) struct StandIn {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl StandIn {
    /// Listens, and serves on the runtime of the caller. It holds no resources yet: see
    /// [`make_resources`](super::make_resources).
    ///
    /// # Errors
    /// [`Error::InUse`] and [`Error::Listen`].
    pub(crate) async fn start(options: Options) -> Result<Self, Error> {
        let wanted = SocketAddr::new(options.bind, options.port);
        let listener = TcpListener::bind(wanted).await.map_err(|error| Error::listen(wanted, error))?;
        let address = listener.local_addr().map_err(|error| Error::Listen(wanted, error))?;
        let stop = CancellationToken::new();
        let edge = Arc::new(Edge::new(options, reachable(address), stop.clone()));
        let server = tokio::spawn(accept(listener, edge, stop.clone()));
        Ok(Self { address, stop, server })
    }

    /// The address it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL at which programs on this machine reach it.
    pub(crate) fn endpoint(&self) -> String {
        url(self.address)
    }

    /// Takes no more connections, answers open long polls, lets transfers end for a few seconds.
    pub(crate) async fn shutdown(mut self) {
        self.stop.cancel();
        // Late transfers are cut off by the drop that follows.
        let _ = time::timeout(DRAIN, &mut self.server).await;
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.cancel();
        // The acceptor owns the connections: with it they end, and with them the last hold on the data.
        self.server.abort();
    }
}

/// The URL at which programs on this machine reach a stand-in that listens on this address.
pub(super) fn url(address: SocketAddr) -> String {
    format!("http://{}", reachable(address))
}

/// An address to connect to, for one to listen on: `0.0.0.0` is none.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn accept(listener: TcpListener, edge: Arc<Edge>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(converse(stream, Arc::clone(&edge), stop.clone()))),
                Err(_) => time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn converse(stream: TcpStream, edge: Arc<Edge>, stop: CancellationToken) {
    // Answers are small and waited for: without this each may wait 40 ms for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let edge = Arc::clone(&edge);
        async move { Ok::<_, Infallible>(edge.answer(request).await) }
    });
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    // A connection that breaks is the client's to notice.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
