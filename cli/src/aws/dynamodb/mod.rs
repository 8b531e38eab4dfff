//! DynamoDB: the crate's tables behind a layer that adds what AWS has and they lack.
//!
//! - More than 128 requests at a time wait here; the crate refuses them.
//! - A `ClientRequestToken` is remembered here, see [`tokens`]: the crate refuses every transaction after 1,024
//!   tokens in ten minutes, and the SDKs send one with each transaction.
//! - The reasons of a cancelled transaction read as AWS's do.

mod tokens;

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use http::Response;
use rustack_dynamodb_core::{
    config::DynamoDBConfig, handler::RustackDynamoDBHandler, provider::RustackDynamoDB,
};
use rustack_dynamodb_http::{body::DynamoDBResponseBody, dispatch::DynamoDBHandler, response::json_response};
use rustack_dynamodb_model::{
    error::{DynamoDBError, DynamoDBErrorCode},
    operations::DynamoDBOperation,
};
use serde_json::Value;
use tokio::{sync::Semaphore, time::Instant};

use tokens::{Begun, Tokens};

type Answer = Result<Response<DynamoDBResponseBody>, DynamoDBError>;

/// Below the crate's 128, as a request whose client has gone still holds one of those.
const AT_A_TIME: usize = 64;
const TOKEN: &str = "ClientRequestToken";

/// Every table of a stand-in.
pub(super) struct Tables(Arc<Inner>);

struct Inner {
    rest: RustackDynamoDBHandler,
    places: Semaphore,
    tokens: Tokens,
}

impl Default for Tables {
    fn default() -> Self {
        let provider = Arc::new(RustackDynamoDB::new(DynamoDBConfig::default()));
        Self(Arc::new(Inner {
            rest: RustackDynamoDBHandler::new(provider),
            places: Semaphore::new(AT_A_TIME),
            tokens: Tokens::default(),
        }))
    }
}

impl DynamoDBHandler for Tables {
    fn handle_operation(
        &self,
        operation: DynamoDBOperation,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            if operation == DynamoDBOperation::TransactWriteItems {
                // A task of its own: a client that goes away must not leave its token begun for ever.
                let transaction = tokio::spawn(async move { inner.transact(&body).await });
                return transaction.await.unwrap_or_else(|error| Err(internal(&error)));
            }
            inner.pass(operation, body).await
        })
    }
}

impl Inner {
    async fn pass(&self, operation: DynamoDBOperation, body: Bytes) -> Answer {
        let _place = self.places.acquire().await.map_err(|error| internal(&error))?;
        self.rest.handle_operation(operation, body).await
    }

    async fn transact(&self, body: &[u8]) -> Answer {
        let mut request: Value = serde_json::from_slice(body)
            .map_err(|error| DynamoDBError::serialization_exception(error.to_string()))?;
        let token = request.as_object_mut().and_then(|fields| fields.remove(TOKEN));
        let Some(token) = token.as_ref().and_then(Value::as_str) else {
            return self.transact_once(&request).await;
        };
        match self.tokens.begin(token, &request, Instant::now())? {
            Begun::Before => Ok(json_response(b"{}".to_vec(), "idempotent")),
            Begun::Now => {
                let answer = self.transact_once(&request).await;
                self.tokens.end(token, answer.is_ok());
                answer
            }
        }
    }

    async fn transact_once(&self, request: &Value) -> Answer {
        let body = serde_json::to_vec(request).map_err(|error| internal(&error))?;
        let answer = self.pass(DynamoDBOperation::TransactWriteItems, body.into()).await;
        answer.map_err(|error| reworded(error, request))
    }
}

/// The reasons as AWS gives them: no message where nothing failed, an item only where one was asked for, and the
/// codes in the message.
fn reworded(mut error: DynamoDBError, request: &Value) -> DynamoDBError {
    if error.code != DynamoDBErrorCode::TransactionCanceledException {
        return error;
    }
    for (index, reason) in error.cancellation_reasons.iter_mut().enumerate() {
        if reason.code.as_deref() == Some("None") {
            reason.message = None;
        }
        if !wants_item(&request["TransactItems"][index]) {
            reason.item = None;
        }
    }
    let codes = error.cancellation_reasons.iter().map(|reason| reason.code.as_deref().unwrap_or("None"));
    let codes = codes.collect::<Vec<_>>().join(", ");
    error.message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]");
    error
}

fn wants_item(action: &Value) -> bool {
    ["Put", "Update", "Delete", "ConditionCheck"]
        .iter()
        .any(|kind| action[kind]["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD")
}

fn internal(error: &dyn std::fmt::Display) -> DynamoDBError {
    DynamoDBError::internal_error(error.to_string())
}
