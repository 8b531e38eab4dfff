//! Commits what is stored: a job's tasks in batches, one transaction a job at a time.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use tokio::sync::mpsc;

use super::requests::{Means, Stored};

/// A transaction has up to 25 tasks and their counter.
const MOST: usize = 25;

/// A line of stored tasks to each job that has some.
#[derive(Clone)]
pub(super) struct Committer {
    means: Rc<Means>,
    lines: Rc<RefCell<HashMap<String, Vec<Stored>>>>,
    deletes: mpsc::UnboundedSender<String>,
}

impl Committer {
    pub(super) fn new(means: Rc<Means>, deletes: mpsc::UnboundedSender<String>) -> Self {
        Self { means, lines: Rc::default(), deletes }
    }

    /// Commits a task with whatever else of its job comes meanwhile; then its message is deleted.
    pub(super) fn settle(&self, stored: Stored) {
        let job = stored.job.clone();
        let idle = !self.lines.borrow().contains_key(&job);
        self.lines.borrow_mut().entry(job.clone()).or_default().push(stored);
        if idle {
            tokio::task::spawn_local(self.clone().work_off(job));
        }
    }

    async fn work_off(self, job: String) {
        loop {
            let batch = self.take(&job);
            if batch.is_empty() {
                return;
            }
            let committed = self.means.commit(&job, &batch).await;
            if committed.is_ok() && self.means.look_whether_complete(&job).await.is_ok() {
                for stored in batch {
                    let _ = self.deletes.send(stored.receipt);
                }
            }
        }
    }

    /// The next batch; a line without any is forgotten.
    fn take(&self, job: &str) -> Vec<Stored> {
        let mut lines = self.lines.borrow_mut();
        let Some(line) = lines.get_mut(job) else { return Vec::new() };
        let batch: Vec<_> = line.drain(..line.len().min(MOST)).collect();
        if batch.is_empty() {
            lines.remove(job);
        }
        batch
    }
}
