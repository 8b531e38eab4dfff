//! Transactions by their `ClientRequestToken`: the same one again does nothing, for ten minutes.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustack_dynamodb_model::error::{DynamoDBError, DynamoDBErrorCode};
use serde_json::Value;
use tokio::time::Instant;

/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
const WINDOW: Duration = Duration::from_mins(10);

/// Whether a transaction is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// Do it, and say how it ended.
    Now,
    /// It was done before.
    Before,
}

/// The tokens of the last ten minutes.
#[derive(Default)]
pub(super) struct Tokens(Mutex<State>);

#[derive(Default)]
struct State {
    seen: HashMap<String, Seen>,
    /// Oldest first. A token that failed and was used again is in here twice; the first one then forgets it early.
    order: VecDeque<(Instant, String)>,
}

struct Seen {
    fingerprint: u64,
    done: bool,
}

impl Tokens {
    /// Begins the transaction of a token, unless it was done or is being done.
    pub(super) fn begin(&self, token: &str, request: &Value, now: Instant) -> Result<Begun, DynamoDBError> {
        let fingerprint = fingerprint(request);
        let mut state = self.lock();
        state.forget(now);
        match state.seen.get(token) {
            Some(seen) if seen.fingerprint != fingerprint => Err(error(
                DynamoDBErrorCode::IdempotentParameterMismatchException,
                "ClientRequestToken was used before with other parameters.",
            )),
            Some(seen) if seen.done => Ok(Begun::Before),
            Some(_) => Err(error(
                DynamoDBErrorCode::TransactionInProgressException,
                "The transaction with the given request token is already in progress.",
            )),
            None => {
                state.seen.insert(token.to_owned(), Seen { fingerprint, done: false });
                state.order.push_back((now, token.to_owned()));
                Ok(Begun::Now)
            }
        }
    }

    /// Ends it. A transaction that failed may be tried again with the same token.
    pub(super) fn end(&self, token: &str, succeeded: bool) {
        let mut state = self.lock();
        if !succeeded {
            state.seen.remove(token);
        } else if let Some(seen) = state.seen.get_mut(token) {
            seen.done = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(since, _)| now.duration_since(*since) > WINDOW) {
            if let Some((_, token)) = self.order.pop_front() {
                self.seen.remove(&token);
            }
        }
    }
}

fn fingerprint(request: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.to_string().hash(&mut hasher);
    hasher.finish()
}

fn error(code: DynamoDBErrorCode, message: &str) -> DynamoDBError {
    DynamoDBError::with_message(code, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_done_once_and_forgotten_after_ten_minutes() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        assert_eq!(tokens.begin("a", &json!(1), now).unwrap(), Begun::Now);
        let running = tokens.begin("a", &json!(1), now).unwrap_err();
        assert_eq!(running.code, DynamoDBErrorCode::TransactionInProgressException);
        tokens.end("a", true);
        assert_eq!(tokens.begin("a", &json!(1), now).unwrap(), Begun::Before);
        let other = tokens.begin("a", &json!(2), now).unwrap_err();
        assert_eq!(other.code, DynamoDBErrorCode::IdempotentParameterMismatchException);
        let later = now + WINDOW + Duration::from_secs(1);
        assert_eq!(tokens.begin("a", &json!(2), later).unwrap(), Begun::Now);
    }

    #[test]
    fn a_transaction_that_failed_may_be_tried_again() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        tokens.begin("a", &json!(1), now).unwrap();
        tokens.end("a", false);
        assert_eq!(tokens.begin("a", &json!(1), now).unwrap(), Begun::Now);
    }
}
