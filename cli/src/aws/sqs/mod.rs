//! SQS: the crate's queues behind a layer that adds what AWS has and they lack.
//!
//! | file | adds |
//! |---|---|
//! | `queue` | `maxReceiveCount` as a string, messages of up to 1 MiB, refusal of unknown attributes |
//! | `send` | `MessageGroupId` on standard queues, limits of a message and of a batch |
//! | `receive` | limits; long polls that end when the stand-in stops |
//! | `settle` | refusal of what is no receipt handle, limits of a visibility timeout |
//! | `carry` | how a message holds what the crate's queues cannot |

mod carry;
mod queue;
mod receive;
mod send;
mod settle;

use std::{net::SocketAddr, ops::RangeInclusive, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::Response;
use rustack_sqs_core::{config::SqsConfig, handler::RustackSqsHandler, provider::RustackSqs};
use rustack_sqs_http::{
    body::SqsResponseBody,
    dispatch::SqsHandler,
    response::{error_to_response, json_response},
};
use rustack_sqs_model::{
    error::{SqsError, SqsErrorCode},
    operations::SqsOperation,
    types::BatchResultErrorEntry,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;

type Answer = Result<Response<SqsResponseBody>, SqsError>;

/// Every queue of a stand-in.
pub(super) struct Queues(Arc<Inner>);

struct Inner {
    provider: Arc<RustackSqs>,
    /// What needs no mending goes straight there.
    rest: RustackSqsHandler,
    sizes: queue::Sizes,
    stop: CancellationToken,
}

impl Queues {
    /// `address` is what queue URLs name; `stop` ends long polls.
    pub(super) fn new(address: SocketAddr, stop: CancellationToken) -> Self {
        let (host, port) = (address.ip().to_string(), address.port());
        let provider = Arc::new(RustackSqs::new(SqsConfig { host, port, ..SqsConfig::default() }));
        let rest = RustackSqsHandler::new(Arc::clone(&provider));
        Self(Arc::new(Inner { provider, rest, sizes: queue::Sizes::default(), stop }))
    }
}

impl SqsHandler for Queues {
    fn handle_operation(
        &self,
        operation: SqsOperation,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.answer(operation, body).await.or_else(not_in_flight) })
    }
}

impl Inner {
    async fn answer(&self, operation: SqsOperation, body: Bytes) -> Answer {
        match operation {
            SqsOperation::CreateQueue => reply(&self.create(read(&body)?).await?),
            SqsOperation::DeleteQueue => reply(&self.delete_queue(read(&body)?).await?),
            SqsOperation::SetQueueAttributes => reply(&self.set(read(&body)?).await?),
            SqsOperation::GetQueueAttributes => reply(&self.get(read(&body)?).await?),
            SqsOperation::SendMessage => reply(&self.send(read(&body)?).await?),
            SqsOperation::SendMessageBatch => reply(&self.send_batch(read(&body)?).await?),
            SqsOperation::ReceiveMessage => reply(&self.receive(read(&body)?).await?),
            SqsOperation::DeleteMessage => reply(&self.delete(read(&body)?).await?),
            SqsOperation::DeleteMessageBatch => reply(&self.delete_batch(read(&body)?).await?),
            SqsOperation::ChangeMessageVisibility => reply(&self.change(read(&body)?).await?),
            SqsOperation::ChangeMessageVisibilityBatch => reply(&self.change_batch(read(&body)?).await?),
            other => self.rest.handle_operation(other, body).await,
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, SqsError> {
    serde_json::from_slice(body).map_err(|error| {
        let words = error.to_string();
        if words.contains("missing field") {
            SqsError::missing_parameter(format!("The request misses a parameter: {words}"))
        } else {
            invalid(format!("The request cannot be read: {words}"))
        }
    })
}

fn reply<T: Serialize>(output: &T) -> Answer {
    let json = serde_json::to_vec(output).map_err(|error| SqsError::internal_error(error.to_string()))?;
    Ok(json_response(json, &request_id()))
}

fn request_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// The crate's code for this error is not the one that SDKs know.
fn not_in_flight(error: SqsError) -> Answer {
    if error.code != SqsErrorCode::MessageNotInflight {
        return Err(error);
    }
    let mut response = error_to_response(&error, &request_id());
    let code = "AWS.SimpleQueueService.MessageNotInflight;Sender";
    response.headers_mut().insert("x-amzn-query-error", http::HeaderValue::from_static(code));
    Ok(response)
}

fn invalid(message: impl Into<String>) -> SqsError {
    SqsError::invalid_parameter_value(message)
}

fn within(name: &str, value: Option<i32>, allowed: RangeInclusive<i32>) -> Result<(), SqsError> {
    match value {
        Some(value) if !allowed.contains(&value) => Err(invalid(format!(
            "Value {value} for parameter {name} is invalid. Reason: Must be between {} and {}, if provided.",
            allowed.start(),
            allowed.end()
        ))),
        _ => Ok(()),
    }
}

/// The rules for a batch as such: 1 to 10 entries, each with an id of its own.
fn batch<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> Result<(), SqsError> {
    let count = ids.len();
    if count == 0 {
        return Err(SqsError::empty_batch_request());
    }
    if count > 10 {
        return Err(SqsError::too_many_entries_in_batch());
    }
    if ids.collect::<std::collections::HashSet<_>>().len() < count {
        return Err(SqsError::batch_entry_ids_not_distinct());
    }
    Ok(())
}

/// Takes the entries that break a rule out of a batch; the others go through, as on AWS.
fn sort_out<T>(
    entries: &mut Vec<T>,
    id: impl Fn(&T) -> &String,
    rule: impl Fn(&T) -> Result<(), SqsError>,
) -> Vec<BatchResultErrorEntry> {
    let mut failed = Vec::new();
    entries.retain(|entry| match rule(entry) {
        Ok(()) => true,
        Err(error) => {
            failed.push(BatchResultErrorEntry {
                id: id(entry).clone(),
                sender_fault: error.code.is_sender_fault(),
                code: error.code.error_type().to_owned(),
                message: Some(error.message),
            });
            false
        }
    });
    failed
}
