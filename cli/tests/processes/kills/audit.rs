//! After the kills: what must be in the bucket, the table and the queues, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use exportpool_consumer::work::store::checksum::Checksum;

use super::load::{Ending, Jobs, Load};
use crate::{
    download,
    stand_in::{Queue, StandIn, Table, Versions},
};

/// Nothing is lost and nothing is doubled, in the words of CONSUMER.md.
pub(crate) async fn nothing_is_lost_or_doubled(aws: &StandIn, load: Load) {
    let jobs = load.jobs();
    let table = aws.table().await;
    each_object_once(aws, &jobs, &table).await;
    records_and_counters_agree(&jobs, &table);
    dead_letters_are_complete(aws, load, &jobs).await;
    for queue in [Queue::ExportJobs, Queue::DownloadTasks] {
        assert_eq!(aws.depth(queue).await, [0, 0, 0], "{queue:?}");
    }
}

fn files(jobs: &Jobs) -> impl Iterator<Item = (&str, usize, Ending)> {
    jobs.iter().flat_map(|(job, endings)| {
        endings.iter().enumerate().map(move |(n, ending)| (job.as_str(), n, *ending))
    })
}

/// One version of each file, with the source's bytes and the record's checksum.
async fn each_object_once(aws: &StandIn, jobs: &Jobs, table: &Table) {
    let stored = files(jobs).filter_map(|(job, n, ending)| match ending {
        Ending::Stored(size) => Some((job, n, size)),
        Ending::Failed => None,
    });
    let stored: Vec<_> = stored.collect();
    let once: Versions = stored.iter().map(|(job, n, _)| (format!("{job}/{n}"), 1)).collect();
    assert_eq!(aws.versions().await, once, "every file is stored once, and nothing else");
    for (job, n, size) in stored {
        let key = format!("{job}/{n}");
        let source = download::get(&aws.file(&key, &format!("size={size}"))).unwrap().1;
        let sum = Checksum::of(&source);
        assert_eq!(table.task(job, &n.to_string()).crc64nvme, sum, "the record of {key}");
        assert_eq!(Checksum::of(&aws.object(&key).await), sum, "the object {key}");
    }
}

/// Each job is closed, and its counters are its records counted.
fn records_and_counters_agree(jobs: &Jobs, table: &Table) {
    let names: BTreeSet<_> = jobs.iter().map(|(job, _)| job.clone()).collect();
    assert_eq!(table.jobs.keys().cloned().collect::<BTreeSet<_>>(), names);
    assert_eq!(table.tasks.len(), files(jobs).count(), "{table:?}");
    for (job, n, ending) in files(jobs) {
        let state = if ending == Ending::Failed { "failed" } else { "done" };
        assert_eq!(table.task(job, &n.to_string()).state, state, "{job}/{n}");
    }
    for (job, endings) in jobs {
        let failed = endings.iter().filter(|ending| **ending == Ending::Failed).count() as u64;
        let total = endings.len() as u64;
        let state = if failed > 0 { "doneWithFailures" } else { "done" };
        let seen = table.job(job);
        assert_eq!(
            (seen.state.as_str(), seen.total, seen.done, seen.failed),
            (state, Some(total), total - failed, failed),
            "{job}"
        );
    }
}

/// Each task that failed has its dead letter, and each message that could not be read; twice is allowed, when a
/// consumer died right after it had sent one.
async fn dead_letters_are_complete(aws: &StandIn, load: Load, jobs: &Jobs) {
    let failed = files(jobs).filter(|(.., ending)| *ending == Ending::Failed);
    let failed: BTreeSet<_> = failed.map(|(job, n, _)| (job.to_owned(), n.to_string())).collect();
    let mut letters = BTreeMap::new();
    for letter in aws.dead_letters(Queue::DownloadTasksDlq).await {
        let body: serde_json::Value = serde_json::from_str(&letter.body).unwrap();
        let word = |name: &str| body[name].as_str().unwrap().to_owned();
        *letters.entry((word("jobId"), word("taskId"))).or_insert(0) += 1;
    }
    assert_eq!(letters.keys().cloned().collect::<BTreeSet<_>>(), failed, "dead letters of tasks");
    assert!(letters.values().all(|times| *times <= 2), "{letters:?}");
    let bodies = aws.dead_letters(Queue::ExportJobsDlq).await.into_iter().map(|letter| letter.body);
    assert_eq!(bodies.collect::<BTreeSet<_>>(), load.unreadable().into_iter().collect::<BTreeSet<_>>());
}
