//! What a queue says that cannot be used.

use aws_sdk_sqs::Client;
use exportpool_consumer::{
    aws::sqs::SqsQueues,
    fail::AwsKind,
    message::{QueueName, Receipt},
    ports::{Outbox, Queue as _},
};

use super::setup::{HIDDEN, NOW, Queues, TASKS, message};
use crate::start::Site;

fn port(sqs: &Client, url: &str) -> SqsQueues {
    SqsQueues::new(sqs.clone(), [url.to_owned(), url.to_owned()], [None, None], HIDDEN)
}

/// What each request of the port is refused with.
async fn refusals(port: &SqsQueues) -> [AwsKind; 5] {
    let receipt = Receipt("a receipt".into());
    [
        port.look(TASKS).await.unwrap_err().kind,
        port.receive(TASKS, 1, NOW).await.unwrap_err().kind,
        port.send(Outbox::DownloadTasks, &[message("body")]).await.unwrap_err().kind,
        port.change_visibility(TASKS, &[(receipt.clone(), NOW)]).await.unwrap_err().kind,
        port.delete(TASKS, &[receipt]).await.unwrap_err().kind,
    ]
}

pub(super) async fn a_missing_queue_is_missing(site: &Site) {
    let queues = Queues::make(site).await;
    let url = format!("{}-absent", queues.urls[QueueName::ExportJobs as usize]);
    assert_eq!(refusals(&port(&queues.sqs, &url)).await, [AwsKind::Missing; 5]);
}

pub(super) async fn wrong_credentials_are_denied(site: &Site) {
    let queues = Queues::make(site).await;
    let port = port(&site.strangers.sqs, &queues.urls[TASKS as usize]);
    assert_eq!(refusals(&port).await, [AwsKind::Denied; 5]);
}
