//! Faults by stages: each operation of each port fails in each way that it can, once and several times in a row,
//! under a load that has some of everything, while one of two consumers is told to stop. In the end nothing is lost,
//! doubled or left lying about. `docs/faults.md` says what happens in each case; a test keeps it true to the list here.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use exportpool_consumer::{
    fail::{AwsKind, Reason, TaskFault},
    message::QueueName,
    run::Settings,
};
use exportpool_contract::record::JobState;

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        journal::Did,
        queue::{gone, throttled},
        source::{Answer, End},
    },
    letters::{self, page, page_url, url},
    pod::{Pod, eventually_in, settings},
};

/// In a row, where it is more than one.
const SEVERAL: usize = 3;
/// Worlds at a time: they mostly wait.
const AT_ONCE: usize = 6;

/// A way to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    FailsBefore,
    AnswerLost,
    Throttled,
    Refused,
    Conflict,
    EntryFails,
    EntryGone,
    OverLimit,
    Hangs,
}

impl Way {
    const ALL: [Self; 9] = [
        Self::FailsBefore,
        Self::AnswerLost,
        Self::Throttled,
        Self::Refused,
        Self::Conflict,
        Self::EntryFails,
        Self::EntryGone,
        Self::OverLimit,
        Self::Hangs,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::FailsBefore => "fails, nothing happened",
            Self::AnswerLost => "happened, answer lost",
            Self::Throttled => "throttled, or transaction conflict",
            Self::Refused => "refused, as a part under 5 MiB",
            Self::Conflict => "409",
            Self::EntryFails => "one entry of the batch fails",
            Self::EntryGone => "one entry's handle is stale",
            Self::OverLimit => "over limit",
            Self::Hangs => "hangs, until a consumer was told to stop",
        }
    }

    fn flaw(self) -> Flaw {
        match self {
            Self::FailsBefore => Flaw::Before(AwsKind::Unreachable),
            Self::AnswerLost => Flaw::After(AwsKind::Unreachable),
            Self::Throttled => Flaw::Before(AwsKind::Throttled),
            Self::Refused => Flaw::Before(AwsKind::Rejected),
            Self::Conflict => Flaw::Conflict,
            Self::EntryFails => Flaw::Entry(0, throttled()),
            Self::EntryGone => gone(0),
            Self::OverLimit => Flaw::OverLimit,
            Self::Hangs => Flaw::Wait,
        }
    }

    fn can_befall(self, op: Op) -> bool {
        let changes = matches!(op, Op::ChangeVisibility | Op::ChangeJobVisibility | Op::Delete);
        let writes = matches!(op, Op::Put | Op::CreateUpload | Op::PutPart | Op::CompleteUpload);
        match self {
            Self::FailsBefore | Self::AnswerLost | Self::Throttled | Self::Hangs => true,
            Self::Refused => matches!(op, Op::PutPart | Op::CompleteUpload),
            Self::Conflict => writes,
            Self::EntryFails => changes || matches!(op, Op::SendTask | Op::SendJob | Op::SendDeadLetter),
            Self::EntryGone => changes,
            Self::OverLimit => op == Op::Receive,
        }
    }

    /// One call that hangs holds up what follows it.
    fn times(self) -> &'static [usize] {
        if self == Self::Hangs { &[1] } else { &[1, SEVERAL] }
    }
}

