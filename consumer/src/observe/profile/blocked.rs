//! Loops that do not answer, and what their threads do meanwhile.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use exportpool_profile::record::{Blocked, Record, micros};

use super::{
    Ended, Records,
    moments::Instrument,
    names::Names,
    stacks::{Noted, Sampler},
    unsampled::Unsampled,
};
use crate::observe::loop_delay::{Recording, Stuck};

/// A loop that has not answered for this long, without what its thread waited for a CPU, is asked what it does; then each time
/// that it is this many times longer.
const FIRST_AFTER: Duration = Duration::from_millis(20);
const THEN_TIMES: u32 = 3;
/// Stacks of a profile at most: each takes time to be named.
const MOST: usize = 200;
/// What was asked for is looked at after this, or when so many were asked.
const ANSWERS_WITHIN: Duration = Duration::from_millis(80);
const MOST_AT_A_TIME: usize = 16;
/// Samples of all threads meanwhile, a second of CPU time: as few as can be.
const HERTZ: i32 = 1;

/// Asks loops that do not answer what they do.
pub(super) struct Catcher {
    began: Instant,
    /// From the first loop that did not answer.
    sampler: Option<Sampler>,
    /// By the name of a loop: since when it does not answer, and when to ask it again.
    next: HashMap<String, (Instant, Duration)>,
    asked: Vec<(usize, Blocked)>,
    asked_at: Instant,
    caught: usize,
    /// Why no more are asked for, until that is told.
    gave_up: Option<String>,
    names: Names,
}

impl Instrument for Catcher {
    /// Asks one of those that are due: of two that note their stacks at once, one would not.
    fn look(&mut self, recording: &Recording, now: Instant) {
        let due = recording.stuck(now, FIRST_AFTER).into_iter().find(|stuck| self.is_due(stuck));
        if let Some(stuck) = due
            && self.caught < MOST
            && self.samples()
        {
            self.caught += 1;
            self.asked_at = now;
            self.ask(stuck, now);
        }
    }

    fn tell(&mut self, _at_micros: u64, records: &Records) -> Result<(), Ended> {
        self.caught().into_iter().try_for_each(|blocked| records.tell(&Record::Blocked(blocked)))?;
        Ok(self.gave_up.take().map_or(Ok(()), |why| records.tell(&Record::NoStacks { why }))?)
    }
}

impl Catcher {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            sampler: None,
            next: HashMap::new(),
            asked: Vec::new(),
            asked_at: began,
            caught: 0,
            gave_up: None,
            names: Names::default(),
        }
    }

    fn is_due(&mut self, stuck: &Stuck) -> bool {
        let (since, next) = self.next.entry(stuck.name.clone()).or_insert((stuck.since, FIRST_AFTER));
        if *since != stuck.since {
            (*since, *next) = (stuck.since, FIRST_AFTER);
        }
        stuck.unanswered >= *next
    }

    fn samples(&mut self) -> bool {
        if self.sampler.is_none() {
            match Sampler::begin(HERTZ) {
                Ok(sampler) => self.sampler = Some(sampler),
                Err(error) => self.give_up(&error),
            }
        }
        self.sampler.is_some()
    }

    /// Loops that do not answer are seen still, without their stacks.
    fn give_up(&mut self, why: &Unsampled) {
        tracing::warn!(%why, "no stacks of blocked loops");
        (self.sampler, self.caught, self.gave_up) = (None, MOST, Some(why.to_string()));
    }

    fn ask(&mut self, stuck: Stuck, now: Instant) {
        self.next.insert(stuck.name.clone(), (stuck.since, stuck.unanswered * THEN_TIMES));
        let Some(thread) = Sampler::interrupt(&stuck.thread) else { return };
        let at_micros = micros(now.saturating_duration_since(self.began));
        let for_micros = micros(stuck.unanswered);
        self.asked.push((thread, Blocked { at_micros, name: stuck.name, for_micros, stack: vec![] }));
    }

    /// What they did, of those that were asked since the last time.
    fn caught(&mut self) -> Vec<Blocked> {
        // Who waits for a CPU notes its stack when it has one.
        if self.asked_at.elapsed() < ANSWERS_WITHIN && self.asked.len() < MOST_AT_A_TIME {
            return vec![];
        }
        let asked = std::mem::take(&mut self.asked);
        let Some(sampler) = self.sampler.as_mut().filter(|_| !asked.is_empty()) else { return vec![] };
        let noted = match sampler.take() {
            Ok(noted) => noted,
            Err(error) => {
                self.give_up(&error);
                return vec![];
            }
        };
        let mut by_thread: HashMap<usize, Noted> = HashMap::new();
        for noted in noted {
            match by_thread.get(&noted.thread) {
                Some(other) if other.at >= noted.at => {}
                _ => drop(by_thread.insert(noted.thread, noted)),
            }
        }
        let mut stacks: HashMap<_, _> =
            by_thread.into_iter().map(|(thread, noted)| (thread, self.names.of(noted.addresses))).collect();
        let with_stack = |(thread, blocked): (usize, Blocked)| {
            let stack = stacks.remove(&thread)?.iter().map(ToString::to_string).collect();
            Some(Blocked { stack, ..blocked })
        };
        // The last time that a thread was asked is the longest.
        asked.into_iter().rev().filter_map(with_stack).collect()
    }
}
