//! What a consumer tells of itself, kept line by line until it is over.

use std::time::{Duration, Instant};

use bytes::Bytes;
use exportpool_profile::record::{Ending, Moment, Queues, Record, SCHEMA, Tool, Wave};
use http::{Request, Response, StatusCode, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Frame, Incoming};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{connect::Connection, folder::Raw, nothing::Nothing, progress::Progress};
use crate::say::note;

/// To the first byte of an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// A profile that nobody reads any more ends within this.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Of an answer that is no profile.
const MOST_WORDS: usize = 1024;
/// Longer lines are no records.
const LONGEST_LINE: usize = 4 << 20;

/// What whoever gives a consumer its jobs hears from whoever records it, and tells.
pub(super) struct Heard {
    settled: watch::Receiver<Option<u64>>,
    told: Teller,
}

/// Tells whoever records a consumer what the consumer does not know.
#[derive(Clone)]
pub(super) struct Teller(mpsc::UnboundedSender<Aside>);

/// What the consumer does not know.
enum Aside {
    /// So many jobs are sent; 0: those before are settled.
    Wave(u64),
    /// So many messages are on the queues.
    Depth { waiting: u64, in_flight: u64, dead: u64 },
}

/// The other end of [`Heard`].
pub(super) struct Ear {
    settled: watch::Sender<Option<u64>>,
    asides: mpsc::UnboundedReceiver<Aside>,
}

impl Heard {
    /// One, and its other end.
    pub(super) fn new() -> (Self, Ear) {
        let ((send, settled), (told, asides)) = (watch::channel(None), mpsc::unbounded_channel());
        (Self { settled, told: Teller(told) }, Ear { settled: send, asides })
    }

    /// How many tasks the consumer has settled since it was started, as soon as it has said so.
    ///
    /// # Errors
    /// Nobody records any more.
    pub(super) async fn settled(&mut self) -> anyhow::Result<u64> {
        let settled = *self.settled.wait_for(Option::is_some).await?;
        Ok(settled.unwrap_or(0))
    }

    /// When it has settled so many.
    ///
    /// # Errors
    /// Nobody records any more.
    pub(super) async fn settled_by(&mut self, tasks: u64) -> anyhow::Result<()> {
        self.settled.wait_for(|now| now.unwrap_or(0) >= tasks).await?;
        Ok(())
    }

    /// To whoever records it.
    pub(super) fn teller(&self) -> Teller {
        self.told.clone()
    }
}

// Nobody who records it is no fault: the profile is over.
impl Teller {
    /// So many jobs are sent; 0: those before are settled.
    pub(super) fn wave(&self, jobs: u64) {
        let _ = self.0.send(Aside::Wave(jobs));
    }

    /// So many messages are on the queues now.
    pub(super) fn depth(&self, waiting: u64, in_flight: u64, dead: u64) {
        let _ = self.0.send(Aside::Depth { waiting, in_flight, dead });
    }
}

impl Aside {
    fn record(self, at_micros: u64) -> Record {
        match self {
            Self::Wave(jobs) => Record::Wave(Wave { at_micros, jobs }),
            Self::Depth { waiting, in_flight, dead } => {
                Record::Queues(Queues { at_micros, waiting, in_flight, dead })
            }
        }
    }
}

/// Records what a consumer tells for `tool`, until `until` says how it ends, or the consumer is gone.
///
/// # Errors
/// Nothing comes: not one moment before the end. Or the disk takes no more.
pub(super) async fn record(
    connection: &mut Connection,
    tool: Tool,
    raw: &mut Raw,
    ear: Ear,
    until: impl Future<Output = anyhow::Result<Ending>>,
) -> anyhow::Result<Ending> {
    let mut body = asked(connection, &tool.path()).await?;
    let Ear { settled, mut asides } = ear;
    let mut recording = Recording::of(raw, settled);
    let mut until = std::pin::pin!(until);
    let ending = loop {
        tokio::select! {
            ending = &mut until => break recording.over(ending)?,
            Some(aside) = asides.recv() => recording.aside(aside)?,
            frame = body.frame() => if let Some(ending) = recording.take(frame)? {
                break ending;
            }
        }
    };
    recording.end(ending)
}

/// What came so far.
struct Recording<'a> {
    raw: &'a mut Raw,
    lines: Lines,
    /// It was told whose it is.
    has_begun: bool,
    /// Lines that are no records: they would make all of it unreadable.
    left_out: u64,
    /// When the last moment was, in microseconds since the profile began.
    last: Option<u64>,
    settled: watch::Sender<Option<u64>>,
    progress: Progress,
}

