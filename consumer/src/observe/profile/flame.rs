//! What threads do on their CPUs.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use exportpool_profile::record::{Record, Sample, Samples, Stack};

use super::{
    Ended, NobodyReads, Records, moments::Instrument, names::Names, stacks::Sampler, unsampled::Unsampled,
};

/// Samples of a second of CPU time: not in step with anything that comes a hundred times a second.
const HERTZ: u32 = 99;
/// How often they are told: each time the sampler is made anew, and its room for stacks with it.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Samples of all threads.
pub(super) struct Flame {
    sampler: Sampler,
    names: Names,
    stacks: Stacks,
    told: Instant,
}

impl Flame {
    /// # Errors
    /// Why there can be none.
    pub(super) fn begin(now: Instant) -> Result<Self, Unsampled> {
        let sampler = Sampler::begin(HERTZ.cast_signed())?;
        Ok(Self { sampler, names: Names::default(), stacks: Stacks::default(), told: now })
    }
}

impl Instrument for Flame {
    fn tell(&mut self, at_micros: u64, records: &Records) -> Result<(), Ended> {
        if self.told.elapsed() < TELL_EVERY {
            return Ok(());
        }
        self.told = Instant::now();
        let noted = self.sampler.take()?;
        let mut counts: BTreeMap<(String, u32), u32> = BTreeMap::new();
        for noted in noted {
            let thread = noted.thread_name();
            let stack = self.stacks.number(self.names.of(noted.addresses), records)?;
            *counts.entry((thread, stack)).or_default() += noted.count;
        }
        let of = |((thread, stack), count)| Sample { thread, stack, count };
        let samples = counts.into_iter().map(of).collect();
        Ok(records.tell(&Record::Samples(Samples { at_micros, hertz: HERTZ, samples }))?)
    }
}

/// Stacks that were told, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Stacks(HashMap<Vec<Arc<str>>, u32>);

impl Stacks {
    /// The number of a stack, which is told before, once.
    pub(super) fn number(&mut self, frames: Vec<Arc<str>>, records: &Records) -> Result<u32, NobodyReads> {
        if let Some(number) = self.0.get(&frames) {
            return Ok(*number);
        }
        let id = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let told = frames.iter().map(ToString::to_string).collect();
        records.tell(&Record::Stack(Stack { id, frames: told }))?;
        self.0.insert(frames, id);
        Ok(id)
    }
}
