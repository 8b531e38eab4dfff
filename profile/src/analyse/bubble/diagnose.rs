//! What holds messages up, and what to do.
//!
//! Some step always has most of the time: that is told, and is nothing bad. What should be quick and is not, for more
//! operations than chance makes slow, is.

use std::cmp::Reverse;

use super::{Chains, Durations, Figures, Group, Holdup, Line, float, path::Path};
use crate::{
    analyse::{
        diagnosis::{Diagnosis, unfinished},
        share::{failing, share, surely},
        zone::Zone,
    },
    read::Recorded,
    record::Step,
};

/// A call of AWS takes 1 to 20 ms at hand and up to some 100 ms in a region: one of twenty may take longer than this, in
/// microseconds.
const SLOW_MICROS: u64 = 500_000;
/// Red above this, for what a task holds its slot for.
const VERY_SLOW_MICROS: u64 = 2_000_000;
/// A source's first byte: sources that make a file first take a second or two.
const SLOW_SOURCE_MICROS: u64 = 5_000_000;
/// A step is slow when chance hardly makes more than this of its operations that slow: its p95 is.
const SLOW_SHARE: f64 = 0.05;
/// A step has a tail when its p99 is so many times its p50, and above [`SLOW_MICROS`], twice that of a source.
const TAIL_FACTOR: u64 = 10;
/// Of fewer operations a p99 is one or two of them.
const FEWEST_FOR_TAIL: u64 = 200;
/// More than this share of the messages could have been done faster by slots that were free.
const SERIAL_SHARE: f64 = 0.1;
/// More than this of the time of messages is told.
const MOST_OF_IT: f64 = 0.5;
/// Of fewer operations nothing is said: that is six messages or so.
const FEWEST_OPERATIONS: usize = 50;

const SOURCE: [Step; 3] = [Step::Connect, Step::FirstByte, Step::Body];
const STORE: [Step; 1] = [Step::Store];
const TABLE: [Step; 2] = [Step::Claim, Step::Record];
const QUEUE: [Step; 2] = [Step::Receive, Step::Acknowledge];

/// What diagnoses are made from.
pub(super) struct Case<'a> {
    pub(super) recorded: &'a Recorded,
    pub(super) figures: Figures,
    pub(super) groups: &'a [Group],
    pub(super) lines: &'a [Line],
    pub(super) durations: &'a [Durations],
    pub(super) chains: Chains,
    pub(super) paths: &'a [(u64, Path)],
}

