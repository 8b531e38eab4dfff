//! What a source's answer means.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use crate::fail::{Reason, TaskFault};

/// Reads a status that is no success.
#[must_use]
pub fn refused(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> TaskFault {
    let detail = format!("the source answered {status}");
    if may_pass(status) {
        return TaskFault::Retry { reason: Reason::SourceFailed, detail, after: retry_after(headers, now) };
    }
    let forbidden = status == StatusCode::FORBIDDEN;
    TaskFault::last(if forbidden { Reason::SourceForbidden } else { Reason::SourceRefused }, detail)
}

/// 408, 425, 429 and 5xx may pass; everything else is the source's word.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

/// `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<&'static str>) -> TaskFault {
        let mut headers = HeaderMap::new();
        headers.extend(retry_after.map(|value| (header::RETRY_AFTER, value.parse().unwrap())));
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        refused(StatusCode::from_u16(status).unwrap(), &headers, now)
    }

    #[test]
    fn statuses_that_may_pass_are_tried_again() {
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(answered(status, None), TaskFault::Retry { .. }), "{status}");
        }
        for status in [400, 401, 403, 404, 410, 451, 301, 204 + 100] {
            assert!(matches!(answered(status, None), TaskFault::Final { .. }), "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        for (value, seconds) in [
            ("7", Some(7)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("soon", None),
        ] {
            let TaskFault::Retry { after, .. } = answered(503, Some(value)) else { panic!("final") };
            assert_eq!(after, seconds.map(Duration::from_secs), "{value}");
        }
    }
}
