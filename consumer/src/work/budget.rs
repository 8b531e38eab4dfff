//! One budget for the memory of all download buffers. A task reserves before it grows.
//!
//! Every slot has room for one part of the least size: nobody waits for that, as the slots of a thread that is given up
//! get theirs anew. What is above is shared. Nobody waits for somebody who waits: who waits for memory holds neither
//! memory of the shared kind nor a place at a host, and who grows takes what is free at that moment or goes on as it is.

use std::sync::Arc;

use super::{clock::waiting, loans::Loan, store::MIN_PART_BYTES};
use crate::{
    fail::{Reason, TaskFault},
    sync::{OwnedSemaphorePermit, Semaphore},
};

const UNIT_BYTES: u64 = 1024;

/// The budget, shared by all workers.
#[derive(Debug, Clone)]
pub struct Budget {
    /// A part of the least size for each slot.
    own: Arc<Semaphore>,
    shared: Arc<Semaphore>,
    shared_bytes: u64,
}

/// Memory that may be used until this is dropped.
#[derive(Debug)]
pub struct Reserved {
    bytes: u64,
    _own: Loan,
    more: OwnedSemaphorePermit,
    budget: Budget,
}

impl Budget {
    /// A budget of so many bytes for so many slots.
    #[must_use]
    pub fn new(bytes: u64, slots: usize) -> Self {
        let own = bytes.min(MIN_PART_BYTES.saturating_mul(slots as u64));
        let shared_bytes = bytes - own;
        Self { own: semaphore(own), shared: semaphore(shared_bytes), shared_bytes }
    }

    /// Takes so many bytes if they are free now.
    #[must_use]
    pub fn try_reserve(&self, bytes: u64) -> Option<Reserved> {
        let (own, more) = split(bytes);
        let own = Arc::clone(&self.own).try_acquire_many_owned(units(own)).ok()?;
        let more = Arc::clone(&self.shared).try_acquire_many_owned(units(more)).ok()?;
        Some(self.reserved(bytes, own, more))
    }

    /// Waits until so many bytes are free and takes them. A task's time limit does not count that.
    ///
    /// # Errors
    /// `tooLarge`: they never are.
    pub async fn reserve(&self, bytes: u64) -> Result<Reserved, TaskFault> {
        let (own, more) = split(bytes);
        if more > self.shared_bytes {
            return Err(self.never_free(bytes));
        }
        let never_closed = |_| self.never_free(bytes);
        let own = Arc::clone(&self.own).acquire_many_owned(units(own));
        let own = waiting(own).await.map_err(never_closed)?;
        let more = Arc::clone(&self.shared).acquire_many_owned(units(more));
        let more = waiting(more).await.map_err(never_closed)?;
        Ok(self.reserved(bytes, own, more))
    }

    fn reserved(&self, bytes: u64, own: OwnedSemaphorePermit, more: OwnedSemaphorePermit) -> Reserved {
        Reserved { bytes, _own: Loan::here(own), more, budget: self.clone() }
    }

    fn never_free(&self, bytes: u64) -> TaskFault {
        const MIB: u64 = 1024 * 1024;
        let detail = format!(
            "the file needs parts of {} MiB and MEMORY_BUDGET_MIB leaves {} MiB for one; raise it, or lower \
             WORKER_POOL_SIZE or TASKS_PER_WORKER",
            bytes.div_ceil(MIB),
            (MIN_PART_BYTES + self.shared_bytes) / MIB
        );
        TaskFault::last(Reason::TooLarge, detail)
    }
}

impl Reserved {
    /// How many.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes more, up to so many bytes in all, if they are free now; else half of what is missing to there, and so on.
    pub fn grow(&mut self, up_to: u64) {
        let mut wanted = up_to;
        while wanted > self.bytes {
            let missing = Arc::clone(&self.budget.shared).try_acquire_many_owned(units(wanted - self.bytes));
            if let Ok(permit) = missing {
                self.more.merge(permit);
                self.bytes = wanted;
                return;
            }
            wanted /= 2;
        }
    }
}

fn semaphore(bytes: u64) -> Arc<Semaphore> {
    let units = usize::try_from(bytes / UNIT_BYTES).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS)))
}

