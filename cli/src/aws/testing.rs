//! A stand-in with its resources and clients, for the tests of any room.

use std::time::Duration;

use exportpool_consumer::aws::connect;
use tokio::time::{self, Instant};

use super::{Options, StandIn, make_resources};
use crate::target::Target;

/// A stand-in on a port of its own. Its data goes with it.
pub(crate) struct Fixture {
    /// The stand-in.
    pub stand_in: StandIn,
    /// Its resources.
    pub target: Target,
    /// A client for its queues.
    pub sqs: aws_sdk_sqs::Client,
    /// A client for its bucket.
    pub s3: aws_sdk_s3::Client,
    /// A client for its table.
    pub dynamodb: aws_sdk_dynamodb::Client,
}

impl Fixture {
    /// One with all resources made.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// One with all resources made, for clients with the expected access key.
    pub(crate) async fn start_with(options: Options) -> Self {
        let key = options.access_key.clone();
        let stand_in = StandIn::start(options).await.unwrap();
        let mut target = Target::emulator(&stand_in.endpoint()).unwrap();
        if let (Some(key), Some(access_key)) = (key, &mut target.access.key) {
            access_key.id = key;
        }
        make_resources(&target).await.unwrap();
        let (sqs, s3, dynamodb) = clients(&target).await;
        Self { stand_in, target, sqs, s3, dynamodb }
    }
}

/// Clients for a target.
pub(crate) async fn clients(
    target: &Target,
) -> (aws_sdk_sqs::Client, aws_sdk_s3::Client, aws_sdk_dynamodb::Client) {
    let config = target.access.resolve().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    (aws_sdk_sqs::Client::new(&config), connect::s3(&config), dynamodb)
}

/// Asks again and again until there is an answer, for at most ten seconds.
pub(crate) async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "no answer in time");
        time::sleep(Duration::from_millis(5)).await;
    }
}

/// A client that signs nothing.
pub(crate) fn plain_http() -> reqwest::Client {
    // The first test that asks installs it for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
