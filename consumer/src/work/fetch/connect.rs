//! When a task was connected to its source, for whoever looks into where its time goes.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tower::{Layer, Service};

tokio::task_local! {
    static CONNECTED: Cell<Option<Connected>>;
}

/// A connection that was made, or was to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connected {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    pub(crate) failed: bool,
}

/// What `asking` gives, and when a connection was made for it: one that was there before takes no time.
pub(crate) async fn noted<T>(asking: impl Future<Output = T>) -> (T, Option<Connected>) {
    let noting = async {
        let asked = asking.await;
        (asked, CONNECTED.with(Cell::get))
    };
    CONNECTED.scope(Cell::new(None), noting).await
}

/// Notes when connections are made, for the task that waits for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noting;

impl<S> Layer<S> for Noting {
    type Service = NotingConnector<S>;

    fn layer(&self, inner: S) -> Self::Service {
        NotingConnector(inner)
    }
}

/// A connector that notes.
#[derive(Debug, Clone)]
pub(super) struct NotingConnector<S>(S);

impl<S, R> Service<R> for NotingConnector<S>
where
    S: Service<R, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.0.call(request);
        Box::pin(async move {
            let from = Instant::now();
            let made = connecting.await;
            let connected = Connected { from, to: Instant::now(), failed: made.is_err() };
            // One that nobody waits for any more is made for the next who asks, and is nobody's time.
            let _ = CONNECTED.try_with(|noted| noted.set(Some(connected)));
            made
        })
    }
}