impl Case<'_> {
    /// All that are made, the worst first.
    pub(super) fn diagnoses(&self) -> Vec<Diagnosis<Holdup>> {
        let mut diagnoses: Vec<_> = [self.incomplete(), self.left_out()].into_iter().flatten().collect();
        diagnoses.extend(self.groups.iter().filter_map(|group| self.failing(group)));
        diagnoses.extend([self.store(), self.table(), self.source()].into_iter().flatten());
        diagnoses.extend([self.admit(), self.acknowledge()].into_iter().flatten());
        diagnoses.extend([self.serial(), self.held(), self.gaps()].into_iter().flatten());
        if self.is_enough() {
            diagnoses.extend([self.saturated(), self.dominant(&diagnoses)].into_iter().flatten());
        }
        if diagnoses.is_empty() {
            diagnoses.push(self.well());
        }
        diagnoses.sort_by_key(|diagnosis| Reverse(diagnosis.zone));
        diagnoses
    }

    /// It did not end as it should have.
    fn incomplete(&self) -> Option<Diagnosis<Holdup>> {
        let (zone, evidence, remedy) = unfinished(self.recorded, self.figures.seconds)?;
        Some(Diagnosis::new(Holdup::Incomplete, zone, evidence, remedy))
    }

    /// More was done than could be told: of some messages there are parts.
    fn left_out(&self) -> Option<Diagnosis<Holdup>> {
        let left_out = self.recorded.left_out;
        (left_out > 0).then(|| {
            let evidence = format!(
                "{left_out} operations are left out beside {}: they were more than were read",
                self.figures.operations
            );
            let remedy = "a shorter --duration, or a profile from nearer by; counts and critical paths are of what is left";
            Diagnosis::new(Holdup::Incomplete, Zone::Yellow, evidence, remedy)
        })
    }

    /// What waits in vain for a slot is handed over: that is no failure.
    fn failing(&self, group: &Group) -> Option<Diagnosis<Holdup>> {
        let Group { step, count, failures, .. } = *group;
        let zone = failing(failures, count).filter(|_| step != Step::Wait)?;
        let percent = 100.0 * share(failures, count);
        let evidence = format!("{}: {failures} of {count} operations failed ({percent:.1} %)", step.words());
        Some(Diagnosis::new(Holdup::Failing, zone, evidence, failure(step)))
    }

    fn store(&self) -> Option<Diagnosis<Holdup>> {
        let remedy = "look at S3: its region and the way there, its metrics for throttling (503 Slow Down); what of a file is \
                      stored while it comes is in its body";
        self.slow(Holdup::SlowStore, &STORE, Zone::Red, remedy)
    }

    fn table(&self) -> Option<Diagnosis<Holdup>> {
        let remedy =
            "look at the DynamoDB table: its throttled requests, its capacity, a hot partition, its region";
        self.slow(Holdup::SlowTable, &TABLE, Zone::Red, remedy)
    }

    fn admit(&self) -> Option<Diagnosis<Holdup>> {
        let remedy = "a job is claimed in the DynamoDB table, and one with an Export API has a page of it read: which of them \
                      is slow?";
        self.slow(Holdup::SlowAdmit, &[Step::Admit], Zone::Yellow, remedy)
    }

    fn acknowledge(&self) -> Option<Diagnosis<Holdup>> {
        let remedy = "look at SQS: its region and the way there; nothing is lost, and a message that is deleted too late comes \
                      again";
        self.slow(Holdup::SlowAcknowledge, &[Step::Acknowledge], Zone::Yellow, remedy)
    }

    /// Files differ in size, and so may the time that they take: of a body nothing is too long.
    fn source(&self) -> Option<Diagnosis<Holdup>> {
        let asked = [Step::Connect, Step::FirstByte];
        let slow =
            |group: &&Group| self.is_slow(group, SLOW_SOURCE_MICROS) || has_tail(group, 2 * SLOW_MICROS);
        let found: Vec<_> = self.of(&asked).filter(slow).collect();
        let remedy = "ask who runs the source; a larger TASKS_PER_WORKER waits for more of it at a time";
        self.told(Holdup::SlowSource, Zone::Yellow, &found, remedy)
    }

    /// Steps that should be quick, and are not. No worse than that zone.
    fn slow(&self, holdup: Holdup, steps: &[Step], worst: Zone, remedy: &str) -> Option<Diagnosis<Holdup>> {
        let slow = |group: &&Group| self.is_slow(group, SLOW_MICROS) || has_tail(group, SLOW_MICROS);
        let found: Vec<_> = self.of(steps).filter(slow).collect();
        let is_very = found.iter().any(|group| self.is_slow(group, VERY_SLOW_MICROS));
        let zone = if is_very { worst } else { Zone::Yellow };
        self.told(holdup, zone, &found, remedy)
    }

    fn told(&self, holdup: Holdup, zone: Zone, found: &[&Group], remedy: &str) -> Option<Diagnosis<Holdup>> {
        let evidence: Vec<_> = found.iter().map(|group| self.evidence(group)).collect();
        (!found.is_empty()).then(|| Diagnosis::new(holdup, zone, evidence.join("; "), remedy))
    }

    fn evidence(&self, group: &Group) -> String {
        format!(
            "{} takes {} (p50), {} (p95), {} (p99) in {} operations, {:.0} % of the critical path",
            group.step.words(),
            seconds(group.p50_micros),
            seconds(group.p95_micros),
            seconds(group.p99_micros),
            group.count,
            100.0 * share(group.path_micros, self.figures.path_micros),
        )
    }

    fn of<'a>(&'a self, steps: &'a [Step]) -> impl Iterator<Item = &'a Group> {
        self.groups.iter().filter(move |group| steps.contains(&group.step))
    }

    /// More of its operations than chance makes took longer, and so did its p95.
    fn is_slow(&self, group: &Group, micros: u64) -> bool {
        let above = self.durations.iter().find(|of| of.step == group.step).map_or(0, |of| of.above(micros));
        group.p95_micros > micros && surely(above, group.count) > SLOW_SHARE
    }

    fn serial(&self) -> Option<Diagnosis<Holdup>> {
        let Chains { messages, serial, saving_micros, savings_micros, side_by_side, .. } = self.chains;
        let evidence = format!(
            "{serial} of {messages} messages with several tasks had them done one after another although slots were free, \
             {side_by_side:.1} at a time on average of all; side by side, half of them would end at least {} earlier, \
             all together {}",
            seconds(saving_micros),
            seconds(savings_micros),
        );
        let remedy = "the consumer held them back: a resource that did not answer, or workers that were replaced (its log says); \
                      if neither, it is a fault of exportpool";
        (surely(serial, messages) > SERIAL_SHARE)
            .then(|| Diagnosis::new(Holdup::Serial, Zone::Yellow, evidence, remedy))
    }

    fn held(&self) -> Option<Diagnosis<Holdup>> {
        let Chains { messages, single, serial, held, held_micros, .. } = self.chains;
        let others = messages + single - serial;
        let evidence = format!(
            "{held} of {others} messages waited although slots were free, half of them for {} or more",
            seconds(held_micros)
        );
        let remedy = "a resource that did not answer, or workers that were replaced: the consumer's log says";
        (surely(held, others) > SERIAL_SHARE)
            .then(|| Diagnosis::new(Holdup::Held, Zone::Yellow, evidence, remedy))
    }

    fn gaps(&self) -> Option<Diagnosis<Holdup>> {
        let long = self.paths.iter().filter(|(_, path)| path.gap_micros() > SLOW_MICROS).count() as u64;
        let most = self.lines.iter().max_by_key(|line| line.gap_micros)?;
        let evidence = format!(
            "{long} of {} messages were on no operation for more than {} of their critical path, most of it between {} and {}",
            self.figures.messages,
            seconds(SLOW_MICROS),
            most.before.words(),
            most.after.words(),
        );
        let remedy = "exportctl profile doctor says whether the main loop is blocked or the CPUs are crowded";
        (surely(long, self.figures.messages as u64) > SLOW_SHARE)
            .then(|| Diagnosis::new(Holdup::Gaps, Zone::Yellow, evidence, remedy))
    }

    fn saturated(&self) -> Option<Diagnosis<Holdup>> {
        let waited = self.path_micros(&[Step::Wait]);
        let share = share(waited, self.figures.path_micros);
        (share > MOST_OF_IT).then(|| {
            let evidence =
                format!("messages waited for a slot for {:.0} % of their critical path", 100.0 * share);
            let remedy =
                "as it should be under load; more pods, or a larger WORKER_POOL_SIZE, do more at a time";
            Diagnosis::new(Holdup::Saturated, Zone::Green, evidence, remedy)
        })
    }

    /// What most of the time goes to, once there is a slot.
    fn dominant(&self, found: &[Diagnosis<Holdup>]) -> Option<Diagnosis<Holdup>> {
        let (name, steps, told, remedy) =
            self.families().into_iter().max_by_key(|of| self.path_micros(of.1))?;
        let all = self.figures.path_micros.saturating_sub(self.path_micros(&[Step::Wait]));
        let share = share(self.path_micros(steps), all);
        let is_told = found.iter().any(|diagnosis| diagnosis.ailment == told);
        (share > MOST_OF_IT && !is_told).then(|| {
            let of: Vec<_> = self.of(steps).map(|group| group.step.words()).collect();
            let evidence = format!(
                "{name} ({}) has {:.0} % of the critical path, waiting for a slot left out",
                of.join(", "),
                100.0 * share
            );
            Diagnosis::new(Holdup::Dominant, Zone::Green, evidence, remedy)
        })
    }

    /// What steps are for, in words; what is told when they are slow; and what to do when they have most of the time.
    fn families(&self) -> [(&'static str, &'static [Step], Holdup, &'static str); 5] {
        let aside = "nothing, unless it surprises: a larger TASKS_PER_WORKER does more at a time";
        let nothing = "nothing, unless it surprises";
        [
            ("the source", &SOURCE, Holdup::SlowSource, aside),
            ("the store", &STORE, Holdup::SlowStore, aside),
            ("the table", &TABLE, Holdup::SlowTable, aside),
            ("admission", &[Step::Admit], Holdup::SlowAdmit, nothing),
            ("the queue", &QUEUE, Holdup::SlowAcknowledge, nothing),
        ]
    }

    fn path_micros(&self, steps: &[Step]) -> u64 {
        self.of(steps).map(|group| group.path_micros).sum()
    }

    const fn is_enough(&self) -> bool {
        self.figures.operations >= FEWEST_OPERATIONS && self.figures.messages > 0
    }

    fn well(&self) -> Diagnosis<Holdup> {
        let Figures { operations, messages, p50_micros, p99_micros, .. } = self.figures;
        let (holdup, evidence, remedy) = if operations == 0 && self.recorded.received_nothing() {
            let evidence = format!("no message in {:.1} s", self.figures.seconds);
            (Holdup::Idle, evidence, "nothing to do; exportctl load sends work")
        } else if self.is_enough() {
            let evidence = format!(
                "no step has more than half of the time of {messages} messages, which take {} (p50), {} (p99)",
                seconds(p50_micros),
                seconds(p99_micros)
            );
            (Holdup::Balanced, evidence, "nothing to do")
        } else {
            let evidence = format!(
                "{operations} operations of messages, {messages} of which came to an end, say nothing: fewer than \
                 {FEWEST_OPERATIONS}, or no message"
            );
            (Holdup::TooFew, evidence, "profile for longer, or under more load")
        };
        Diagnosis::new(holdup, Zone::Green, evidence, remedy)
    }
}

