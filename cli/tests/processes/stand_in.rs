//! AWS as a process, `exportctl aws`, and what it holds.

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead as _, BufReader},
    process::{ChildStdout, Command, Stdio},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use exportpool_consumer::aws::connect::{self, Access, AccessKey};
use exportpool_contract::record::{COUNTER, JOB, PK, SK, TASK_PREFIX, attribute};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    consumer::Environment,
    process::{EXPORTCTL, Process},
    wait::{DEADLINE, within},
};

pub(crate) const BUCKET: &str = "exports";
pub(crate) const TABLE: &str = "exports";

/// A queue of the stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    ExportJobs,
    DownloadTasks,
    ExportJobsDlq,
    DownloadTasksDlq,
}

/// The stand-in, with clients of this test's runtime.
pub(crate) struct StandIn {
    _process: Process,
    /// Kept open: what is written to a closed pipe ends the writer.
    _output: BufReader<ChildStdout>,
    _temporary: TempDir,
    variables: Environment,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
}

/// A task's record. Texts are empty and numbers 0 when they are not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) url: String,
    pub(crate) crc64nvme: String,
    pub(crate) bytes: u64,
    pub(crate) attempts: u64,
    pub(crate) enqueued_at: u64,
    pub(crate) settled_at: u64,
}

/// A job's record, and its counters, summed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) state: String,
    pub(crate) total: Option<u64>,
    pub(crate) done: u64,
    pub(crate) failed: u64,
}

/// All of the table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By job and task.
    pub(crate) tasks: BTreeMap<(String, String), Record>,
    pub(crate) jobs: BTreeMap<String, Job>,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// How many versions there are of each key.
pub(crate) type Versions = BTreeMap<String, usize>;

impl StandIn {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = Command::new(EXPORTCTL);
        command.args(["aws", "--port", "0"]).args(arguments).env("TMPDIR", temporary.path());
        let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let mut output = BufReader::new(process.child.stdout.take().unwrap());
        let variables = read_environment(&mut output);
        let key = AccessKey {
            id: variables["AWS_ACCESS_KEY_ID"].clone(),
            secret: variables["AWS_SECRET_ACCESS_KEY"].clone(),
            session_token: None,
        };
        let access = Access {
            region: variables["AWS_REGION"].clone(),
            endpoint: Some(variables["AWS_ENDPOINT"].clone()),
            key: Some(key),
        };
        let config = access.resolve().await;
        Self {
            _process: process,
            _output: output,
            _temporary: temporary,
            sqs: aws_sdk_sqs::Client::new(&config),
            s3: connect::s3(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            variables,
        }
    }

    /// The environment of a consumer of this stand-in: what the README requires, and no dead-letter queues. Those are found.
    pub(crate) fn environment(&self, more: &[(&str, &str)]) -> Environment {
        let mut environment = self.variables.clone();
        environment.retain(|name, _| !name.ends_with("_DLQ_URL"));
        environment.insert("PORT".into(), "0".into());
        environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        environment
    }

    /// The file server.
    pub(crate) fn source(&self) -> String {
        format!("{}/_source", self.variables["AWS_ENDPOINT"])
    }

    /// A file of the file server.
    pub(crate) fn file(&self, name: &str, query: &str) -> String {
        format!("{}/files/{name}?{query}", self.source())
    }

    fn url(&self, queue: Queue) -> &str {
        &self.variables[match queue {
            Queue::ExportJobs => "SQS_EXPORT_JOBS_URL",
            Queue::DownloadTasks => "SQS_DOWNLOAD_TASKS_URL",
            Queue::ExportJobsDlq => "SQS_EXPORT_JOBS_DLQ_URL",
            Queue::DownloadTasksDlq => "SQS_DOWNLOAD_TASKS_DLQ_URL",
        }]
    }

    pub(crate) async fn send(&self, queue: Queue, body: impl Into<String>) {
        self.sqs.send_message().queue_url(self.url(queue)).message_body(body).send().await.unwrap();
    }

    /// Sends a job of files, named `<job>/<n>`.
    pub(crate) async fn send_job(&self, job: &str, files: usize, query: &str) {
        let tasks = (0..files)
            .map(|n| json!({"taskId": n.to_string(), "url": self.file(&format!("{job}/{n}"), query)}));
        let body = json!({"jobId": job, "tasks": tasks.collect::<Vec<_>>()});
        self.send(Queue::ExportJobs, body.to_string()).await;
    }

    /// Visible, in flight and delayed messages.
    pub(crate) async fn depth(&self, queue: Queue) -> [u64; 3] {
        use QueueAttributeName as Name;
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.sqs.get_queue_attributes().queue_url(self.url(queue));
        let answer = request.set_attribute_names(Some(names.to_vec())).send().await.unwrap();
        let attributes = answer.attributes.unwrap();
        names.map(|name| attributes[&name].parse().unwrap())
    }

    /// Waits until no message is left on either queue. Jobs send tasks before they are deleted, and never the other
    /// way: the jobs' queue is looked at first.
    pub(crate) async fn drained(&self) {
        self.drained_within(DEADLINE).await;
    }

    /// As [`StandIn::drained`], of messages that stay away for long.
    pub(crate) async fn drained_within(&self, patience: Duration) {
        let empty = async |queue| self.depth(queue).await == [0, 0, 0];
        within(patience, "the queues to be drained", async || {
            (empty(Queue::ExportJobs).await && empty(Queue::DownloadTasks).await).then_some(())
        })
        .await;
    }