impl<'a> Recording<'a> {
    fn of(raw: &'a mut Raw, settled: watch::Sender<Option<u64>>) -> Self {
        let (lines, progress) = (Lines::default(), Progress::new());
        Self { raw, lines, has_begun: false, left_out: 0, last: None, settled, progress }
    }

    /// Keeps what the consumer tells; answers how it ended, once it has.
    fn take(&mut self, frame: Option<hyper::Result<Frame<Bytes>>>) -> anyhow::Result<Option<Ending>> {
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Ok(Some(Ending::Gone { why: error.to_string() })),
            None => return Ok(Some(Ending::Gone { why: "it closed the connection".to_owned() })),
        };
        for line in self.lines.take(&frame.into_data().unwrap_or_default()) {
            match serde_json::from_slice(&line) {
                Ok(Record::Began(began)) if began.schema == SCHEMA => self.has_begun = true,
                Ok(Record::Ended(ending)) => return Ok(Some(ending)),
                _ if !self.has_begun => return Err(Nothing::OtherVersion.into()),
                Ok(Record::Moment(moment)) => self.moment(&moment),
                Ok(_) => {}
                Err(_) => {
                    self.left_out += 1;
                    continue;
                }
            }
            self.raw.write(&line)?;
        }
        Ok(None)
    }

    fn moment(&mut self, moment: &Moment) {
        self.last = Some(moment.at_micros);
        self.settled.send_replace(Some(moment.settled));
        self.progress.tell(moment);
    }

    /// Keeps what the consumer does not know. Before its first moment there is nothing to keep it beside: depths are told again,
    /// and jobs are sent later.
    fn aside(&mut self, aside: Aside) -> anyhow::Result<()> {
        let Some(last) = self.last else { return Ok(()) };
        if let Aside::Wave(jobs) = aside {
            self.progress.wave(jobs);
        }
        self.raw.keep(&aside.record(last))
    }

    /// How it ends. That somebody else cannot go on ends it as well, and is no reason to lose what came.
    fn over(&self, ending: anyhow::Result<Ending>) -> anyhow::Result<Ending> {
        match ending {
            Err(error) if self.last.is_some() => Ok(Ending::BrokenOff { why: format!("{error:#}") }),
            ending => ending,
        }
    }

    fn end(self, ending: Ending) -> anyhow::Result<Ending> {
        self.progress.finish();
        if self.last.is_none() {
            return Err(Nothing::Untold(ending).into());
        }
        if self.left_out > 0 {
            note(&format!(
                "{} lines are left out: they are no records that this version knows",
                self.left_out
            ));
        }
        self.raw.end(&ending)?;
        Ok(ending)
    }
}

/// The body of a profile that is on. Another one that has just ended is waited for: its consumer notices that nobody reads it
/// any more with its next records, and through an API server later.
async fn asked(connection: &mut Connection, path: &str) -> anyhow::Result<Incoming> {
    let (begun, mut is_told) = (Instant::now(), false);
    loop {
        let answer = answered(connection, path).await?;
        if answer.status() != StatusCode::CONFLICT || begun.elapsed() >= ENDS_WITHIN {
            return Ok(taken(answer, connection.to.clone()).await?);
        }
        if !is_told {
            note("another profile is on: its end is waited for");
            is_told = true;
        }
        // To its end, or the connection would be closed.
        let _ = answer.into_body().collect().await;
        sleep(ASK_EVERY).await;
    }
}

async fn answered(connection: &mut Connection, path: &str) -> anyhow::Result<Response<Incoming>> {
    let request = Request::get(path).header(HOST, "localhost").body(Empty::<Bytes>::new())?;
    let address = connection.to.clone();
    let silent = |why| Nothing::Refused { address, why, remedy: "is it a consumer, and does it run?" };
    match timeout(ANSWER, connection.requests().send_request(request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(silent(error.to_string()).into()),
        Err(_) => Err(silent(format!("no answer in {} s", ANSWER.as_secs())).into()),
    }
}

async fn taken(answer: Response<Incoming>, address: String) -> Result<Incoming, Nothing> {
    let refused = |address, why, remedy| Err(Nothing::Refused { address, why, remedy });
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        StatusCode::CONFLICT => Err(Nothing::Busy { address, why: words(answer).await }),
        StatusCode::NOT_FOUND => refused(
            address,
            "it has no such profile".to_owned(),
            "it is no exportpool-consumer, or one of another version: take exportctl of its version",
        ),
        status => refused(address, format!("{status}: {}", words(answer).await), "see the consumer's log"),
    }
}