/// Every operation, by port, and what happens when it goes wrong.
const OPERATIONS: &[(Op, &str, &str)] = &[
    (Op::LookQueues, "queue", "no work is taken; looked at again, ever more rarely, until it answers"),
    (
        Op::Receive,
        "queue",
        "the breaker opens, and one message tries; messages of a lost answer come again when their visibility timeout ends; over limit is backpressure",
    ),
    (
        Op::ChangeVisibility,
        "queue",
        "a message that could not be given back comes again when its visibility timeout ends",
    ),
    (Op::ChangeJobVisibility, "queue", "the same, for a job's message"),
    (
        Op::Delete,
        "queue",
        "deleted again until it is confirmed; a stale handle ends it: the message comes again, finds its tasks done, and is deleted",
    ),
    (
        Op::SendTask,
        "queue",
        "sent again before anything is given up for it; a second message of a task finds it done",
    ),
    (Op::SendJob, "queue", "the listing's rest is sent with the job's next delivery"),
    (Op::SendDeadLetter, "queue", "sent again before `failed` is written; a dead letter may come twice"),
    (Op::LookBucket, "bucket", "no work is taken; looked at again until it answers"),
    (Op::Head, "bucket", "ours: no attempt is used up, the task comes again"),
    (
        Op::Put,
        "bucket",
        "ours: no attempt is used up; an object whose answer was lost is adopted; 409 is tried again",
    ),
    (
        Op::CreateUpload,
        "bucket",
        "asked again, twice; then ours: no attempt is used up. Uploads whose answers were lost are found by their key, and aborted",
    ),
    (Op::PutPart, "bucket", "the upload is aborted, and the task comes again"),
    (Op::CompleteUpload, "bucket", "the upload is aborted; an object whose answer was lost is adopted"),
    (
        Op::AbortUpload,
        "bucket",
        "the next start of the task aborts it; there is one also when this was to be the last",
    ),
    (
        Op::ListUploads,
        "bucket",
        "ours: no attempt is used up, the task comes again; denied, it is said once, and work goes on",
    ),
    (Op::LookTable, "table", "no work is taken; looked at again until it answers"),
    (Op::OpenJob, "table", "the job's message goes back for 30 to 300 s"),
    (
        Op::Advance,
        "table",
        "the job's message goes back; its next delivery goes on at the cursor, and may send up to 100 tasks again",
    ),
    (Op::ListingFailed, "table", "the job's message goes back, uncounted"),
    (Op::Settled, "table", "the job's message goes back"),
    (Op::Claim, "table", "ours: the message goes back"),
    (Op::NoteUpload, "table", "the upload is aborted, and the task comes again"),
    (Op::GiveBack, "table", "an attempt stays used up"),
    (Op::Shard, "table", "asked again, with pauses"),
    (
        Op::Commit,
        "table",
        "committed again: conditions keep a task from being counted twice; in the end its message goes back, and the object is adopted",
    ),
    (Op::Close, "table", "closed again; in the end the message goes back, and its next delivery closes"),
];

/// One case.
#[derive(Debug, Clone, Copy)]
struct Case {
    op: Op,
    way: Way,
    times: usize,
}

fn cases() -> Vec<Case> {
    let ways = |op: Op| Way::ALL.into_iter().filter(move |way| way.can_befall(op));
    let cases = OPERATIONS.iter().flat_map(|(op, ..)| ways(*op).map(|way| (*op, way)));
    cases.flat_map(|(op, way)| way.times().iter().map(move |times| Case { op, way, times: *times })).collect()
}

/// Jobs of one task and of many, some handed over; pages that fail at first; a large file, one that breaks off, one
/// that fails for good and one that is tried again.
fn load(world: &World) {
    let cut = TaskFault::retry(Reason::Truncated, "the connection broke");
    let missing = TaskFault::last(Reason::SourceRefused, "the source answered 404");
    world.answer(&url("k", "large"), [Answer::large(11)]);
    world.answer(&url("k", "torn"), [Answer::large(12).ending(End::Fault(cut)), Answer::large(12)]);
    world.answer(&url("k", "bad"), [Answer::fault(missing)]);
    world.answer(&url("k", "flaky"), [Answer::failure(), Answer::file("ok")]);
    world.answer(&url("many", "t0"), [Answer::file("x").gated()]);
    world.answer(&page_url("pages", 0), [Answer::failure(), Answer::file(page("pages", 0..3, Some(1)))]);
    world.answer(&page_url("pages", 1), [Answer::failure(), Answer::file(page("pages", 3..5, None))]);
    world.put_copies(QueueName::ExportJobs, letters::job("many", 12), 2);
    world.put(QueueName::ExportJobs, letters::job("one", 1));
    world.put(QueueName::ExportJobs, letters::job_of_pages("pages"));
    for task in ["large", "torn", "bad", "flaky"] {
        world.put(QueueName::DownloadTasks, letters::task("k", task));
    }
}

fn patient() -> Settings {
    let mut settings = Settings { grace: Duration::from_millis(10_500), ..settings() };
    // Some of the faults use up attempts of a task that is not at fault.
    settings.task.max_attempts = 20;
    settings
}

