//! The pages of a job. An Export API is not trusted to end.

use std::collections::{HashMap, HashSet};

use exportpool_contract::{ExportApi, TaskSpec};

use crate::{fail::TaskFault, spec::public_url, work::fetch::page::invalid};

/// The most tasks of a job.
pub const MAX_JOB_TASKS: usize = 1_000_000;
/// The most pages of a job: an API that answers empty pages ends too.
pub const MAX_JOB_PAGES: u64 = 100_000;

/// A page of a job's tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// From 0.
    pub(crate) number: u64,
    /// Where it was listed; `None` for the tasks of a message.
    pub(crate) api: Option<ExportApi>,
    /// Each once.
    pub(crate) tasks: Vec<TaskSpec>,
    /// The next one.
    pub(crate) next: Option<ExportApi>,
}

/// The same fault, saying of which page it is.
pub(super) fn of_page(api: &ExportApi, number: u64, fault: TaskFault) -> TaskFault {
    let name =
        |detail: String| format!("page {number} of the Export API at {}: {detail}", public_url(&api.url));
    match fault {
        TaskFault::Final { reason, detail } => TaskFault::Final { reason, detail: name(detail) },
        TaskFault::Retry { reason, detail, after } => {
            TaskFault::Retry { reason, detail: name(detail), after }
        }
        other => other,
    }
}

/// What one run of a listing has seen: a task listed again counts once, a page that comes again would never end.
///
/// Hashes of 64 and 32 bits stand for ids and definitions, so that a long listing takes little memory. Of a million
/// tasks, two share an id's hash once in 37 million listings; such a task would be taken for listed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    tasks: HashMap<u64, u32>,
    pages: HashSet<u64>,
}

impl Seen {
    /// Takes in a page's URL.
    ///
    /// # Errors
    /// `exportApiInvalid`: the page came before, or there are too many.
    pub(super) fn page(&mut self, api: &ExportApi, number: u64) -> Result<(), TaskFault> {
        if number >= MAX_JOB_PAGES {
            return Err(invalid(format!("the Export API has more than {MAX_JOB_PAGES} pages")));
        }
        if self.pages.insert(hash(&api.url)) {
            return Ok(());
        }
        let url = public_url(&api.url);
        Err(invalid(format!("the Export API repeats its page at {url}: it would never end")))
    }

    /// Whether a task is new; one that comes again must be the same.
    ///
    /// # Errors
    /// `exportApiInvalid` names a task that is listed twice, differently.
    pub(super) fn task(&mut self, task: &TaskSpec, digest: &str) -> Result<bool, TaskFault> {
        #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
        let definition = hash(digest) as u32;
        match self.tasks.insert(hash(task.task_id.as_str()), definition) {
            None => Ok(true),
            Some(earlier) if earlier == definition => Ok(false),
            Some(_) => {
                let id = &task.task_id;
                Err(invalid(format!("the Export API lists the task {id} twice, differently")))
            }
        }
    }
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_comes_again_and_pages_without_end_are_noticed() {
        let mut seen = Seen::default();
        let mut page =
            |number, url: &str| seen.page(&ExportApi { url: url.into(), credentials: None }, number);
        assert!(page(0, "http://h/a").is_ok() && page(1, "http://h/b").is_ok());
        let again = page(2, "http://h/a").unwrap_err();
        assert!(again.to_string().contains("repeats its page"), "{again}");
        assert!(page(MAX_JOB_PAGES, "http://h/c").is_err());
    }

    #[test]
    fn a_task_on_two_pages_counts_once_if_it_is_the_same() {
        let spec: TaskSpec = serde_json::from_str(r#"{"taskId":"t","url":"http://h"}"#).unwrap();
        let mut seen = Seen::default();
        assert!(seen.task(&spec, "digest").unwrap());
        assert!(!seen.task(&spec, "digest").unwrap());
        assert!(seen.task(&spec, "other").unwrap_err().to_string().contains("twice, differently"));
    }
}
