//! What a worker thread was lent of what all share. It gives back what it no longer needs; from a thread that is given
//! up as stuck all of it is taken back, or those who take its place would wait for it until the process ends. Its buffers
//! and its connections may stay until then: memory and hosts bear those of a few threads more.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use crate::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, thread_local};

thread_local! {
    /// Of the thread that runs. One that is no worker has loans that nobody takes back.
    static HERE: RefCell<Loans> = RefCell::default();
}

/// All that one thread was lent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loans(Arc<Mutex<Lent>>);

#[derive(Debug, Default)]
struct Lent {
    permits: HashMap<u64, OwnedSemaphorePermit>,
    next: u64,
}

/// A permit that is lent to a thread until this is dropped, or the thread is given up.
#[derive(Debug)]
pub(crate) struct Loan {
    loans: Loans,
    number: u64,
}

impl Loans {
    /// From now on this is what the thread that runs is lent.
    pub(crate) fn are_of_this_thread(&self) {
        HERE.with(|here| here.replace(self.clone()));
    }

    /// Takes everything back, whatever the thread does.
    pub(crate) fn take_back(&self) {
        let permits = std::mem::take(&mut self.lock().permits);
        drop(permits);
    }

    /// Held for as long as it takes to change a map.
    fn lock(&self) -> MutexGuard<'_, Lent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loan {
    /// Lends a permit to the thread that runs.
    pub(crate) fn here(permit: OwnedSemaphorePermit) -> Self {
        let loans = HERE.with(|here| here.borrow().clone());
        let number = {
            let mut lent = loans.lock();
            let number = lent.next;
            lent.next += 1;
            lent.permits.insert(number, permit);
            number
        };
        Self { loans, number }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let permit = self.loans.lock().permits.remove(&self.number);
        drop(permit);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    fn take(semaphore: &Arc<Semaphore>) -> Loan {
        Loan::here(Arc::clone(semaphore).try_acquire_owned().unwrap())
    }

    #[test]
    fn what_is_not_needed_any_more_is_free_and_the_rest_stays_lent() {
        let semaphore = Arc::new(Semaphore::new(3));
        let [one, _other] = [take(&semaphore), take(&semaphore)];
        drop(one);
        assert_eq!(semaphore.available_permits(), 2);
    }

    #[test]
    fn what_a_thread_was_lent_is_taken_back_from_it_alone_and_once() {
        let (semaphore, loans) = (Arc::new(Semaphore::new(3)), Loans::default());
        let _here = take(&semaphore);
        let of_worker = std::thread::scope(|scope| {
            let work = || {
                loans.are_of_this_thread();
                take(&semaphore)
            };
            scope.spawn(work).join().unwrap()
        });
        assert_eq!(semaphore.available_permits(), 1);
        loans.take_back();
        assert_eq!(semaphore.available_permits(), 2);
        drop(of_worker);
        assert_eq!(semaphore.available_permits(), 2, "it was free already");
    }
}
