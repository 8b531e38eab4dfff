//! What the numbers mean.

use super::{
    Ailment, Figures, LoopFigures,
    figures::{is_working, share},
};
use crate::{
    analyse::{
        diagnosis::{Diagnosis, unfinished},
        heap::{Growth, Shape},
        memory::WARM_AFTER_MICROS,
        number::float,
        share::failing,
        zone::Zone,
    },
    read::Recorded,
    record::Ending,
};

/// A process that waits for CPUs for more than this, of the time that it wants one, has too few of them.
const CROWDED_SHARE: f64 = 0.3;
/// A machine of which a hypervisor gives more than this to others is as good as crowded.
const STOLEN_SHARE: f64 = 0.02;
/// A process that is on its CPUs for more than this of the time has no more to give.
const CPU_BOUND_SHARE: f64 = 0.85;
/// Slots of which more than this are busy have no more to give.
const FULL_SHARE: f64 = 0.85;
/// Workers that are on a CPU for less than this while all slots are busy wait for others.
const IO_BOUND_SHARE: f64 = 0.3;
/// Tasks wait although all slots are busy, in more than this of the moments with work.
const SATURATED_SHARE: f64 = 0.5;

/// What diagnoses are made from.
pub(super) struct Case<'a> {
    pub(super) loops: &'a [LoopFigures],
    pub(super) figures: Figures,
    /// Of memory while little is done.
    pub(super) growth: Growth,
    pub(super) recorded: &'a Recorded,
}

