//! The server: by itself, or nested in another one.

use std::{io, net::IpAddr, net::Ipv4Addr, net::SocketAddr, time::Duration};

use axum::{Router, routing::get, serve::ListenerExt as _};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{answer, api, downloads::Downloads};

/// Time for connections to notice that they were cut off.
const CUT_OFF: Duration = Duration::from_secs(1);

/// What a source shares with the process it runs in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Its counts.
    pub(crate) downloads: Downloads,
    /// Cancelled: answers that are under way are cut off, also those that would never end.
    pub(crate) stop: CancellationToken,
}

/// The routes `/files/{name}`, `/api/{job}` and `/downloads`; to be served as they are, or nested under a prefix.
pub(crate) fn router(options: Options) -> Router {
    Router::new()
        .route("/files/{*name}", get(answer::file))
        .route("/api/{job}", get(api::page))
        .route("/downloads", get(answer::downloads))
        .with_state(options)
}

/// Why a source did not start.
#[derive(Debug, thiserror::Error)]
#[error("the file server cannot listen on {address}: {cause}; choose another address or port")]
pub(crate) struct NotStarted {
    address: SocketAddr,
    #[source]
    cause: io::Error,
}

/// A source on a port of its own. Dropped, it stops at once; [`Source::stop`] lets it finish.
#[derive(Debug)]
pub(crate) struct Source {
    /// Where it is: `http://127.0.0.1:<port>`, no slash at the end.
    pub(crate) base_url: String,
    /// Its counts.
    #[allow(dead_code, reason = "only some of those who embed a source read them")]
    pub(crate) downloads: Downloads,
    closing: CancellationToken,
    cut_off: CancellationToken,
    server: JoinHandle<()>,
}

impl Source {
    /// Listens on `bind` and serves until stopped; port 0 takes a free one.
    ///
    /// # Errors
    /// [`NotStarted`] names the address.
    pub(crate) async fn start(bind: IpAddr, port: u16) -> Result<Self, NotStarted> {
        let address = SocketAddr::new(bind, port);
        let failed = |cause| NotStarted { address, cause };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let base_url = base_url(listener.local_addr().map_err(failed)?);
        let options = Options::default();
        let closing = CancellationToken::new();
        let (downloads, cut_off) = (options.downloads.clone(), options.stop.clone());
        let server = tokio::spawn(serve(listener, router(options), closing.clone()));
        Ok(Self { base_url, downloads, closing, cut_off, server })
    }

    /// Takes no more requests, gives those under way `grace`, then cuts them off.
    #[allow(dead_code, reason = "others drop it")]
    pub(crate) async fn stop(mut self, grace: Duration) {
        self.closing.cancel();
        if timeout(grace, &mut self.server).await.is_ok() {
            return;
        }
        self.cut_off.cancel();
        if timeout(CUT_OFF, &mut self.server).await.is_err() {
            // A client that reads nothing keeps its connection from noticing anything.
            self.server.abort();
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.closing.cancel();
        self.cut_off.cancel();
    }
}

async fn serve(listener: TcpListener, router: Router, closing: CancellationToken) {
    // A trickle of small pieces must not wait for acknowledgements.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY is not set");
        }
    });
    let served = axum::serve(listener, router).with_graceful_shutdown(closing.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the file server ended");
    }
}

/// A wildcard address is reached through loopback.
fn base_url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}