/// Of hundreds, one of a hundred takes much longer than half of them do.
const fn has_tail(group: &Group, micros: u64) -> bool {
    group.count >= FEWEST_FOR_TAIL
        && group.p99_micros > micros
        && group.p99_micros > TAIL_FACTOR.saturating_mul(group.p50_micros)
}

/// What to do when a step fails.
const fn failure(step: Step) -> &'static str {
    match step {
        Step::Connect | Step::FirstByte | Step::Body => {
            "ask who runs the source; the reason of each task is in its record and in the consumer's log"
        }
        Step::Admit => "the messages are in the dead-letter queue, each with its reason, or come again later",
        Step::Store => "the consumer's log has S3's answer: permissions, throttling, the bucket",
        Step::Claim | Step::Wait => {
            "the consumer's log has the answer: the table's, or that the task is another's with the same id"
        }
        Step::Record => {
            "these tasks were stopped, or are another delivery's now: the consumer's log says which"
        }
        Step::Receive | Step::Acknowledge => {
            "the consumer's log has SQS's answer; what is not deleted comes again"
        }
    }
}

/// A time for people: milliseconds below a second.
pub(super) fn seconds(micros: u64) -> String {
    if micros < 1_000_000 {
        format!("{:.1} ms", float(micros) / 1e3)
    } else {
        format!("{:.2} s", float(micros) / 1e6)
    }
}
