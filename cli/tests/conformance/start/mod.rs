//! An implementation, running, with clients of this test's runtime. It ends with the test.

mod elasticmq;
mod embedded;
mod localstack;
mod ministack;
mod moto;
mod server;

use std::cell::Cell;

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_s3::Client as S3;
use aws_sdk_sqs::Client as Sqs;
use exportpool_consumer::aws::connect::{self, Access, AccessKey};

use crate::{implementation::Implementation, start::server::Server};

/// The key that every implementation lets in.
const KEY: &str = "test";

/// Clients of one endpoint.
pub(crate) struct Clients {
    pub(crate) sqs: Sqs,
    pub(crate) s3: S3,
    pub(crate) dynamodb: DynamoDb,
}

/// An implementation that answers.
pub(crate) struct Site {
    /// Where it answers.
    pub(crate) endpoint: String,
    /// Clients that are let in.
    pub(crate) ours: Clients,
    /// Clients with an access key id that nobody gave out.
    pub(crate) strangers: Clients,
    named: Cell<u32>,
    _server: Server,
}

impl Site {
    /// A name for a queue, bucket or table that nobody else uses.
    pub(crate) fn name(&self, what: &str) -> String {
        self.named.set(self.named.get() + 1);
        format!("{what}-{}", self.named.get())
    }
}

/// Starts an implementation and waits until it answers.
pub(crate) async fn start(implementation: Implementation) -> Site {
    let server = match implementation {
        Implementation::Embedded => embedded::start(),
        Implementation::MiniStack => ministack::start(),
        Implementation::LocalStack => localstack::start(),
        Implementation::ElasticMq => elasticmq::start(),
        Implementation::Moto => moto::start(),
    };
    server.answers().await;
    let endpoint = format!("http://127.0.0.1:{}", server.port());
    let (ours, strangers) = (clients(&endpoint, KEY).await, clients(&endpoint, "AKIASTRANGER").await);
    Site { endpoint, ours, strangers, named: Cell::new(0), _server: server }
}

async fn clients(endpoint: &str, id: &str) -> Clients {
    let key = AccessKey { id: id.to_owned(), secret: "test".to_owned(), session_token: None };
    let access =
        Access { region: "us-east-1".to_owned(), endpoint: Some(endpoint.to_owned()), key: Some(key) };
    let config = access.resolve().await;
    Clients { sqs: Sqs::new(&config), s3: connect::s3(&config), dynamodb: DynamoDb::new(&config) }
}