    /// All messages of a dead-letter queue; afterwards they are hidden for a while.
    pub(crate) async fn dead_letters(&self, queue: Queue) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        loop {
            let request = self.sqs.receive_message().queue_url(self.url(queue)).max_number_of_messages(10);
            let answer = request.visibility_timeout(60).message_attribute_names("All").send().await.unwrap();
            let messages = answer.messages.unwrap_or_default();
            if messages.is_empty() {
                return letters;
            }
            letters.extend(messages.into_iter().map(|message| {
                DeadLetter {
                    body: message.body.unwrap(),
                    attributes: message
                        .message_attributes
                        .unwrap_or_default()
                        .into_iter()
                        .map(|(name, value)| (name, value.string_value.unwrap_or_default()))
                        .collect(),
                }
            }));
        }
    }

    /// Moves all messages of a dead-letter queue, attributes and all, as a redrive does; answers how many.
    pub(crate) async fn redrive(&self, from: Queue, to: Queue) -> usize {
        let mut moved = 0;
        loop {
            let request = self.sqs.receive_message().queue_url(self.url(from)).max_number_of_messages(10);
            let answer = request.message_attribute_names("All").send().await.unwrap();
            let messages = answer.messages.unwrap_or_default();
            if messages.is_empty() {
                return moved;
            }
            for message in messages {
                let sent = self.sqs.send_message().queue_url(self.url(to)).set_message_body(message.body);
                sent.set_message_attributes(message.message_attributes).send().await.unwrap();
                let gone = self.sqs.delete_message().queue_url(self.url(from));
                gone.set_receipt_handle(message.receipt_handle).send().await.unwrap();
                moved += 1;
            }
        }
    }

    /// All objects ever written; markers of a deletion count too.
    pub(crate) async fn versions(&self) -> Versions {
        let listed = self.s3.list_object_versions().bucket(BUCKET).send().await.unwrap();
        assert_ne!(listed.is_truncated, Some(true), "a test with over 1,000 objects must read all pages");
        let objects = listed.versions.unwrap_or_default().into_iter().filter_map(|version| version.key);
        let markers = listed.delete_markers.unwrap_or_default().into_iter().filter_map(|marker| marker.key);
        let mut versions = Versions::new();
        objects.chain(markers).for_each(|key| *versions.entry(key).or_default() += 1);
        versions
    }

    pub(crate) async fn object(&self, key: &str) -> Vec<u8> {
        let answer = self.s3.get_object().bucket(BUCKET).key(key).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("the object {key}: {error:?}"));
        answer.body.collect().await.unwrap().to_vec()
    }

    pub(crate) async fn open_uploads(&self) -> usize {
        let listed = self.s3.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
        listed.uploads.unwrap_or_default().len()
    }

    pub(crate) async fn table(&self) -> Table {
        let mut table = Table::default();
        let mut pages = self.dynamodb.scan().table_name(TABLE).consistent_read(true).into_paginator().send();
        while let Some(page) = pages.next().await {
            page.unwrap().items.unwrap_or_default().iter().for_each(|item| table.add(item));
        }
        table
    }
}

fn read_environment(output: &mut BufReader<ChildStdout>) -> Environment {
    let mut variables = Environment::new();
    // The last of them.
    while !variables.contains_key("EXPORT_ALLOWED_NETWORKS") {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "exportctl aws ended: {variables:?}");
        let (name, value) = line.trim_end().strip_prefix("export ").unwrap().split_once('=').unwrap();
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}

impl Table {
    fn add(&mut self, item: &HashMap<String, AttributeValue>) {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        let number = |name| item.get(name).and_then(|value| value.as_n().ok()?.parse::<u64>().ok());
        let count = |name| number(name).unwrap_or_default();
        let (pk, sk) = (text(PK), text(SK));
        let job = pk.split('#').nth(1).unwrap().to_owned();
        if let Some(task) = sk.strip_prefix(TASK_PREFIX) {
            let record = Record {
                state: text(attribute::STATE),
                reason: text(attribute::REASON),
                url: text(attribute::URL),
                crc64nvme: text(attribute::CRC64NVME),
                bytes: count(attribute::BYTES),
                attempts: count(attribute::ATTEMPTS),
                enqueued_at: count(attribute::ENQUEUED_AT),
                settled_at: count(attribute::SETTLED_AT),
            };
            let earlier = self.tasks.insert((job, task.to_owned()), record);
            assert_eq!(earlier, None, "the task {task} has records in two shards");
            return;
        }
        let seen = self.jobs.entry(job).or_default();
        match sk.as_str() {
            COUNTER => {
                seen.done += count(attribute::DONE);
                seen.failed += count(attribute::FAILED);
            }
            JOB => {
                seen.state = text(attribute::STATE);
                seen.total = number(attribute::TOTAL);
            }
            _ => panic!("an item nobody knows: {pk} {sk}"),
        }
    }

    /// A task's record.
    pub(crate) fn task(&self, job: &str, task: &str) -> Record {
        self.tasks.get(&(job.to_owned(), task.to_owned())).cloned().unwrap_or_default()
    }

    /// A job's record.
    pub(crate) fn job(&self, job: &str) -> Job {
        self.jobs.get(job).cloned().unwrap_or_default()
    }
}
