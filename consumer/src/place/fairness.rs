//! Whose turn it is: waiting tasks are taken round-robin over jobs, so no job starves another.

use std::collections::{HashMap, VecDeque};

use exportpool_contract::JobId;

use crate::message::{LeaseId, Task};

/// Tasks waiting for a slot.
#[derive(Debug, Default)]
pub struct Waiting {
    turns: VecDeque<JobId>,
    tasks: HashMap<JobId, VecDeque<Task>>,
    len: usize,
}

impl Waiting {
    /// Puts a task at the end of its job's line.
    pub fn push(&mut self, task: Task) {
        let line = self.tasks.entry(task.job.clone()).or_default();
        if line.is_empty() {
            self.turns.push_back(task.job.clone());
        }
        line.push_back(task);
        self.len += 1;
    }

    /// The next task: of the job whose turn it is, which then goes to the end.
    pub fn pop(&mut self) -> Option<Task> {
        let job = self.turns.pop_front()?;
        let line = self.tasks.get_mut(&job)?;
        let task = line.pop_front()?;
        self.len -= 1;
        if line.is_empty() {
            self.tasks.remove(&job);
        } else {
            self.turns.push_back(job);
        }
        Some(task)
    }

    /// Takes out all tasks that one message answers for.
    pub fn remove(&mut self, lease: LeaseId) -> Vec<Task> {
        let mut removed = Vec::new();
        for line in self.tasks.values_mut() {
            let (gone, kept) = std::mem::take(line).into_iter().partition(|task| task.lease == lease);
            *line = kept;
            removed.extend::<VecDeque<Task>>(gone);
        }
        self.tasks.retain(|_, line| !line.is_empty());
        self.turns.retain(|job| self.tasks.contains_key(job));
        self.len -= removed.len();
        removed
    }

    /// Tasks waiting.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::fixture::task;

    #[test]
    fn jobs_take_turns() {
        let mut waiting = Waiting::default();
        for n in 0..3 {
            waiting.push(task("large", n, 1));
        }
        waiting.push(task("small", 0, 2));
        let order: Vec<_> = std::iter::from_fn(|| waiting.pop()).map(|t| t.job.to_string()).collect();
        assert_eq!(order, ["large", "small", "large", "large"]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn the_tasks_of_one_message_can_be_taken_back() {
        let mut waiting = Waiting::default();
        waiting.push(task("a", 0, 1));
        waiting.push(task("b", 0, 2));
        waiting.push(task("a", 1, 1));
        assert_eq!((waiting.remove(LeaseId(1)).len(), waiting.len()), (2, 1));
        assert_eq!(waiting.pop().map(|t| t.job.to_string()).as_deref(), Some("b"));
        assert!(waiting.pop().is_none());
    }
}
