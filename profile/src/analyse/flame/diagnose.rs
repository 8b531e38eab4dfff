//! What is worth a look, and what to do.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    Figures, Hotspot, Kind, KindShare,
    count::{Counts, Ours, is_entry},
    name::UNNAMED,
};
use crate::{
    analyse::{
        diagnosis::{Diagnosis, unfinished},
        share::{share, surely},
        zone::Zone,
    },
    read::Recorded,
    record::Ending,
};

/// Below this a share is off by more than a tenth of all samples, in one of twenty profiles: nothing is said.
const FEWEST_SAMPLES: u64 = 50;
/// A function with more than this of the CPU time is worth a look: half of it cannot be got anywhere else.
const HOT_SHARE: f64 = 0.5;
/// More than this is told, and is nothing bad: without it, the consumer would be a tenth cheaper at best.
const NOTED_SHARE: f64 = 0.1;
/// Such functions at most are told: the tables have them all.
const MOST_NOTED: usize = 3;
/// A process that uses less than this of a CPU has nothing to gain: whatever is hot in it is told, and is nothing bad.
const LITTLE_CPU: f64 = 0.1;
/// One of ours that has half of more than this of a CPU must be acted on.
const MUCH_CPU: f64 = 0.5;
/// JSON is a message and a table's item: a few hundred bytes for a file.
const JSON_SHARE: f64 = 0.1;
/// Of a program that keeps its buffers; one that gives out memory for each chunk is above it.
const ALLOCATOR_SHARE: f64 = 0.15;
/// AES is done by the CPU: a handshake or a signature for each request costs this much, the bytes of a file do not.
const TLS_SHARE: f64 = 0.3;

/// What diagnoses are made from.
pub(super) struct Case<'a> {
    pub(super) recorded: &'a Recorded,
    pub(super) counts: &'a Counts<'a>,
    pub(super) figures: Figures,
    pub(super) kinds: &'a [KindShare],
    pub(super) ours: BTreeMap<&'a str, Ours>,
}

/// All that are made, the worst first.
pub(super) fn diagnoses(case: &Case<'_>) -> Vec<Diagnosis<Hotspot>> {
    let mut diagnoses: Vec<_> = case.incomplete().into_iter().collect();
    if case.is_idle() {
        diagnoses.push(case.idle());
    } else if case.figures.samples < FEWEST_SAMPLES {
        diagnoses.push(case.too_few());
    } else if let Some(unnamed) = case.unnamed() {
        diagnoses.push(unnamed);
    } else {
        let found = case.functions().into_iter().chain(case.callers()).chain(case.of_kinds());
        diagnoses.extend(found);
        if diagnoses.is_empty() {
            diagnoses.push(case.even());
        }
    }
    diagnoses.sort_by_key(|diagnosis| Reverse(diagnosis.zone));
    diagnoses
}

