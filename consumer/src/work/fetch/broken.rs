//! What an error of the HTTP client means.

use std::error::Error;

use url::Url;

use super::{
    request::forbidden,
    resolver::{Forbidden, Unresolved},
};
use crate::fail::{Reason, TaskFault};

/// While a body was read.
pub(super) fn of_body(error: &reqwest::Error) -> TaskFault {
    let reason = if error.is_timeout() { Reason::TooSlow } else { Reason::Truncated };
    TaskFault::retry(reason, root(error))
}

/// Before there was an answer.
pub(super) fn of_connection(error: &reqwest::Error, url: &Url) -> TaskFault {
    let host = url.host_str().unwrap_or_default();
    if chain(error).any(<dyn Error>::is::<Forbidden>) {
        return forbidden(host);
    }
    let reason = if chain(error).any(<dyn Error>::is::<Unresolved>) {
        Reason::Dns
    } else if error.is_timeout() && !error.is_connect() {
        Reason::TooSlow
    } else if error.is_connect() {
        Reason::Connect
    } else {
        Reason::Truncated
    };
    TaskFault::retry(reason, format!("{host}: {}", root(error)))
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The innermost cause: it names no URL, so no secret of one.
fn root(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