impl Case<'_> {
    /// All that are made, the worst first.
    pub(super) fn diagnoses(&self) -> Vec<Diagnosis<Ailment>> {
        let mut diagnoses: Vec<_> = self.blocked_loops().into_iter().chain(self.others()).collect();
        if diagnoses.is_empty() {
            diagnoses.push(self.well());
        }
        diagnoses.sort_by_key(|diagnosis| std::cmp::Reverse(diagnosis.zone));
        diagnoses
    }

    /// A loop whose own code, or something that it calls and waits for, kept it.
    fn blocked_loops(&self) -> Vec<Diagnosis<Ailment>> {
        let bad = self.loops.iter().filter(|each| Zone::of_delay(each.max_away_micros) > Zone::Green);
        bad.map(|each| self.blocked(each)).collect()
    }

    fn blocked(&self, of: &LoopFigures) -> Diagnosis<Ailment> {
        let seen = self.recorded.blocked.iter().filter(|blocked| blocked.name == of.name);
        let stack = seen.max_by_key(|blocked| blocked.for_micros).map(|blocked| blocked.stack.clone());
        let evidence = format!(
            "{} answered {:.1} ms late, {:.1} ms of it not waiting for a CPU; 99 of 100 probes within {:.1} ms",
            of.name,
            float(of.max_micros) / 1e3,
            float(of.max_away_micros) / 1e3,
            float(of.p99_micros) / 1e3,
        );
        let no_stack = self.recorded.no_stacks.as_ref().filter(|_| stack.is_none());
        let (ailment, remedy) = if of.name == "main" {
            (
                Ailment::BlockedMain,
                "nothing on main may wait or compute: move what its stack names to another thread",
            )
        } else {
            (
                Ailment::BlockedWorker,
                "a task computes, or waits without await, on its worker's runtime: its stack names it",
            )
        };
        Diagnosis {
            ailment,
            zone: Zone::of_delay(of.max_away_micros),
            evidence: match no_stack {
                Some(why) => format!("{evidence}; it was not asked for its stack: {why}"),
                None => evidence,
            },
            remedy: remedy.to_owned(),
            stack: stack.unwrap_or_default(),
        }
    }

    fn others(&self) -> impl Iterator<Item = Diagnosis<Ailment>> {
        [self.ended(), self.leak(), self.failing(), self.crowded(), self.saturated(), self.bound()]
            .into_iter()
            .flatten()
    }

    /// It did not end as it should have.
    fn ended(&self) -> Option<Diagnosis<Ailment>> {
        let (zone, evidence, remedy) = unfinished(self.recorded, self.figures.seconds)?;
        let ailment = match self.recorded.ending {
            Some(Ending::Gone { .. }) => Ailment::Gone,
            Some(Ending::Overdue) => Ailment::Overdue,
            _ => Ailment::CutOff,
        };
        Some(Diagnosis::new(ailment, zone, evidence, remedy))
    }

    fn leak(&self) -> Option<Diagnosis<Ailment>> {
        let Growth { shape, bytes_per_stretch, floors, .. } = self.growth;
        (shape == Shape::Rising).then(|| {
            Diagnosis::new(
                Ailment::Leak,
                Zone::Red,
                format!(
                    "memory rises by {:.1} MiB in each of {floors} stretches of {:.1} s, and chance hardly does that",
                    bytes_per_stretch / (1024.0 * 1024.0),
                    (self.figures.seconds - float(WARM_AFTER_MICROS) / 1e6) / float(floors as u64),
                ),
                "exportctl profile heap names what is allocated and not freed",
            )
        })
    }

    /// A green doctor is one whose consumer does its work.
    fn failing(&self) -> Option<Diagnosis<Ailment>> {
        let Figures { settled, failed, .. } = self.figures;
        let zone = failing(failed, settled)?;
        let percent = 100.0 * share(failed, float(settled));
        let evidence = format!("{failed} of {settled} tasks failed for good ({percent:.1} %)");
        let remedy = "exportctl profile bubble says in which step; each has a dead letter with its reason";
        Some(Diagnosis::new(Ailment::Failing, zone, evidence, remedy))
    }

    fn crowded(&self) -> Option<Diagnosis<Ailment>> {
        let late = self.loops.iter().any(|each| Zone::of_delay(each.max_micros) > Zone::Green);
        let Figures { run_queue_share, stolen_share, .. } = self.figures;
        (late && (run_queue_share > CROWDED_SHARE || stolen_share > STOLEN_SHARE)).then(|| {
            Diagnosis::new(
                Ailment::CrowdedCpus,
                Zone::Yellow,
                format!(
                    "threads waited for a CPU for {:.0} % of the time that they wanted one, and a hypervisor gave {:.1} % of the \
                     CPUs to others",
                    100.0 * run_queue_share,
                    100.0 * stolen_share,
                ),
                "more CPUs, fewer workers, or less beside them on this machine",
            )
        })
    }

    fn saturated(&self) -> Option<Diagnosis<Ailment>> {
        let working = || self.recorded.moments.iter().filter(|moment| is_working(moment));
        let starved = working().filter(|moment| moment.waiting > 0).count() as u64;
        let share = share(starved, float(working().count() as u64));
        (share > SATURATED_SHARE && self.figures.busy_share > FULL_SHARE).then(|| Diagnosis::new(
                Ailment::Saturated,
                Zone::Green,
                format!(
                "tasks waited for a slot in {:.0} % of the time with work, and {:.0} % of the slots were busy",
                100.0 * share,
                100.0 * self.figures.busy_share
            ),
                "as it should be under load; more pods, or a larger WORKER_POOL_SIZE, do more at a time",
            ))
    }

    /// What more of would make it faster, while all slots are busy.
    fn bound(&self) -> Option<Diagnosis<Ailment>> {
        let Figures { cpu_share, busy_share, .. } = self.figures;
        let workers: Vec<_> = self.loops.iter().filter(|each| each.name != "main").collect();
        let on = workers.iter().map(|each| each.cpu_share).sum::<f64>() / float(workers.len().max(1) as u64);
        let (ailment, evidence, remedy) = if cpu_share > CPU_BOUND_SHARE {
            let evidence = format!("the process was on its CPUs for {:.0} % of the time", 100.0 * cpu_share);
            (Ailment::CpuBound, evidence, "more CPUs or pods; exportctl profile flame says what they do")
        } else if busy_share > FULL_SHARE && on < IO_BOUND_SHARE {
            let evidence = format!(
                "{:.0} % of the slots were busy, and workers on a CPU for {:.0} % of the time",
                100.0 * busy_share,
                100.0 * on
            );
            (
                Ailment::IoBound,
                evidence,
                "a larger TASKS_PER_WORKER: each worker waits for others most of the time; exportctl profile bubble says for whom",
            )
        } else {
            return None;
        };
        Some(Diagnosis::new(ailment, Zone::Green, evidence, remedy))
    }

    fn well(&self) -> Diagnosis<Ailment> {
        let worst = self.loops.iter().map(|each| each.max_micros).max().unwrap_or(0);
        let (ailment, remedy) = if self.figures.settled == 0 && !self.recorded.moments.iter().any(is_working)
        {
            (Ailment::Idle, "nothing to do; exportctl load sends work")
        } else {
            (Ailment::Healthy, "nothing to do")
        };
        let evidence = format!(
            "{} tasks settled in {:.1} s, no loop later than {:.1} ms",
            self.figures.settled,
            self.figures.seconds,
            float(worst) / 1e3
        );
        Diagnosis::new(ailment, Zone::Green, evidence, remedy)
    }
}
