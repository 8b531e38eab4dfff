//! Port 3000, read-only. It has its own thread: a blocked main shows as 503, not as a hang.

use std::time::{Duration, Instant};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, sync::oneshot};

use super::{board::Board, metrics};
use crate::clock::unix_millis;

/// Requests under way at shutdown get this long.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// The routes.
pub fn router(board: Board) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics_text))
        .route("/report", get(report))
        .with_state(board)
}

/// Serves until told to stop.
pub(crate) async fn serve(listener: TcpListener, board: Board, stop: oneshot::Receiver<()>) {
    let (stopping, stopped) = oneshot::channel::<()>();
    let until = async {
        let _ = stop.await;
        drop(stopping);
    };
    let serving = axum::serve(listener, router(board)).with_graceful_shutdown(until).into_future();
    let late = async {
        let _ = stopped.await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        ended = serving => if let Err(error) = ended {
            tracing::error!(%error, "the HTTP server ended");
        },
        () = late => {}
    }
}

async fn health(State(board): State<Board>) -> Response {
    let now = Instant::now();
    let dead = board.dead(now).is_some();
    let status = if dead { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(board.health(now, unix_millis()))).into_response()
}

async fn live(State(board): State<Board>) -> (StatusCode, String) {
    match board.dead(Instant::now()) {
        None => (StatusCode::OK, "live\n".into()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn ready(State(board): State<Board>) -> (StatusCode, String) {
    match board.unready(Instant::now()) {
        None => (StatusCode::OK, "ready\n".into()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

async fn metrics_text(State(board): State<Board>) -> Response {
    let text = metrics::render(&board.report(Instant::now()));
    ([("content-type", "text/plain; version=0.0.4")], text).into_response()
}

async fn report(State(board): State<Board>) -> Response {
    Json(board.report(Instant::now())).into_response()
}
