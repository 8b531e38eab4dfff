//! What is allocated and not freed, and where.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use exportpool_profile::record::{Allocation, Live, Record};
use jemalloc_pprof::{JemallocProfCtl, PROF_CTL};
use tokio::sync::Mutex;

use super::{
    Ended, Records, flame::Stacks, moments::Instrument, names::Names, stacks::has_room, unsampled::Unsampled,
};

/// How often all of it is told.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// The names of its functions and of its libraries', and what a dump takes while it is read, with a margin.
const NEEDS_BYTES: u64 = 80 << 20;

/// The allocator's samples, for as long as this lives.
pub(super) struct Heap {
    allocator: Arc<Mutex<JemallocProfCtl>>,
    names: Names,
    stacks: Stacks,
    told: Option<Instant>,
}

impl Heap {
    /// # Errors
    /// Why there can be none.
    pub(super) fn begin() -> Result<Self, Unsampled> {
        let allocator = PROF_CTL.clone().ok_or(Unsampled::NoAllocations)?;
        has_room(NEEDS_BYTES)?;
        let names = Names::read();
        allocator.blocking_lock().activate()?;
        Ok(Self { allocator, names, stacks: Stacks::default(), told: None })
    }

    /// Bytes by where they were allocated.
    fn live(&mut self) -> anyhow::Result<BTreeMap<Vec<Arc<str>>, u64>> {
        let profile = self.allocator.blocking_lock().dump_profile()?;
        let mut live = BTreeMap::new();
        for (stack, _) in profile.iter() {
            // Those of the parser begin with the outermost.
            let functions = self.names.of(stack.addrs.iter().rev().copied());
            *live.entry(without_ours(functions)).or_default() += whole(stack.weight);
        }
        Ok(live)
    }
}

/// What this profile itself keeps is told as one place: nobody looks for it.
fn without_ours(functions: Vec<Arc<str>>) -> Vec<Arc<str>> {
    let ours = module_path!().trim_end_matches("heap");
    let is_ours = |function: &Arc<str>| function.contains(ours);
    if functions.iter().any(is_ours) { vec![ours.trim_end_matches(':').into()] } else { functions }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of memory that there is")]
fn whole(bytes: f64) -> u64 {
    bytes.max(0.0).round() as u64
}

impl Instrument for Heap {
    fn tell(&mut self, at_micros: u64, records: &Records) -> Result<(), Ended> {
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return Ok(());
        }
        self.told = Some(Instant::now());
        let live = match self.live() {
            Ok(live) => live,
            Err(error) => {
                tracing::warn!(%error, "what is allocated is not told");
                return Ok(());
            }
        };
        let mut allocations = Vec::new();
        for (functions, bytes) in live {
            allocations.push(Allocation { stack: self.stacks.number(functions, records)?, bytes });
        }
        Ok(records.tell(&Record::Live(Live { at_micros, allocations }))?)
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        if let Err(error) = self.allocator.blocking_lock().deactivate() {
            tracing::warn!(%error, "the allocator goes on sampling");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_profile_keeps_itself_is_one_place() {
        let stack = |functions: &[&str]| functions.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>();
        let theirs = stack(&["alloc::vec::with_capacity", "exportpool_consumer::place::Desk::handle"]);
        assert_eq!(without_ours(theirs.clone()), theirs);
        let ours = stack(&[
            "alloc::raw_vec::grow",
            "exportpool_consumer::observe::profile::names::Names::of",
            "main",
        ]);
        assert_eq!(without_ours(ours), stack(&["exportpool_consumer::observe::profile"]));
    }
}