/// What it says, as far as it can be read.
async fn words(of: Response<Incoming>) -> String {
    let words = Limited::new(of.into_body(), MOST_WORDS).collect().await;
    words.map(|words| String::from_utf8_lossy(&words.to_bytes()).trim().to_owned()).unwrap_or_default()
}

/// Whole lines of what comes in pieces.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// The lines that this completes, each with its end.
    fn take(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        self.0.extend_from_slice(piece);
        let Some(end) = self.0.iter().rposition(|byte| *byte == b'\n') else {
            // Of a line without end nothing is kept.
            if self.0.len() > LONGEST_LINE {
                self.0.clear();
            }
            return vec![];
        };
        let rest = self.0.split_off(end + 1);
        let whole = std::mem::replace(&mut self.0, rest);
        whole.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use exportpool_profile::read::Recorded;

    use super::*;
    use crate::profile::folder::{Folder, RAW};

    const BEGAN: &str = r#"{"is":"began","schema":1,"tool":"doctor","version":"1","pid":7,"unixMillis":0,"workers":2,"tasksPerWorker":1,"cpus":2}"#;

    /// What is kept of what a consumer tells, with something beside it before and after, and how that ended.
    fn recorded(told: &str, over: anyhow::Result<Ending>) -> (anyhow::Result<Ending>, String) {
        let folder = tempfile::tempdir().unwrap();
        let mut raw = Folder(folder.path().to_owned()).raw().unwrap();
        let mut recording = Recording::of(&mut raw, watch::channel(None).0);
        let depth = || Aside::Depth { waiting: 3, in_flight: 2, dead: 1 };
        recording.aside(depth()).unwrap();
        assert_eq!(recording.take(Some(Ok(Frame::data(told.to_owned().into())))).unwrap(), None);
        recording.aside(depth()).unwrap();
        let ended = recording.over(over).and_then(|ending| recording.end(ending));
        (ended, fs::read_to_string(folder.path().join(RAW)).unwrap())
    }

    #[test]
    fn a_recording_begins_with_whose_it_is_and_has_nothing_that_cannot_be_read() {
        let moment =
            serde_json::to_string(&Record::Moment(Moment { at_micros: 5, ..Moment::default() })).unwrap();
        let (ended, kept) = recorded(&format!("{BEGAN}\nnonsense\n{moment}\n"), Ok(Ending::Over));
        assert_eq!(ended.unwrap(), Ending::Over);
        let read = Recorded::read(kept.as_bytes()).unwrap();
        assert_eq!((read.moments.len(), read.queues.len(), read.queues[0].at_micros), (1, 1, 5));
        let error = || Err(anyhow::anyhow!("the table is gone"));
        let (ended, kept) = recorded(&format!("{BEGAN}\n{moment}\n"), error());
        assert_eq!(ended.unwrap(), Ending::BrokenOff { why: "the table is gone".to_owned() });
        assert!(Recorded::read(kept.as_bytes()).unwrap().ending.is_some());
        assert_eq!(recorded(&format!("{BEGAN}\n"), error()).0.unwrap_err().to_string(), "the table is gone");
    }

    #[test]
    fn a_consumer_of_another_version_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut raw = Folder(folder.path().to_owned()).raw().unwrap();
        for other in [BEGAN.replace("\"schema\":1", "\"schema\":9"), r#"{"is":"somethingElse"}"#.to_owned()] {
            let mut recording = Recording::of(&mut raw, watch::channel(None).0);
            let error = recording.take(Some(Ok(Frame::data((other + "\n").into())))).unwrap_err();
            assert!(error.to_string().contains("another version"), "{error}");
        }
    }

    #[test]
    fn what_is_over_before_the_first_moment_is_nothing() {
        let (ended, _) = recorded(&format!("{BEGAN}\n"), Ok(Ending::Interrupted));
        let error = ended.unwrap_err();
        assert!(error.is::<Nothing>() && error.to_string().contains("before the consumer told"), "{error}");
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let text = b"{\"is\":\"ended\"}\n\nlast\nrest";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let taken: Vec<_> = text.chunks(size).flat_map(|piece| lines.take(piece)).collect();
            assert_eq!(taken, [&b"{\"is\":\"ended\"}\n"[..], b"\n", b"last\n"], "{size}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut lines = Lines::default();
        for _ in 0..10 {
            assert!(lines.take(&[b'x'; 1 << 20]).is_empty());
        }
        assert!(lines.0.len() <= LONGEST_LINE + (1 << 20));
    }
}
