//! Points at which a test ends, stops or hurts this process, to see what the others make of what it leaves behind.
//!
//! Each is one line at its place, `kill::at(Point::X)`, and nothing at all without the feature `kill-points`: a
//! released consumer has none. With it, variables of the environment name a point and its n-th passing, its n-th to m-th
//! (`<point>:<n>-<m>`), or each n-th (`<point>:/<n>`):
//!
//! | variable | what happens there |
//! |---|---|
//! | `EXPORTPOOL_KILL_AT=<point>:<n>` | SIGKILL, sent to itself |
//! | `EXPORTPOOL_HOLD_AT=<point>:<n>` | SIGSTOP, sent to itself: it goes on at SIGCONT, where it was |
//! | `EXPORTPOOL_PANIC_AT=<point>:<n>` | a panic |
//! | `EXPORTPOOL_BLOCK_AT=<point>:<n>` | the thread blocks for ever, and its runtime with it |
//! | `EXPORTPOOL_BUSY_AT=<point>:<n>` | the thread computes for 400 ms: a profile is to find it |
//! | `EXPORTPOOL_LEAK_AT=<point>:<n>` | 256 KiB are allocated, and never freed: a profile is to find them |
//! | `EXPORTPOOL_HANG_AT=<point>:<n>` | the await never ends; of points that are awaited, `kill::at_await(Point::X)` |
//!
//! `EXPORTPOOL_TRACE_POINTS=<file>` appends each passing's name to a file, one a line: how often a load passes a
//! point, and that it did.

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $place:literal;)*) => {
        /// Where a process may be ended on purpose. What each leaves behind, and who mends it, is in
        /// docs/kill-points.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Point {
            $($(#[$doc])* $name,)*
        }

        impl Point {
            /// Every point, in the order in which a message passes them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word in the environment.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// The file that passes it, under `consumer/src`.
            #[must_use]
            pub const fn place(self) -> &'static str {
                match self {
                    $(Self::$name => $place,)*
                }
            }
        }
    };
}

points! {
    /// A message was received, and nobody has looked at it.
    Received = "received", "poll/receive.rs";
    /// A message that cannot be read is among the dead letters, and not deleted.
    MessageRefused = "message-refused", "admit/mod.rs";
    /// The job's item stands in the ledger.
    JobCreated = "job-created", "admit/list.rs";
    /// Up to 100 tasks are sent to `download-tasks`, and the cursor has not moved.
    SendAccepted = "send-accepted", "admit/hand_over.rs";
    /// The cursor has moved; the job's message is not deleted.
    CursorMoved = "cursor-moved", "admit/hand_over.rs";
    /// All tasks of a page of an Export API are sent, and the next page is not read.
    PageListed = "page-listed", "admit/hand_over.rs";
    /// The rest of a listing is on the queue as a message of its own; the first message is not deleted.
    ContinuationSent = "continuation-sent", "admit/list.rs";
    /// A task is claimed.
    Claimed = "claimed", "work/task.rs";
    /// A multipart upload is open, and the ledger does not know it.
    UploadCreated = "upload-created", "work/store/upload.rs";
    /// The ledger knows the open upload.
    UploadRecorded = "upload-recorded", "work/store/upload.rs";
    /// A part is stored.
    PartStored = "part-stored", "work/store/upload.rs";
    /// An upload is completed: its object stands in the bucket, and the ledger does not know.
    UploadCompleted = "upload-completed", "work/store/upload.rs";
    /// An object of one request stands in the bucket, and the ledger does not know.
    ObjectPut = "object-put", "work/store/mod.rs";
    /// A task has left its slot: main knows what came of it, and nobody has written it down.
    Finished = "finished", "run/mod.rs";
    /// A transaction with settled tasks is through, and their job was not looked at: it may be complete.
    Committed = "committed", "record/commit.rs";
    /// A task is recorded as done, its job closed if that was the last; its message is not deleted.
    DoneRecorded = "done-recorded", "record/settle.rs";
    /// A task is to be tried again as a message of its own, which is sent; its place is not given up.
    RetrySent = "retry-sent", "record/settle.rs";
    /// A task's dead letter is sent; the ledger does not know that it failed.
    DeadLetterSent = "dead-letter-sent", "record/settle.rs";
    /// A task is recorded as failed; its message is not deleted.
    FailedRecorded = "failed-recorded", "record/settle.rs";
    /// At shutdown a waiting task is sent to `download-tasks`; its place is not given up.
    HandedOver = "handed-over", "record/settle.rs";
    /// SQS has deleted messages, and nobody here knows.
    Deleted = "deleted", "poll/acknowledge.rs";
}

/// Passes a point: in a released consumer, nothing.
#[cfg(not(feature = "kill-points"))]
#[inline(always)]
pub(crate) const fn at(_: Point) {}

/// Passes a point: dies, stops, blocks or panics there when the environment says so.
#[cfg(feature = "kill-points")]
pub(crate) fn at(point: Point) {
    armed::pass(point);
}

/// Passes a point that is awaited: in a released consumer, nothing.
#[cfg(not(feature = "kill-points"))]
#[inline(always)]
pub(crate) fn at_await(_: Point) -> std::future::Ready<()> {
    std::future::ready(())
}

/// Passes a point that is awaited: as [`at`], and hangs there when the environment says so.
#[cfg(feature = "kill-points")]
pub(crate) async fn at_await(point: Point) {
    armed::pass_await(point).await;
}

/// Passes a point once for each of several things that are there at once.
pub(crate) fn at_each(point: Point, things: usize) {
    (0..things).for_each(|_| at(point));
}