impl Case<'_> {
    /// It did not end as it should have. Whether its jobs were done in time is nothing that samples say.
    fn incomplete(&self) -> Option<Diagnosis<Hotspot>> {
        let is_overdue = self.recorded.ending == Some(Ending::Overdue);
        let (zone, evidence, remedy) =
            unfinished(self.recorded, self.figures.seconds).filter(|_| !is_overdue)?;
        Some(Diagnosis::new(Hotspot::Incomplete, zone, evidence, remedy))
    }

    /// One that is given nothing and still computes is not idle.
    fn is_idle(&self) -> bool {
        self.recorded.received_nothing() && self.figures.cpus < LITTLE_CPU
    }

    fn idle(&self) -> Diagnosis<Hotspot> {
        let evidence = format!("no tasks, and {:.1} % of a CPU", 100.0 * self.figures.cpus);
        Diagnosis::new(Hotspot::Idle, Zone::Green, evidence, "nothing to do; exportctl load sends work")
    }

    fn too_few(&self) -> Diagnosis<Hotspot> {
        let evidence =
            format!("{} samples say nothing of shares: fewer than {FEWEST_SAMPLES}", self.figures.samples);
        let remedy = "profile for longer, or under more load: there are 99 a second of CPU time";
        Diagnosis::new(Hotspot::TooFew, Zone::Green, evidence, remedy)
    }

    /// Most of it is on stacks that say nothing.
    fn unnamed(&self) -> Option<Diagnosis<Hotspot>> {
        let own = self.counts.others().find(|(name, _)| *name == UNNAMED)?.1;
        let evidence = format!("{} is in functions that have none", self.of_samples(own));
        let remedy = "was the program stripped? leave its symbols in, as `strip = \"debuginfo\"` does";
        self.is_above(own, HOT_SHARE)
            .then(|| Diagnosis::new(Hotspot::Unnamed, Zone::Yellow, evidence, remedy))
    }

    fn even(&self) -> Diagnosis<Hotspot> {
        let evidence = format!(
            "no function has more than {:.0} % of {} samples to itself, and no kind more than it should",
            100.0 * NOTED_SHARE,
            self.figures.samples
        );
        Diagnosis::new(Hotspot::Even, Zone::Green, evidence, "nothing to do")
    }

    /// A share that chance hardly makes is above a threshold.
    fn is_above(&self, samples: u64, threshold: f64) -> bool {
        surely(samples, self.figures.samples) > threshold
    }

    /// Of something with so much, where red is for what is ours alone.
    fn zone(&self, samples: u64, may_be_red: bool) -> Zone {
        if !self.is_above(samples, HOT_SHARE) || self.figures.cpus < LITTLE_CPU {
            Zone::Green
        } else if may_be_red && self.figures.cpus > MUCH_CPU {
            Zone::Red
        } else {
            Zone::Yellow
        }
    }

    /// Those with the most samples of their own.
    fn functions(&self) -> Vec<Diagnosis<Hotspot>> {
        let ours = self.ours.iter().map(|(name, of)| (*name, of.own, true));
        let others = self.counts.others().map(|(name, own)| (name, own, false));
        let noted =
            ours.chain(others).filter(|(name, own, _)| !waits(name) && self.is_above(*own, NOTED_SHARE));
        let mut noted: Vec<_> = noted.collect();
        noted.sort_by_key(|(_, own, _)| Reverse(*own));
        noted.truncate(MOST_NOTED);
        noted.into_iter().map(|(name, own, is_ours)| self.function(name, own, is_ours)).collect()
    }

    fn function(&self, name: &str, own: u64, is_ours: bool) -> Diagnosis<Hotspot> {
        let zone = self.zone(own, is_ours);
        let with = if is_ours { ", with what it calls of the language and the C library" } else { "" };
        let evidence = format!("{name} has {} to itself{with}", self.of_samples(own));
        let remedy = match (zone, is_ours) {
            (Zone::Green, _) => "nothing, unless it surprises: the flame graph shows who calls it",
            (_, true) => "it is our code: do less in its loop, keep what it computes, or do it once for many",
            (_, false) => "look for its callers in the flame graph (search for it), and call it less often",
        };
        Diagnosis { stack: self.heaviest(name), ..Diagnosis::new(Hotspot::Function, zone, evidence, remedy) }
    }

    /// Functions of ours that are the last of ours for most of their samples: the others hand on.
    fn callers(&self) -> Vec<Diagnosis<Hotspot>> {
        let is_last = |of: &Ours| 2 * of.last >= of.total && !self.is_above(of.own, NOTED_SHARE);
        let ours = self.ours.iter();
        let noted =
            ours.filter(|(name, of)| !is_entry(name) && is_last(of) && self.is_above(of.total, NOTED_SHARE));
        let mut noted: Vec<_> = noted.collect();
        noted.sort_by_key(|(_, of)| Reverse(of.total));
        noted.truncate(MOST_NOTED);
        noted.into_iter().map(|(name, of)| self.caller(name, of.total)).collect()
    }

    fn caller(&self, name: &str, total: u64) -> Diagnosis<Hotspot> {
        let zone = self.zone(total, false);
        let evidence = format!("{name} has {}, with what it calls", self.of_samples(total));
        let remedy = if zone == Zone::Green {
            "nothing, unless it surprises: it is the last function of ours on its way"
        } else {
            "call what is below it less often: zoom into it in the flame graph, and look for the widest"
        };
        Diagnosis { stack: self.heaviest(name), ..Diagnosis::new(Hotspot::Caller, zone, evidence, remedy) }
    }

    fn of_kinds(&self) -> impl Iterator<Item = Diagnosis<Hotspot>> {
        let rules = [
            (
                Kind::Json,
                Hotspot::Json,
                JSON_SHARE,
                "smaller messages and items: larger files for a task, fewer attributes; look for a text that is read twice",
            ),
            (
                Kind::Allocator,
                Hotspot::Allocator,
                ALLOCATOR_SHARE,
                "exportctl profile heap names who allocates: keep buffers, give Vec its capacity, do not clone",
            ),
            (
                Kind::Tls,
                Hotspot::Tls,
                TLS_SHARE,
                "search for handshake: if it is wide, connections are not kept (sources that close them, too many hosts); \
                 if signing is, make fewer and larger requests",
            ),
        ];
        rules.into_iter().filter_map(|rule| self.of_kind(rule))
    }

    fn of_kind(
        &self,
        (kind, hotspot, threshold, remedy): (Kind, Hotspot, f64, &str),
    ) -> Option<Diagnosis<Hotspot>> {
        let found = self.kinds.iter().find(|share| share.kind == kind)?;
        let samples = found.total.unwrap_or(found.own);
        let zone = if self.figures.cpus < LITTLE_CPU { Zone::Green } else { Zone::Yellow };
        let evidence = format!(
            "{} has {}, with what it calls: more than {:.0} %",
            kind.words(),
            self.of_samples(samples),
            100.0 * threshold
        );
        self.is_above(samples, threshold).then(|| Diagnosis::new(hotspot, zone, evidence, remedy))
    }

    fn of_samples(&self, samples: u64) -> String {
        let all = self.figures.samples;
        format!("{:.1} % of the CPU time ({samples} of {all} samples)", 100.0 * share(samples, all))
    }

    /// The stack with a function that was seen most often, from it outwards.
    fn heaviest(&self, name: &str) -> Vec<String> {
        self.counts.heaviest(name).into_iter().map(str::to_owned).collect()
    }
}

/// Threads that wait here for work are woken, and come back: that is no computing.
fn waits(name: &str) -> bool {
    const WAITS: [&str; 8] = [
        "epoll_wait",
        "epoll_pwait",
        "futex",
        "syscall",
        "nanosleep",
        "poll",
        "pthread_cond_wait",
        "sched_yield",
    ];
    let name = name.trim_start_matches('_').trim_start_matches("GI_").trim_start_matches('_');
    !name.contains("::") && WAITS.iter().any(|wait| name.starts_with(wait))
}
