//! One budget for the memory of all download buffers. A task reserves before it grows.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const UNIT_BYTES: u64 = 1024;

/// The budget, shared by all workers.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

/// Memory that may be used until this is dropped.
#[derive(Debug)]
pub struct Reserved {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT_BYTES).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// Waits until so many bytes are free and takes them. Each task reserves once, before its first byte: the
    /// start is refused when not every slot could, so nobody waits for somebody who waits.
    pub async fn reserve(&self, bytes: u64) -> Reserved {
        let permit = Arc::clone(&self.0).acquire_many_owned(units(bytes)).await;
        // The semaphore is never closed.
        Reserved { _permit: permit.ok() }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_task_waits_while_the_budget_is_taken() {
        let budget = Budget::new(10 * 1024);
        let first = budget.reserve(8 * 1024).now_or_never().unwrap();
        assert!(budget.reserve(3 * 1024).now_or_never().is_none());
        drop(first);
        assert!(budget.reserve(10 * 1024).now_or_never().is_some());
    }
}
