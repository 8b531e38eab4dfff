//! A file server that misbehaves on request: what to answer stands in the URL, and nothing on disk.
//!
//! ```text
//! GET|HEAD /files/<name>?size=<bytes>&delay=<ms>&<faults>     the file: <name> may hold slashes
//! GET      /api/<job>?tasks=<n>&page-size=<n>&…               pages that list such files: see [`api`]
//! GET      /downloads                                         JSON: who was asked for, by range, started, completed
//! ```
//! The body is a function of name and size alone, so [`checksum`] tells what a stored copy must be without a
//! download. `size` is 10240 when not given, `delay` (before the first byte of the answer) 0. Ranges, `If-Range`
//! and a strong `ETag` work. Faults, each a parameter of its own:
//!
//! | parameter | what happens |
//! |---|---|
//! | `status=<300-599>` | this status instead of the file |
//! | `signed=<n>` | a presigned URL: 403 when n is 1, which has expired |
//! | `retry-after=<s>` | the status (503 when none is given) carries `Retry-After` |
//! | `redirect=<URL>` | 302, or the 3xx of `status`, to that URL |
//! | `truncate` | `Content-Length` is honest, half of it is sent, the connection closes |
//! | `cut=<bytes>` | so many bytes of each answer are sent, then the connection closes |
//! | `wrong-length` | `Content-Length` and body are one byte short: only the checksum tells |
//! | `no-length` | chunked, no `Content-Length`, no ranges |
//! | `endless` | chunked, never ends |
//! | `trickle=<bytes/s>` | so slowly, in at most ten pieces a second |
//! | `gzip-bomb` | `size` zeros (whole MiB), compressed a thousandfold, `Content-Encoding: gzip`; no ranges |
//! | `etag=weak`, `etag=none` | a weak entity tag, or none |
//! | `change-etag-after=<n>` | after n requests of that name, other bytes and another `ETag`; `fail-times` does not end it |
//! | `fail-times=<n>` | the other faults, or 500 when there are none, hold for the first n requests of that name only |
//!
//! `status`, `retry-after` and `redirect` win over the faults of a body, of which a URL has at most one. A URL
//! that is not understood is answered 400 with the reason. Everything works under a prefix (`Router::nest`).

mod answer;
mod api;
mod asked;
mod body;
mod bomb;
mod content;
pub(crate) mod downloads;
mod range;
mod serve;
#[cfg(test)]
mod tests;

pub(crate) use asked::{Asked, Faults};
pub(crate) use content::checksum;
pub(crate) use serve::{Options, Source, router};
