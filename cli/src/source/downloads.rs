//! Who was asked for, and how far it went.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::AddAssign,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

/// Names remembered at a time. The one known longest is forgotten first: its counts stay in the totals, its
/// `fail-times` begins again.
pub(super) const MAX_NAMES: usize = 100_000;

/// Counts of the GET requests of a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Count {
    /// Requests.
    pub(crate) asked: u64,
    /// Those of them that asked for a range.
    pub(crate) ranged: u64,
    /// Answers that began a body, whole or part.
    pub(crate) started: u64,
    /// Bodies whose last byte, the file's last one, was handed to the connection.
    pub(crate) completed: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.ranged += other.ranged;
        self.started += other.started;
        self.completed += other.completed;
    }
}

/// All counts at one moment; the document at `/downloads`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Snapshot {
    /// Over all names, the forgotten included.
    pub(crate) total: Count,
    /// Names that are no longer in `downloads`.
    pub(crate) forgotten: u64,
    /// By name.
    pub(crate) downloads: BTreeMap<String, Count>,
}

/// The counts, shared by everyone who holds a clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Downloads(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    names: HashMap<Arc<str>, Count>,
    oldest_first: VecDeque<Arc<str>>,
    total: Count,
    forgotten: u64,
}

impl Downloads {
    /// The counts of one name; zeros for one that was never asked for.
    pub(crate) fn of(&self, name: &str) -> Count {
        self.lock().names.get(name).copied().unwrap_or_default()
    }

    /// A copy of everything, at most 100,000 names.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let counts = self.lock();
        let downloads = counts.names.iter().map(|(name, count)| (name.to_string(), *count)).collect();
        Snapshot { total: counts.total, forgotten: counts.forgotten, downloads }
    }

    /// Counts a request; the answer is its number among the requests of that name, from 1.
    pub(super) fn ask(&self, name: &str, range: bool) -> u64 {
        self.lock().add(name, Count { asked: 1, ranged: range.into(), ..Count::default() }).asked
    }

    pub(super) fn start(&self, name: &str) {
        self.lock().add(name, Count { started: 1, ..Count::default() });
    }

    pub(super) fn complete(&self, name: &str) {
        self.lock().add(name, Count { completed: 1, ..Count::default() });
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counters are whole between any two additions: a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, name: &str, more: Count) -> Count {
        self.total += more;
        if let Some(count) = self.names.get_mut(name) {
            *count += more;
            return *count;
        }
        self.make_room();
        let name: Arc<str> = name.into();
        self.oldest_first.push_back(Arc::clone(&name));
        self.names.insert(name, more);
        more
    }

    fn make_room(&mut self) {
        while self.names.len() >= MAX_NAMES {
            let Some(oldest) = self.oldest_first.pop_front() else { return };
            self.names.remove(&oldest);
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turns_of_a_name_are_its_own() {
        let downloads = Downloads::default();
        assert_eq!(
            [downloads.ask("a", false), downloads.ask("b", true), downloads.ask("a", false)],
            [1, 1, 2]
        );
        downloads.start("a");
        downloads.complete("a");
        assert_eq!(downloads.of("a"), Count { asked: 2, ranged: 0, started: 1, completed: 1 });
        assert_eq!(downloads.snapshot().total, Count { asked: 3, ranged: 1, started: 1, completed: 1 });
    }

    #[test]
    fn names_are_bounded_and_the_totals_keep_what_is_forgotten() {
        let downloads = Downloads::default();
        for n in 0..=MAX_NAMES {
            downloads.ask(&n.to_string(), false);
        }
        let seen = downloads.snapshot();
        assert_eq!((seen.downloads.len(), seen.forgotten), (MAX_NAMES, 1));
        assert_eq!(seen.total.asked, MAX_NAMES as u64 + 1);
        assert_eq!(downloads.of("0"), Count::default());
        assert_eq!(downloads.of("1").asked, 1);
    }
}