fn is_over(world: &World) -> bool {
    let jobs = ["many", "one", "pages"];
    QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
        && jobs.iter().all(|job| world.job_state(job) == Some(JobState::Done))
        && world.counted("k") == (3, 1)
}

/// What a fault has hidden comes back, as it does when its visibility timeout ends.
fn bring_back(world: &World) {
    for queue in QueueName::ALL {
        let hidden: Vec<_> = world.lock().queues.main(queue).iter().map(|letter| letter.id).collect();
        hidden.into_iter().for_each(|message| world.expire(queue, message));
    }
}

fn play(Case { op, way, times }: Case) {
    let world = World::new();
    load(&world);
    world.fail_next(op, std::iter::repeat_n(way.flaw(), times));
    if op == Op::GiveBack {
        // Faults of ours, so that there is something to give back; one may befall a task that is being cancelled.
        world.fail_next(Op::Put, std::iter::repeat_n(Flaw::Before(AwsKind::Denied), 2));
    }
    let pods = [1, 2].map(|number| Pod::numbered(&world, patient(), number));
    let [mut first, second] = pods;
    let seen = |world: &World| world.calls(op) > 0;
    let received = |did: &Did| matches!(did, Did::Received { queue: QueueName::ExportJobs, .. });
    eventually_in(&world, "work is under way", || {
        world.did(received) >= 3 || (way == Way::Hangs && seen(&world))
    });
    world.open_gate(&url("many", "t0"));
    eventually_in(&world, "the operation is met", || seen(&world));
    first.tell_to_stop();
    world.let_go();
    eventually_in(&world, "the first consumer has ended", || first.has_ended());
    eventually_in(&world, "all is done", || {
        let leased = second.report().gauges.leased;
        if leased.export_jobs + leased.download_tasks == 0 {
            bring_back(&world);
        }
        is_over(&world)
    });
    second.stop();
    world.assert_sound();
    let letters = world.dead_letters(QueueName::DownloadTasks);
    assert!(letters.iter().all(|letter| letter.body.contains("bad")), "{letters:#?}");
}

#[test]
fn whatever_operation_fails_in_whatever_way_nothing_is_lost_doubled_or_left() {
    let (cases, next) = (cases(), AtomicUsize::new(0));
    let failed: Vec<_> = thread::scope(|scope| {
        let hand = || {
            let mut failed = Vec::new();
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                if std::panic::catch_unwind(|| play(*case)).is_err() {
                    failed.push(format!("{case:?}"));
                }
            }
            failed
        };
        let hands: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(hand)).collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{} of {} cases: {failed:#?}", failed.len(), cases.len());
}

fn page_of_faults() -> String {
    let cases = cases();
    let mut page = String::from(
        "# Faults\n\nWritten by a test (`consumer/tests/rooms/faults.rs`), which plays every case: two consumers, one of which is told to\n\
         stop, under a load with a job of one task, a job delivered twice of which some is handed over, an Export API whose pages\n\
         fail at first, a large file, one that breaks off, one that fails for good and one that is tried again. Each case must end\n\
         with nothing lost, doubled or left open. A number is how many times in a row the operation goes wrong.\n\n",
    );
    let _ = writeln!(page, "{} cases.\n", cases.len());
    let head: Vec<_> = Way::ALL.into_iter().map(Way::name).collect();
    let _ = writeln!(page, "| port | operation | {} | what happens |", head.join(" | "));
    let _ = writeln!(page, "|---|---|{}---|", "---|".repeat(head.len()));
    for (op, port, what) in OPERATIONS {
        let cell = |way: Way| {
            let times = cases.iter().filter(|case| case.op == *op && case.way == way);
            times.map(|case| case.times.to_string()).collect::<Vec<_>>().join(", ")
        };
        let cells: Vec<_> = Way::ALL.into_iter().map(cell).collect();
        let _ = writeln!(page, "| {port} | {op:?} | {} | {what} |", cells.join(" | "));
    }
    page
}

/// `make faults` writes it.
#[test]
fn the_page_of_faults_is_what_is_played() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
    let page = page_of_faults();
    if std::env::var_os("EXPORTPOOL_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/faults.md is not as it would be written: run `make faults`");
}
