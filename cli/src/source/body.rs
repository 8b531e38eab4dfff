//! A body on its way: pieces of a file, at the speed and to the end that the URL asks for.

use std::{io, ops::Range, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio_util::sync::CancellationToken;

use super::{content::Content, downloads::Downloads};

/// A trickle is at most this many pieces a second.
const TRICKLES_PER_SECOND: u64 = 10;

/// What is left to send.
pub(super) struct Sending {
    pub(super) name: String,
    pub(super) content: Content,
    /// Offsets in the file. A body that ends before the file's end does not complete a download.
    pub(super) range: Range<u64>,
    /// Bytes a second; as fast as the client takes them when not given.
    pub(super) trickle: Option<u64>,
    pub(super) downloads: Downloads,
    /// Cut off here, whatever is left.
    pub(super) stop: CancellationToken,
}

impl Sending {
    /// The body, of which the server does not know the length: the headers say it, or nobody does.
    pub(super) fn into_body(self) -> Body {
        self.downloads.start(&self.name);
        if self.content.size() == 0 {
            self.downloads.complete(&self.name);
        }
        Body::from_stream(stream::unfold(self, Self::next))
    }

    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        if self.range.is_empty() {
            // A body that ends before its promised length closes the connection, unsent bytes and all: pausing
            // here lets the server send them first.
            tokio::task::yield_now().await;
            return None;
        }
        if self.wait().await.is_err() {
            self.range.start = self.range.end;
            // An end would look like the whole of a body without a length.
            return Some((Err(io::ErrorKind::ConnectionAborted.into()), self));
        }
        let piece = self.content.piece(self.range.start, self.piece_end());
        self.range.start += piece.len() as u64;
        if self.range.start == self.content.size() {
            self.downloads.complete(&self.name);
        }
        Some((Ok(piece), self))
    }

    fn piece_end(&self) -> u64 {
        let longest = self.trickle.map_or(u64::MAX, |rate| rate.div_ceil(TRICKLES_PER_SECOND));
        self.range.end.min(self.range.start.saturating_add(longest))
    }

    /// Until the next piece is due, or everything stops.
    async fn wait(&self) -> Result<(), ()> {
        let Some(rate) = self.trickle else {
            return if self.stop.is_cancelled() { Err(()) } else { Ok(()) };
        };
        let pieces_a_second = rate.min(TRICKLES_PER_SECOND);
        tokio::select! {
            () = self.stop.cancelled() => Err(()),
            () = tokio::time::sleep(Duration::from_secs(1) / u32::try_from(pieces_a_second).unwrap_or(1)) => Ok(()),
        }
    }
}