#[cfg(feature = "kill-points")]
mod armed {
    use std::{
        env,
        fs::{File, OpenOptions},
        future,
        io::Write as _,
        ops::RangeInclusive,
        process,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
        thread,
        time::{Duration, Instant},
    };

    use nix::sys::signal::{Signal, raise};

    use super::Point;

    /// A point and which of its passings count, from 1.
    struct When {
        point: Point,
        passings: Passings,
    }

    enum Passings {
        Of(RangeInclusive<u64>),
        Each(u64),
    }

    impl When {
        fn is(when: Option<&Self>, passed: Point, nth: u64) -> bool {
            when.is_some_and(|when| when.point == passed && when.passings.have(nth))
        }
    }

    impl Passings {
        fn read(text: &str) -> Option<Self> {
            let number = |text: &str| text.parse().ok().filter(|number: &u64| *number > 0);
            if let Some(each) = text.strip_prefix('/') {
                return Some(Self::Each(number(each)?));
            }
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let passings = number(first)?..=number(last)?;
            (!passings.is_empty()).then_some(Self::Of(passings))
        }

        fn have(&self, nth: u64) -> bool {
            match self {
                Self::Of(passings) => passings.contains(&nth),
                Self::Each(each) => nth.is_multiple_of(*each),
            }
        }
    }

    struct Arms {
        kill: Option<When>,
        hold: Option<When>,
        panic: Option<When>,
        block: Option<When>,
        busy: Option<When>,
        leak: Option<When>,
        hang: Option<When>,
        trace: Option<File>,
        passed: Vec<AtomicU64>,
    }

    static ARMS: LazyLock<Arms> = LazyLock::new(|| Arms {
        kill: when("EXPORTPOOL_KILL_AT"),
        hold: when("EXPORTPOOL_HOLD_AT"),
        panic: when("EXPORTPOOL_PANIC_AT"),
        block: when("EXPORTPOOL_BLOCK_AT"),
        busy: when("EXPORTPOOL_BUSY_AT"),
        leak: when("EXPORTPOOL_LEAK_AT"),
        hang: when("EXPORTPOOL_HANG_AT"),
        trace: env::var_os("EXPORTPOOL_TRACE_POINTS").map(|path| {
            OpenOptions::new().append(true).create(true).open(&path).unwrap_or_else(|error| {
                refuse(&format!("EXPORTPOOL_TRACE_POINTS={path:?} cannot be written: {error}"))
            })
        }),
        passed: Point::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
    });

    /// A point that is misspelt would never be passed, and its test would prove nothing.
    fn when(variable: &str) -> Option<When> {
        let value = env::var(variable).ok()?;
        let read = || {
            let (name, nth) = value.split_once(':')?;
            let point = *Point::ALL.iter().find(|point| point.as_str() == name)?;
            Some(When { point, passings: Passings::read(nth)? })
        };
        let names = || Point::ALL.iter().map(|point| point.as_str()).collect::<Vec<_>>().join(", ");
        Some(read().unwrap_or_else(|| {
            refuse(&format!(
                "{variable}={value:?} is not <point>:<n>, <point>:<n>-<m> or <point>:/<n> with a point of {}",
                names()
            ))
        }))
    }

    #[expect(clippy::print_stderr, reason = "for whoever wrote the test, wherever logs go")]
    fn refuse(why: &str) -> ! {
        eprintln!("exportpool-consumer: {why}");
        process::exit(crate::config::EXIT_CONFIG.into());
    }

    /// Passes a point; answers which passing this was.
    pub(super) fn pass(point: Point) -> u64 {
        let arms = &*ARMS;
        let place = Point::ALL.iter().position(|other| *other == point).unwrap_or_default();
        let nth = arms.passed[place].fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(mut trace) = arms.trace.as_ref() {
            // One write of a few bytes, appended: lines of several threads do not mix.
            let _ = trace.write_all(format!("{}\n", point.as_str()).as_bytes());
        }
        let is_now = |when: &Option<When>| When::is(when.as_ref(), point, nth);
        if is_now(&arms.kill) {
            let _ = raise(Signal::SIGKILL);
        }
        if is_now(&arms.hold) {
            let _ = raise(Signal::SIGSTOP);
        }
        if is_now(&arms.busy) {
            a_busy_function(BUSY);
        }
        if is_now(&arms.leak) {
            a_leaking_function();
        }
        while is_now(&arms.block) {
            thread::park();
        }
        assert!(!is_now(&arms.panic), "EXPORTPOOL_PANIC_AT={}:{nth}", point.as_str());
        nth
    }

    /// Longer than any loop may be away, also where others have the CPU for most of it.
    const BUSY: Duration = Duration::from_millis(400);
    const LEAKED: usize = 256 * 1024;

    #[inline(never)]
    fn a_busy_function(time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[inline(never)]
    fn a_leaking_function() {
        // With something in it: pages that nobody writes to are not there.
        std::mem::forget(std::hint::black_box(vec![1_u8; LEAKED]));
    }

    pub(super) async fn pass_await(point: Point) {
        let nth = pass(point);
        if When::is(ARMS.hang.as_ref(), point, nth) {
            future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_point_has_a_word_of_its_own_and_is_passed_where_it_says() {
        let words: HashSet<_> = Point::ALL.iter().map(|point| point.as_str()).collect();
        assert_eq!(words.len(), Point::ALL.len());
        for point in Point::ALL {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(point.place());
            let source = fs::read_to_string(&file).unwrap();
            assert!(
                source.contains(&format!("Point::{point:?}")),
                "{} does not pass {point:?}",
                file.display()
            );
        }
    }
}
