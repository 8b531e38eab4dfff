//! SQS, as far as the depth of queues goes.

use std::{
    future::pending,
    sync::{Arc, Mutex, PoisonError},
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::json;

/// What SQS answers for each queue.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reply {
    /// So many messages are visible.
    Depth(u64),
    /// It refuses, with a status and a code.
    Refusal(u16, &'static str),
    /// What is no answer of SQS.
    Garbage,
    /// Nothing.
    Silence,
}

/// SQS.
#[derive(Debug, Clone)]
pub(crate) struct Sqs(Arc<Mutex<Reply>>);

impl Sqs {
    /// One that answers so.
    pub(crate) fn that(replies: Reply) -> Self {
        Self(Arc::new(Mutex::new(replies)))
    }

    /// From now on it answers so.
    pub(crate) fn replies(&self, reply: Reply) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reply;
    }

    pub(crate) fn http(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }
}

impl HttpConnector for Sqs {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Reply::Depth(visible) => (200, depth(visible)),
            Reply::Refusal(status, code) => (status, json!({"__type": code}).to_string()),
            Reply::Garbage => (200, "<html>".to_owned()),
            Reply::Silence => return HttpConnectorFuture::new(pending()),
        };
        let status = StatusCode::try_from(status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

fn depth(visible: u64) -> String {
    let attributes = json!({
        "ApproximateNumberOfMessages": visible.to_string(),
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "DelaySeconds": "0",
    });
    json!({"Attributes": attributes}).to_string()
}
