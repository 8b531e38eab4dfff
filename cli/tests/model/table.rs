//! `exportctl aws` as a process, the real ledger over its table, and what is written down there.

use std::{
    collections::{BTreeSet, HashMap},
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes},
};
use exportpool_consumer::{
    aws::{
        connect::{Access, AccessKey},
        dynamodb::{DynamoLedger, KnownShards},
    },
    ports::Cursor,
};
use exportpool_contract::{
    JobId, TaskId,
    record::{
        COUNTER, JOB, JobState, MANY_SHARDS, PK, SK, TASK_PREFIX, TaskState, attribute, job_pk, shard_of,
        shard_pk, task_sk,
    },
};

use crate::rules::{Job, Task, View};

const TABLE: &str = "exports";
/// Jobs and tasks of a history.
const JOBS: u8 = 3;
const TASKS: u8 = 2;

type Item = HashMap<String, AttributeValue>;

/// The stand-in. It ends with this.
pub(crate) struct Stand {
    process: Child,
    /// Kept open: what is written to a closed pipe ends the writer.
    _output: BufReader<ChildStdout>,
    _temporary: tempfile::TempDir,
    client: Client,
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Stand {
    pub(crate) async fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_exportctl"));
        command.args(["aws", "--port", "0"]).env("TMPDIR", temporary.path());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let variables = variables(&mut output);
        let key = AccessKey {
            id: variables["AWS_ACCESS_KEY_ID"].clone(),
            secret: variables["AWS_SECRET_ACCESS_KEY"].clone(),
            session_token: None,
        };
        let endpoint = Some(variables["AWS_ENDPOINT"].clone());
        let access = Access { region: variables["AWS_REGION"].clone(), endpoint, key: Some(key) };
        let client = Client::new(&access.resolve().await);
        Self { process, _output: output, _temporary: temporary, client }
    }

    /// A pod's ledger, which has seen nothing yet.
    pub(crate) fn ledger(&self) -> DynamoLedger {
        DynamoLedger::new(self.client.clone(), TABLE.into(), "pod".into(), None, KnownShards::default())
    }

    /// All that is written down of the jobs of a history.
    pub(crate) async fn view(&self, name: &str) -> View {
        let jobs = (0..JOBS).map(|n| JobId::new(format!("{name}-{n}")).unwrap());
        let keys: BTreeSet<_> = jobs.flat_map(|job| keys(&job)).collect();
        let keys = keys.into_iter().map(|(pk, sk)| {
            Item::from([(PK.into(), AttributeValue::S(pk)), (SK.into(), AttributeValue::S(sk))])
        });
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys.collect())).consistent_read(true);
        let answer = self.client.batch_get_item().request_items(TABLE, wanted.build().unwrap()).send().await;
        let mut view = View::default();
        for item in answer.unwrap().responses.unwrap().remove(TABLE).unwrap() {
            add(&mut view, &item);
        }
        view
    }
}

fn variables(output: &mut BufReader<ChildStdout>) -> HashMap<String, String> {
    let mut variables = HashMap::new();
    // The last of them.
    while !variables.contains_key("EXPORT_ALLOWED_NETWORKS") {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "exportctl aws ended: {variables:?}");
        let (name, value) = line.trim_end().strip_prefix("export ").unwrap().split_once('=').unwrap();
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}

/// Wherever something of a job may stand: in one shard, or in many.
fn keys(job: &JobId) -> Vec<(String, String)> {
    let tasks = (0..TASKS).map(|n| TaskId::new(format!("t{n}")).unwrap());
    let tasks = tasks.flat_map(|task| {
        [1, MANY_SHARDS].map(|shards| (shard_pk(job, shard_of(&task, shards)), task_sk(&task)))
    });
    let counters = (0..MANY_SHARDS).map(|shard| (shard_pk(job, shard), COUNTER.to_owned()));
    tasks.chain(counters).chain([(job_pk(job), JOB.to_owned())]).collect()
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name).map(|value| value.as_s().unwrap().clone())
}

fn number<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name).and_then(|value| value.as_n().unwrap().parse().ok())
}

fn add(view: &mut View, item: &Item) {
    let (pk, sk) = (text(item, PK).unwrap(), text(item, SK).unwrap());
    let mut parts = pk.split('#').skip(1);
    let job = JobId::new(parts.next().unwrap()).unwrap();
    if sk == JOB {
        view.jobs.insert(job, read_job(item));
    } else if sk == COUNTER {
        let count = |name| number(item, name).unwrap_or_default();
        let counted = (count(attribute::DONE), count(attribute::FAILED));
        if counted != (0, 0) {
            view.counters.insert((job, parts.next().unwrap().parse().unwrap()), counted);
        }
    } else {
        let task = TaskId::new(sk.strip_prefix(TASK_PREFIX).unwrap()).unwrap();
        assert!(view.tasks.insert((job, task), read_task(item)).is_none(), "a task stands in two shards");
    }
}

fn read_job(item: &Item) -> Job {
    let size = |name| number(item, name).unwrap_or_default();
    Job {
        epoch: number(item, attribute::EPOCH).unwrap_or_default(),
        digest: text(item, attribute::DIGEST),
        total: number(item, attribute::TOTAL),
        local: size(attribute::LOCAL),
        cursor: Cursor {
            page: number(item, attribute::CURSOR_PAGE).unwrap_or_default(),
            index: size(attribute::CURSOR),
            tasks: size(attribute::CURSOR_TASKS),
        },
        failures: number(item, attribute::LISTING_FAILURES).unwrap_or_default(),
        state: text(item, attribute::STATE).map(|word| JobState::parse(&word).unwrap()),
        shards: number(item, attribute::SHARDS).unwrap_or_default(),
    }
}

fn read_task(item: &Item) -> Task {
    Task {
        state: TaskState::parse(&text(item, attribute::STATE).unwrap()).unwrap(),
        epoch: number(item, attribute::EPOCH).unwrap(),
        attempts: number(item, attribute::ATTEMPTS).unwrap(),
        claim: text(item, attribute::CLAIM),
        digest: text(item, attribute::DIGEST).unwrap(),
        reason: text(item, attribute::REASON),
        upload: text(item, attribute::UPLOAD_ID),
        bytes: number(item, attribute::BYTES),
    }
}