/// What a slot has for itself, and what it takes of the shared.
const fn split(bytes: u64) -> (u64, u64) {
    if bytes <= MIN_PART_BYTES { (bytes, 0) } else { (MIN_PART_BYTES, bytes - MIN_PART_BYTES) }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::work::{clock::within, loans::Loans};

    const MIB: u64 = 1024 * 1024;
    const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

    /// What is reserved without a wait.
    fn at_once(budget: &Budget, bytes: u64) -> Option<Reserved> {
        budget.reserve(bytes).now_or_never().map(Result::unwrap)
    }

    #[test]
    fn a_task_waits_while_the_shared_memory_is_taken() {
        let budget = Budget::new(20 * MIB, 2);
        let first = at_once(&budget, 13 * MIB).unwrap();
        assert!(at_once(&budget, 8 * MIB).is_none());
        drop(first);
        assert!(at_once(&budget, 15 * MIB).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_memory_counts_for_no_time_limit() {
        let budget = Budget::new(20 * MIB, 2);
        let all = at_once(&budget, 15 * MIB).unwrap();
        let freed = async {
            tokio::time::sleep(SECOND * 60).await;
            drop(all);
        };
        let (reserved, ()) = tokio::join!(within(SECOND, budget.reserve(15 * MIB)), freed);
        assert_eq!(reserved.unwrap().unwrap().bytes(), 15 * MIB);
    }

    #[test]
    fn each_slot_has_room_for_a_part_whatever_others_take() {
        let budget = Budget::new(20 * MIB, 2);
        let mut large = at_once(&budget, 5 * MIB).unwrap();
        large.grow(30 * MIB);
        assert_eq!(large.bytes(), 15 * MIB);
        assert!(at_once(&budget, MIN_PART_BYTES).is_some());
    }

    #[test]
    fn the_slot_in_place_of_one_whose_thread_is_given_up_has_room_for_a_part() {
        let (budget, loans) = (Budget::new(MIN_PART_BYTES, 1), Loans::default());
        let stuck = std::thread::scope(|scope| {
            let work = || {
                loans.are_of_this_thread();
                at_once(&budget, MIN_PART_BYTES)
            };
            scope.spawn(work).join().unwrap()
        });
        assert!(at_once(&budget, MIN_PART_BYTES).is_none());
        loans.take_back();
        assert!(at_once(&budget, MIN_PART_BYTES).is_some());
        drop(stuck);
        let both = [(); 2].map(|()| at_once(&budget, MIN_PART_BYTES));
        assert_eq!(both.iter().flatten().count(), 1, "it is there once");
    }

    #[test]
    fn who_grows_takes_what_is_free_or_stays_as_it_is() {
        let budget = Budget::new(30 * MIB, 2);
        let [mut one, mut other] = [(); 2].map(|()| at_once(&budget, 5 * MIB).unwrap());
        one.grow(25 * MIB);
        other.grow(20 * MIB);
        assert_eq!((one.bytes() / MIB, other.bytes() / MIB), (25, 5));
        drop(one);
        other.grow(20 * MIB);
        assert_eq!(other.bytes() / MIB, 20);
    }

    #[test]
    fn what_never_fits_is_told_with_the_numbers() {
        let fault = Budget::new(20 * MIB, 2).reserve(16 * MIB).now_or_never().unwrap().unwrap_err();
        let text = fault.to_string();
        assert!(text.contains("16 MiB") && text.contains("15 MiB") && text.starts_with("tooLarge"), "{text}");
        assert!(Budget::new(20 * MIB, 2).try_reserve(16 * MIB).is_none());
    }

    /// Tasks of all sizes on as many slots as there are, each growing while it holds what it has.
    #[tokio::test(start_paused = true)]
    async fn tasks_that_reserve_and_grow_all_come_to_their_end() {
        let budget = Budget::new(40 * MIB, 4);
        let slots = Arc::new(tokio::sync::Semaphore::new(4));
        let (local, mut tasks) = (tokio::task::LocalSet::new(), tokio::task::JoinSet::new());
        for n in 0..400_u64 {
            let (budget, slots) = (budget.clone(), Arc::clone(&slots));
            let work = async move {
                let _slot = slots.acquire().await.unwrap();
                let mut memory = budget.reserve((1 + n * 7 % 25) * MIB).await.unwrap();
                for up_to in [8, 16, 32] {
                    memory.grow(up_to * MIB);
                    tokio::time::sleep(std::time::Duration::from_millis(1 + n % 5)).await;
                }
            };
            tasks.spawn_local_on(work, &local);
        }
        let all = async { while tasks.join_next().await.is_some() {} };
        let all = local.run_until(tokio::time::timeout(600 * SECOND, all));
        all.await.expect("nobody waits for ever");
        assert_eq!(at_once(&budget, 25 * MIB).map(|all| all.bytes()), Some(25 * MIB), "all is free again");
    }
}
