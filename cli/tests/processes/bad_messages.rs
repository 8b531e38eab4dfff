//! Messages that are wrong, and files that are: each ends where it belongs, and none is in the way of the others.

use serde_json::{Value, json};

use exportpool_consumer::work::store::checksum::Checksum;

use crate::{
    consumer::Consumer,
    download,
    stand_in::{DeadLetter, Queue, StandIn, Table, Versions},
};

const MAX_FILE_BYTES: usize = 65_536;
const MIB: usize = 1024 * 1024;

/// What is to become of a message.
enum Fate {
    /// It is in the dead-letter queue of its own queue, with its bytes and this reason.
    Refused(Queue, &'static str),
    /// Its only task `t` is in the dead-letter queue of `download-tasks`, recorded as failed with this reason after so
    /// many attempts.
    Failed(&'static str, u64),
    /// Its only task `t` is stored, recorded as done after so many attempts.
    Stored(u64),
}

struct Case {
    /// Also the job's id, where there is one.
    name: &'static str,
    queue: Queue,
    body: String,
    fate: Fate,
}

fn case(name: &'static str, body: impl Into<String>, fate: Fate) -> Case {
    Case { name, queue: Queue::ExportJobs, body: body.into(), fate }
}

fn malformed(name: &'static str, body: impl Into<String>) -> Case {
    case(name, body, Fate::Refused(Queue::ExportJobsDlq, "malformed"))
}

fn job(name: &'static str, task: &Value, fate: Fate) -> Case {
    case(name, json!({"jobId": name, "tasks": [task]}).to_string(), fate)
}

/// A job of one file, named for the job.
fn of_file(aws: &StandIn, name: &'static str, query: &str, fate: Fate) -> Case {
    job(name, &json!({"taskId": "t", "url": aws.file(name, query)}), fate)
}

fn of_url(name: &'static str, url: &str, reason: &'static str) -> Case {
    job(name, &json!({"taskId": "t", "url": url}), Fate::Failed(reason, 1))
}

fn of_key(aws: &StandIn, name: &'static str, key: &str) -> Case {
    let task = json!({"taskId": "t", "url": aws.file(name, "size=5"), "key": key});
    job(name, &task, Fate::Failed("invalidKey", 1))
}

fn bodies(aws: &StandIn) -> Vec<Case> {
    let url = aws.file("f", "size=5");
    let task = |id: &str| json!({"taskId": id, "url": url});
    let misread = |name, body| Case {
        queue: Queue::DownloadTasks,
        ..case(name, body, Fate::Refused(Queue::DownloadTasksDlq, "malformed"))
    };
    vec![
        malformed("not JSON", "{not json"),
        malformed("an array", "[]"),
        malformed("a number for an id", json!({"jobId": 7, "tasks": []}).to_string()),
        malformed("a text for tasks", json!({"jobId": "texts", "tasks": "t"}).to_string()),
        malformed("no job id", json!({"tasks": [task("t")]}).to_string()),
        malformed("no task id", json!({"jobId": "no-task-id", "tasks": [{"url": url}]}).to_string()),
        malformed("an id that climbs", json!({"jobId": "..", "tasks": []}).to_string()),
        malformed("an id with a slash", json!({"jobId": "a/b", "tasks": []}).to_string()),
        malformed("neither tasks nor an API", json!({"jobId": "neither"}).to_string()),
        malformed(
            "both tasks and an API",
            json!({"jobId": "both", "tasks": [task("t")], "exportApi": {"url": url}}).to_string(),
        ),
        malformed(
            "a task twice, differently",
            json!({"jobId": "differs", "tasks": [task("t"), {"taskId": "t", "url": "http://other.test/"}]})
                .to_string(),
        ),
        malformed("nearly a mebibyte of junk", "j".repeat(MIB - 1_000)),
        malformed(
            "a task too large to be sent on",
            json!({"jobId": "heavy", "tasks": [
                {"taskId": "t", "url": url, "headers": {"cookie": "c".repeat(MIB - 2_000)}}
            ]})
            .to_string(),
        ),
        case(
            "twice",
            json!({"jobId": "twice", "tasks": [task("t"), task("t")]}).to_string(),
            Fate::Stored(1),
        ),
        misread("a task that is not JSON", "task?"),
        misread("a task without a job", r#"{"taskId":"t","url":"http://files.test/"}"#),
        Case {
            queue: Queue::DownloadTasks,
            ..case("alone", json!({"jobId": "alone", "taskId": "t", "url": url}).to_string(), Fate::Stored(1))
        },
    ]
}

fn files(aws: &StandIn) -> Vec<Case> {
    let large = (MAX_FILE_BYTES + 1).to_string();
    vec![
        of_url("ftp", "ftp://files.test/f", "invalidUrl"),
        of_url("no-url", "", "invalidUrl"),
        of_url("private", "http://10.0.0.1/f", "addressForbidden"),
        of_url("metadata", "http://169.254.169.254/latest/meta-data", "addressForbidden"),
        of_url("mapped", "http://[::ffff:10.0.0.1]/f", "addressForbidden"),
        of_file(aws, "led-away", "redirect=http%3A%2F%2F10.0.0.1%2F", Fate::Failed("addressForbidden", 1)),
        of_key(aws, "climbs", "../../etc/passwd"),
        of_key(aws, "climbs-inside", "a/../b"),
        of_key(aws, "absolute", "/a"),
        of_file(aws, "gone", "status=404", Fate::Failed("sourceRefused", 1)),
        of_file(aws, "endless", "endless", Fate::Failed("tooLarge", 1)),
        of_file(aws, "large", &format!("size={large}"), Fate::Failed("tooLarge", 1)),
        of_file(aws, "never", "status=500", Fate::Failed("sourceFailed", 2)),
        of_file(aws, "always-cut", "size=9000&truncate&etag=weak", Fate::Failed("truncated", 2)),
        of_file(aws, "good", "size=20000", Fate::Stored(1)),
        of_file(aws, "empty", "size=0", Fate::Stored(1)),
        of_file(aws, "largest", &format!("size={MAX_FILE_BYTES}"), Fate::Stored(1)),
        of_file(aws, "no-length", "size=30000&no-length", Fate::Stored(1)),
        of_file(aws, "once-failed", "size=700&status=500&fail-times=1", Fate::Stored(2)),
        of_file(aws, "once-cut", "size=9000&truncate&fail-times=1", Fate::Stored(1)),
        of_file(aws, "once-cut-weak", "size=9000&truncate&etag=weak&fail-times=1", Fate::Stored(2)),
        of_file(aws, "asks-to-wait", "size=50&retry-after=4&fail-times=1", Fate::Stored(2)),
        job(
            "host-header",
            &json!({"taskId": "t", "url": aws.file("h", "size=5"), "headers": {"Host": "internal"}}),
            Fate::Failed("invalidHeader", 1),
        ),
    ]
}

/// What was left behind.
struct Left {
    table: Table,
    versions: Versions,
    of_jobs: Vec<DeadLetter>,
    of_tasks: Vec<DeadLetter>,
}

impl Left {
    async fn read(aws: &StandIn) -> Self {
        Self {
            table: aws.table().await,
            versions: aws.versions().await,
            of_jobs: aws.dead_letters(Queue::ExportJobsDlq).await,
            of_tasks: aws.dead_letters(Queue::DownloadTasksDlq).await,
        }
    }

    /// What is wrong with it.
    fn check(&self, case: &Case) -> Result<(), String> {
        match case.fate {
            Fate::Refused(queue, reason) => {
                let letters = if queue == Queue::ExportJobsDlq { &self.of_jobs } else { &self.of_tasks };
                let reasons: Vec<_> =
                    letters.iter().filter(|letter| letter.body == case.body).map(reason_of).collect();
                same("its dead letters", &reasons, &vec![reason])
            }
            Fate::Failed(reason, attempts) => {
                same("its dead letters", &self.reasons(case.name), &vec![reason])?;
                let record = self.table.task(case.name, "t");
                same("its record", &(record.state.as_str(), record.reason.as_str()), &("failed", reason))?;
                same("its attempts", &record.attempts, &attempts)?;
                same("its job", &self.table.job(case.name).state.as_str(), &"doneWithFailures")?;
                same("its objects", &self.versions.get(&key(case.name)), &None)
            }
            Fate::Stored(attempts) => {
                same("its dead letters", &self.reasons(case.name), &vec![])?;
                let record = self.table.task(case.name, "t");
                same("its record", &(record.state.as_str(), record.reason.as_str()), &("done", ""))?;
                same("its attempts", &record.attempts, &attempts)?;
                // A task that comes alone belongs to a job that nobody has listed.
                let closed = if case.queue == Queue::ExportJobs { "done" } else { "" };
                same("its job", &self.table.job(case.name).state.as_str(), &closed)?;
                same("its objects", &self.versions.get(&key(case.name)), &Some(&1))
            }
        }
    }

    /// Reasons on the dead letters of a job's task `t`.
    fn reasons(&self, job: &str) -> Vec<&str> {
        let is_of = |letter: &&DeadLetter| {
            let body: Option<Value> = serde_json::from_str(&letter.body).ok();
            body.is_some_and(|body| body["jobId"] == job && body["taskId"] == "t")
        };
        self.of_tasks.iter().filter(is_of).map(reason_of).collect()
    }
}

fn reason_of(letter: &DeadLetter) -> &str {
    letter.attributes.get("reason").map_or("(none)", String::as_str)
}

fn key(job: &str) -> String {
    format!("{job}/t")
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: &T, wanted: &T) -> Result<(), String> {
    if seen == wanted { Ok(()) } else { Err(format!("{what}: {seen:?} and not {wanted:?}")) }
}

/// The stored object is the file as it is without faults, and so says the record.
async fn check_object(aws: &StandIn, left: &Left, case: &Case) -> Result<(), String> {
    if !matches!(case.fate, Fate::Stored(_)) {
        return Ok(());
    }
    let url = left.table.task(case.name, "t").url;
    let sizes = case.body.split("size=").nth(1).unwrap();
    let size: String = sizes.chars().take_while(char::is_ascii_digit).collect();
    let (status, file) = download::get(&format!("{url}?size={size}")).unwrap();
    same("the file without faults", &(status, file.len()), &(200, size.parse().unwrap()))?;
    let record = left.table.task(case.name, "t");
    same("its checksum", &record.crc64nvme, &Checksum::of(&file))?;
    same("its size", &record.bytes, &(file.len() as u64))?;
    if aws.object(&key(case.name)).await == file { Ok(()) } else { Err("its object has other bytes".into()) }
}

#[tokio::test]
async fn each_bad_message_is_a_dead_letter_with_its_reason_and_each_good_file_is_stored() {
    let aws = StandIn::start().await;
    let cases: Vec<_> = bodies(&aws).into_iter().chain(files(&aws)).collect();
    for case in &cases {
        aws.send(case.queue, &case.body).await;
    }
    let max_file_bytes = MAX_FILE_BYTES.to_string();
    let settings = [
        ("MAX_ATTEMPTS", "2"),
        ("MAX_FILE_BYTES", &*max_file_bytes),
        ("EXPORT_ALLOWED_NETWORKS", "127.0.0.0/8"),
    ];
    let consumer = Consumer::start(&aws.environment(&settings)).await;
    aws.drained().await;
    let left = Left::read(&aws).await;
    let mut problems = Vec::new();
    for case in &cases {
        let found = match left.check(case) {
            Ok(()) => check_object(&aws, &left, case).await,
            wrong => wrong,
        };
        problems.extend(found.err().map(|problem| format!("{}: {problem}", case.name)));
    }
    assert!(problems.is_empty(), "{problems:#?}");
    let is = |fate: fn(&Fate) -> bool| cases.iter().filter(|case| fate(&case.fate)).count();
    assert_eq!(left.versions.len(), is(|fate| matches!(fate, Fate::Stored(_))), "{:?}", left.versions);
    let of_jobs = is(|fate| matches!(fate, Fate::Refused(Queue::ExportJobsDlq, _)));
    assert_eq!(left.of_jobs.len(), of_jobs, "no other dead letters");
    let waited = left.table.task("asks-to-wait", "t");
    assert!(waited.settled_at - waited.enqueued_at >= 4_000, "Retry-After is not honoured: {waited:?}");
    assert_eq!(aws.open_uploads().await, 0);
    assert_eq!(consumer.report().counters.workers_restarted, 0);
}

#[tokio::test]
async fn a_mebibyte_of_junk_arrives_whole_in_the_dead_letter_queue() {
    let aws = StandIn::start().await;
    let junk = "j".repeat(MIB);
    aws.send(Queue::ExportJobs, &junk).await;
    let _consumer = Consumer::start(&aws.environment(&[])).await;
    aws.drained().await;
    let letters = aws.dead_letters(Queue::ExportJobsDlq).await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].body == junk, "other bytes: {}", letters[0].body.len());
}

#[tokio::test]
async fn a_job_that_comes_again_is_done_once_and_another_of_its_name_is_refused() {
    let aws = StandIn::start().await;
    let _consumer = Consumer::start(&aws.environment(&[])).await;
    aws.send_job("job", 2, "size=100").await;
    aws.drained().await;
    aws.send_job("job", 2, "size=100").await;
    aws.send_job("job", 2, "size=200").await;
    let task =
        |size: &str| json!({"jobId": "job", "taskId": "0", "url": aws.file("job/0", size)}).to_string();
    aws.send(Queue::DownloadTasks, task("size=100")).await;
    aws.send(Queue::DownloadTasks, task("size=300")).await;
    aws.drained().await;
    let [of_jobs, of_tasks] =
        [Queue::ExportJobsDlq, Queue::DownloadTasksDlq].map(|queue| aws.dead_letters(queue));
    let (of_jobs, of_tasks) = (of_jobs.await, of_tasks.await);
    assert_eq!(of_jobs.iter().map(reason_of).collect::<Vec<_>>(), ["idReused"]);
    assert!(of_jobs[0].body.contains("size=200"), "{of_jobs:?}");
    assert_eq!(of_tasks.iter().map(reason_of).collect::<Vec<_>>(), ["idReused"]);
    assert!(of_tasks[0].body.contains("size=300"), "{of_tasks:?}");
    let (table, versions) = (aws.table().await, aws.versions().await);
    let job = table.job("job");
    assert_eq!((job.state.as_str(), job.total, job.done, job.failed), ("done", Some(2), 2, 0));
    assert_eq!(versions, [("job/0".into(), 1), ("job/1".into(), 1)].into());
    assert_eq!(download::asked(&aws.source()), [("job/0".into(), 1), ("job/1".into(), 1)].into());
}

#[tokio::test]
async fn a_job_of_no_tasks_is_done_with_a_total_of_zero() {
    let aws = StandIn::start().await;
    aws.send_job("empty", 0, "").await;
    let _consumer = Consumer::start(&aws.environment(&[])).await;
    aws.drained().await;
    let job = aws.table().await.job("empty");
    assert_eq!((job.state.as_str(), job.total, job.done), ("done", Some(0), 0));
}

#[tokio::test]
async fn a_job_with_good_and_bad_files_keeps_the_good_and_names_the_bad() {
    let aws = StandIn::start().await;
    let tasks = ["size=10", "status=404", "size=20", "status=500", "size=30"].iter().enumerate();
    let tasks: Vec<_> = tasks
        .map(|(n, query)| json!({"taskId": n.to_string(), "url": aws.file(&n.to_string(), query)}))
        .collect();
    aws.send(Queue::ExportJobs, json!({"jobId": "mixed", "tasks": tasks}).to_string()).await;
    let _consumer = Consumer::start(&aws.environment(&[("MAX_ATTEMPTS", "2")])).await;
    aws.drained().await;
    let table = aws.table().await;
    let job = table.job("mixed");
    assert_eq!((job.state.as_str(), job.total, job.done, job.failed), ("doneWithFailures", Some(5), 3, 2));
    let states = ["0", "1", "2", "3", "4"].map(|task| table.task("mixed", task).state);
    assert_eq!(states, ["done", "failed", "done", "failed", "done"]);
    assert_eq!(aws.depth(Queue::DownloadTasksDlq).await, [2, 0, 0]);
}
