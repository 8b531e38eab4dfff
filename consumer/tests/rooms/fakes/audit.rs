//! What must hold in every world once the work is done, whatever went wrong on the way.

use exportpool_consumer::message::QueueName;
use exportpool_contract::{
    TaskMessage,
    record::{JobState, TaskState, shard_of},
};

use super::{Everything, World};

impl World {
    /// Nothing is lost, doubled or left lying about; AWS was asked for nothing that it refuses.
    pub fn assert_sound(&self) {
        let letters = self.dead_letters(QueueName::DownloadTasks);
        let letters: Vec<_> =
            letters.iter().filter_map(|l| serde_json::from_str::<TaskMessage>(&l.body).ok()).collect();
        let world = self.lock();
        let mut found = world.broken.clone();
        found.extend(world.bucket.uploads.values().map(|u| format!("an upload of {} is open", u.key)));
        found.extend(world.doubled());
        found.extend(world.lost(&letters));
        found.extend(world.miscounted());
        found.extend(world.wrongly_closed());
        drop(world);
        assert!(found.is_empty(), "{found:#?}\n{:#?}", self.journal());
    }
}

impl Everything {
    fn doubled(&self) -> Vec<String> {
        let written = self.bucket.objects.iter().filter(|(_, object)| object.writes > 1);
        let written = written.map(|(key, object)| format!("{key} was written {} times", object.writes));
        let moved = self.table.tasks.iter().filter(|(_, item)| item.moves_to_done > 1);
        written.chain(moved.map(|(name, _)| format!("{name:?} was done more than once"))).collect()
    }

    /// Done without its object, or failed without its dead letter.
    fn lost(&self, letters: &[TaskMessage]) -> Vec<String> {
        let lost = self.table.tasks.iter().filter(|((job, task), item)| match item.state {
            TaskState::Running => false,
            TaskState::Failed => !letters.iter().any(|l| l.job_id == *job && l.task.task_id == *task),
            TaskState::Done => !item.object.as_ref().is_some_and(|stored| {
                self.bucket.objects.get(stored.key.as_str()).is_some_and(|object| {
                    Some(&object.crc64nvme) == stored.crc64nvme.as_ref()
                        && object.body.len() as u64 == stored.bytes
                })
            }),
        });
        lost.map(|(name, item)| format!("{name:?} is {:?} and lost", item.state)).collect()
    }

    fn miscounted(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for ((job, shard), counted) in &self.table.counters {
            let shards = self.table.jobs[job].shards;
            let mut tasks = (0, 0);
            for ((of, task), item) in &self.table.tasks {
                if of == job && shard_of(task, shards) == *shard {
                    tasks.0 += i64::from(item.state == TaskState::Done);
                    tasks.1 += i64::from(item.state == TaskState::Failed);
                }
            }
            if tasks != *counted {
                wrong.push(format!("{job} shard {shard} counts {counted:?} and has {tasks:?}"));
            }
        }
        wrong
    }

    fn wrongly_closed(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (job, item) in &self.table.jobs {
            let (done, failed) = self.table.counted(job);
            let all = item.total.and_then(|total| i64::try_from(total).ok());
            let state = match all {
                None => None,
                Some(all) if done + failed < all => Some(JobState::Running),
                Some(_) if failed > 0 => Some(JobState::DoneWithFailures),
                Some(_) => Some(JobState::Done),
            };
            if state != item.state {
                wrong.push(format!("{job} is {:?} with {done} done, {failed} failed of {all:?}", item.state));
            }
        }
        wrong
    }
}
