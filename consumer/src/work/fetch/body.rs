//! A body as it arrives. One that breaks off is asked for again from there, when the source can do that.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::{self, Instant};

use super::{
    broken,
    hosts::Admission,
    http::HttpSource,
    pace::Pace,
    resume::{Anchor, Tries},
};
use crate::{
    fail::{Reason, TaskFault},
    ports::{Body, Request},
};

/// An answer whose head is here, and the place at its host.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) response: Response,
    pub(super) _admission: Admission,
}

/// A body as it arrives.
#[derive(Debug)]
pub struct HttpBody {
    source: HttpSource,
    request: Request,
    /// `None` while nothing comes in: the place at the host is free.
    answered: Option<Answered>,
    /// `None`: what breaks off begins again at byte 0.
    anchor: Option<Anchor>,
    /// Bytes that came.
    at: u64,
    /// Where the answer that comes in now began.
    asked_at: u64,
    pace: Pace,
    tries: Tries,
}

/// Why a body stopped.
enum Stop {
    /// Another connection may do better.
    BrokeOff(TaskFault),
    /// The source is like that.
    Ends(TaskFault),
}

impl Body for HttpBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TaskFault> {
        loop {
            match self.next().await {
                Ok(chunk) => return Ok(chunk),
                Err(Stop::BrokeOff(fault)) => self.resume(fault).await?,
                Err(Stop::Ends(fault)) => return Err(fault),
            }
        }
    }
}

impl HttpBody {
    pub(super) fn new(source: HttpSource, request: Request, answered: Answered, length: Option<u64>) -> Self {
        let anchor = Anchor::of(answered.response.headers(), length);
        let pace = Pace::new(source.patience().window);
        let answered = Some(answered);
        Self { source, request, answered, anchor, at: 0, asked_at: 0, pace, tries: Tries::default() }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Stop> {
        let Some(answered) = &mut self.answered else { return Err(lost("the connection is gone")) };
        let (silence, begun) = (self.source.patience().silence, Instant::now());
        let came = match time::timeout(silence, answered.response.chunk()).await {
            Ok(came) => came.map_err(|error| Stop::BrokeOff(broken::of_body(&error)))?,
            Err(_) => return Err(self.silent(silence)),
        };
        match came {
            Some(chunk) => self.count(chunk, begun.elapsed()).map(Some),
            None => self.check_end().map(|()| None),
        }
    }

    fn count(&mut self, chunk: Bytes, waited: Duration) -> Result<Bytes, Stop> {
        let bytes = chunk.len() as u64;
        self.at += bytes;
        match self.pace.came(bytes, waited) {
            Ok(()) => Ok(chunk),
            Err(slow) => Err(Stop::Ends(TaskFault::retry(Reason::TooSlow, slow.to_string()))),
        }
    }

    /// A connection that brought something before it fell silent may be dead; one that brought nothing is the source's
    /// way.
    fn silent(&self, silence: Duration) -> Stop {
        let fault = TaskFault::retry(Reason::TooSlow, format!("nothing came for {} s", silence.as_secs()));
        if self.at > self.asked_at { Stop::BrokeOff(fault) } else { Stop::Ends(fault) }
    }

    /// A source may answer less than the rest.
    fn check_end(&self) -> Result<(), Stop> {
        match self.anchor.as_ref().and_then(Anchor::total) {
            Some(total) if self.at < total => Err(lost("the answer ended before the file")),
            _ => Ok(()),
        }
    }

    /// Asks for the rest.
    ///
    /// # Errors
    /// Why it stopped, when it cannot be resumed or was resumed often enough; `sourceChanged`; the source's refusal.
    async fn resume(&mut self, stopped: TaskFault) -> Result<(), TaskFault> {
        // Given up before it is waited for again: it may be the host's only place.
        self.answered = None;
        let Some(anchor) = &mut self.anchor else { return Err(stopped) };
        let mut fault = stopped;
        while let Some(pause) = self.tries.again(self.at) {
            tracing::debug!(host = self.request.url.host_str(), at = self.at, %fault, "a download is resumed");
            time::sleep(pause).await;
            let rest = match self.source.open(&self.request, &anchor.rest_from(self.at)).await {
                Ok(answered) => continues(anchor, answered, self.at),
                Err(fault) => {
                    Err(if may_pass_soon(&fault) { Stop::BrokeOff(fault) } else { Stop::Ends(fault) })
                }
            };
            match rest {
                Ok(answered) => {
                    self.asked_at = self.at;
                    self.answered = Some(answered);
                    return Ok(());
                }
                Err(Stop::BrokeOff(again)) => fault = again,
                Err(Stop::Ends(last)) => return Err(last),
            }
        }
        Err(fault)
    }
}

fn continues(anchor: &mut Anchor, answered: Answered, at: u64) -> Result<Answered, Stop> {
    let response = &answered.response;
    match anchor.check(response.status(), response.headers(), at) {
        Ok(()) => Ok(answered),
        Err(fault @ TaskFault::Retry { reason: Reason::SourceFailed, after: None, .. }) => {
            Err(Stop::BrokeOff(fault))
        }
        Err(fault) => Err(Stop::Ends(fault)),
    }
}

/// Not when the source said when.
const fn may_pass_soon(fault: &TaskFault) -> bool {
    matches!(fault, TaskFault::Retry { after: None, .. })
}

fn lost(detail: &str) -> Stop {
    Stop::BrokeOff(TaskFault::retry(Reason::Truncated, detail))
}
