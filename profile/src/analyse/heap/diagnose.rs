//! What is worth a look, and what to do.

use std::cmp::Reverse;

use super::{
    FEWEST_FLOORS, Figures, Finding, Growth, Shape, float,
    live::Grown,
    stretch::{Stretch, quiet},
};
use crate::{
    analyse::{
        diagnosis::{Diagnosis, unfinished},
        quantile::median,
        zone::Zone,
    },
    read::Recorded,
    record::Moment,
};

/// Memory beside what is allocated is much if it is more than this much more, in bytes ...
const OVERHEAD_BYTES: f64 = 64.0 * 1024.0 * 1024.0;
/// ... and all of it is more than so many times what is allocated.
const OVERHEAD_TIMES: f64 = 2.0;
/// What grew by less than this of what grew most is not told of a leak, from 0 to 1.
const GROWN_SHARE: f64 = 0.1;
const WAVES_TELL: &str = "waves tell more surely: exportctl profile heap 50 --waves 10 --pause 30s";

/// What diagnoses are made from.
pub(super) struct Case<'a> {
    pub(super) recorded: &'a Recorded,
    pub(super) figures: Figures,
    pub(super) stretches: &'a [Stretch],
    pub(super) growth: Growth,
    pub(super) grown: &'a [Grown],
}

impl Case<'_> {
    /// All that are made, the worst first.
    pub(super) fn diagnoses(&self) -> Vec<Diagnosis<Finding>> {
        let found = [self.incomplete(), Some(self.growth()), self.overhead()];
        let mut diagnoses: Vec<_> = found.into_iter().flatten().collect();
        diagnoses.sort_by_key(|diagnosis| Reverse(diagnosis.zone));
        diagnoses
    }

    /// It did not end as it should have.
    fn incomplete(&self) -> Option<Diagnosis<Finding>> {
        let (zone, evidence, remedy) = unfinished(self.recorded, self.figures.seconds)?;
        Some(Diagnosis::new(Finding::Incomplete, zone, evidence, remedy))
    }

    /// What floors say: there is always one.
    fn growth(&self) -> Diagnosis<Finding> {
        let is_idle = self.recorded.received_nothing();
        match self.growth.shape {
            Shape::Rising => self.leak(),
            Shape::Step => self.step(),
            Shape::TooFew if self.growth.is_large => self.too_few(Zone::Yellow),
            Shape::TooFew | Shape::Level | Shape::Plateau if is_idle => self.idle(),
            Shape::TooFew => self.too_few(Zone::Green),
            Shape::Plateau => self.plateau(),
            Shape::Level => self.level(),
        }
    }

    fn leak(&self) -> Diagnosis<Finding> {
        let Growth { rise_bytes, floors, late_bytes_per_stretch, bytes_per_stretch, .. } = self.growth;
        let of_job =
            self.growth.bytes_per_job.map_or_else(String::new, |bytes| format!(", {} a job", people(bytes)));
        let late = if self.has_waves() && late_bytes_per_stretch < bytes_per_stretch / 2.0 {
            format!(", but in the last half by {} a wave", people(late_bytes_per_stretch))
        } else {
            String::new()
        };
        let evidence = format!(
            "what is left {} rises by {}{of_job}: {} over {floors} of them{late}; {}. {}",
            if self.has_waves() { "after a wave" } else { "in each tenth of the time" },
            self.rate(),
            people(rise_bytes),
            self.by_chance(),
            self.where_from(),
        );
        let stack = self.grown.first().map(|grown| grown.stack.clone()).unwrap_or_default();
        let remedy = match (stack.is_empty(), self.has_waves()) {
            (false, true) => "look who keeps what is allocated there: a list, map or channel that is only added to, a task that never ends".to_owned(),
            (false, false) => format!("look who keeps what is allocated there; it may be no leak if there was ever more to do, and {WAVES_TELL}"),
            (true, true) => "profile a consumer whose allocator samples: its stacks say where; or leave out code until it stops".to_owned(),
            (true, false) => format!("profile a consumer whose allocator samples: its stacks say where; {WAVES_TELL}"),
        };
        Diagnosis { stack, ..Diagnosis::new(Finding::Leak, Zone::Red, evidence, &remedy) }
    }

    /// By how much floors rise, for each wave or each second.
    fn rate(&self) -> String {
        if self.has_waves() {
            return format!("{} a wave", people(self.growth.bytes_per_stretch));
        }
        let at = |stretch: Option<&Stretch>| stretch.map_or(0.0, |stretch| stretch.until_seconds);
        let span = at(self.stretches.last()) - at(self.stretches.first());
        format!("{} a second", people(self.growth.rise_bytes / span.max(1.0)))
    }

    fn by_chance(&self) -> String {
        match self.growth.chance {
            Some(chance) if chance < 1e-6 => "chance does that in none of a million series".to_owned(),
            Some(chance) if chance < 0.01 => format!("chance does that in one of {:.0} series", 1.0 / chance),
            Some(chance) => format!("chance does that in {:.0} of 100 series", 100.0 * chance),
            None => "there are too few to tell it from chance".to_owned(),
        }
    }

    /// What grew, by where it was allocated.
    fn where_from(&self) -> String {
        let Some(most) = self.grown.first() else {
            return "Where it was allocated is not known: no stacks were recorded then".to_owned();
        };
        let told = self.grown.iter().filter(|grown| float(grown.bytes) >= GROWN_SHARE * float(most.bytes));
        let told: Vec<_> = told
            .map(|grown| {
                format!("{} ({}) has {} more", grown.function, grown.of_crate, people(float(grown.bytes)))
            })
            .collect();
        format!("Between the first and the last of them, {}", told.join(", "))
    }

    fn step(&self) -> Diagnosis<Finding> {
        let floors = self.floors();
        let evidence = format!(
            "what is left rose in one step, from {} at the least to {} at the end, and too little came after it to say whether \
             it stands. {}",
            people(floors.0),
            people(self.last_floor()),
            self.where_from()
        );
        Diagnosis::new(self.few(), Zone::Yellow, evidence, self.more())
    }

    fn too_few(&self, zone: Zone) -> Diagnosis<Finding> {
        let floors = self.growth.floors;
        let rise = if floors < 2 {
            String::new()
        } else {
            format!(
                "; from the first to the last it {} by {}, {}",
                if self.growth.rise_bytes < 0.0 { "falls" } else { "rises" },
                people(self.growth.rise_bytes.abs()),
                self.by_chance()
            )
        };
        let evidence = if self.has_waves() {
            format!(
                "{floors} of {} waves were settled and followed by a pause: fewer than {FEWEST_FLOORS} say nothing of \
                     growth{rise}",
                self.figures.waves
            )
        } else {
            format!("{:.1} s without waves say nothing of growth", self.figures.seconds)
        };
        Diagnosis::new(self.few(), zone, evidence, self.more())
    }

    const fn few(&self) -> Finding {
        if self.has_waves() { Finding::TooFewWaves } else { Finding::TooShort }
    }

    const fn more(&self) -> &'static str {
        if self.has_waves() { "profile with more waves: --waves 10 or more" } else { WAVES_TELL }
    }

    fn idle(&self) -> Diagnosis<Finding> {
        let evidence = format!("no tasks in {:.1} s, and no growth", self.figures.seconds);
        Diagnosis::new(Finding::Idle, Zone::Green, evidence, "nothing to do; exportctl load sends work")
    }

    fn plateau(&self) -> Diagnosis<Finding> {
        let evidence = format!(
            "what is left rose from {} to {}, and stands: in the last half it rises by {} {}",
            people(self.growth.first_bytes),
            people(self.last_floor()),
            people(self.growth.late_bytes_per_stretch),
            if self.has_waves() { "a wave" } else { "a tenth of the time" },
        );
        Diagnosis::new(
            Finding::Plateau,
            Zone::Green,
            evidence,
            "nothing to do: what is kept for later work is kept once",
        )
    }

    fn level(&self) -> Diagnosis<Finding> {
        let (least, most) = self.floors();
        let peak = self.stretches.iter().map(|stretch| stretch.peak_bytes).max().unwrap_or(0);
        let range = format!("from {} to {}", people(least), people(most));
        if !self.has_waves() {
            let evidence =
                format!("in each tenth of the time at least as much is left, {range}; {}", self.unsaid());
            return Diagnosis::new(Finding::Steady, Zone::Green, evidence, WAVES_TELL);
        }
        let evidence = format!(
            "{} at most in a wave, and after each of {} it goes back: what is left is {range}; {}",
            people(float(peak)),
            self.growth.floors,
            self.unsaid()
        );
        Diagnosis::new(Finding::Sawtooth, Zone::Green, evidence, "nothing to do")
    }

    /// Why a rise that there may be is none.
    fn unsaid(&self) -> String {
        let rise = self.growth.rise_bytes;
        if rise <= 0.0 {
            "it does not rise".to_owned()
        } else if self.growth.is_large {
            format!("it rises by {}, but {}", people(rise), self.by_chance())
        } else {
            format!("it rises by {}, too little to be told from fragments", people(rise))
        }
    }

    /// The least and the most of those that count.
    fn floors(&self) -> (f64, f64) {
        let counted =
            || self.stretches.iter().filter(|stretch| !stretch.is_warm_up).map(|stretch| stretch.floor_bytes);
        (float(counted().min().unwrap_or(0)), float(counted().max().unwrap_or(0)))
    }

    fn last_floor(&self) -> f64 {
        self.stretches.last().map_or(0.0, |stretch| float(stretch.floor_bytes))
    }

    /// Much more memory is taken than is given out, when nothing is done at the end.
    fn overhead(&self) -> Option<Diagnosis<Finding>> {
        let moments = quiet(&self.recorded.moments, self.stretches.last()?);
        let least = |of: fn(&Moment) -> u64| float(moments.iter().map(of).min().unwrap_or(0));
        let mut allocated: Vec<f64> = moments.iter().map(|moment| float(moment.allocated_bytes)).collect();
        let allocated = median(&mut allocated);
        let (active, resident) = (least(|moment| moment.active_bytes), least(|moment| moment.rss_bytes));
        let is_much = |bytes: f64| bytes > OVERHEAD_TIMES * allocated && bytes - allocated > OVERHEAD_BYTES;
        let remedy = if is_much(active) {
            "pages are kept by few allocations each: look at what is live at the end, and allocate what lives long before what does not"
        } else {
            "freed pages go back to the system soon: _RJEM_MALLOC_CONF=background_thread:true has that done in an idle consumer; \
             else it is not the allocator's: stacks of threads, files that are mapped, what a profile needs itself"
        };
        let evidence = format!(
            "{} are allocated at the end, in pages of {} (active), and {} are resident; the allocator keeps {} mapped beside that \
             (retained), which costs no memory",
            people(allocated),
            people(active),
            people(resident),
            people(float(self.figures.retained.last)),
        );
        (allocated > 0.0 && (is_much(active) || is_much(resident)))
            .then(|| Diagnosis::new(Finding::Overhead, Zone::Yellow, evidence, remedy))
    }

    const fn has_waves(&self) -> bool {
        self.figures.waves > 0
    }
}

/// Bytes for people.
fn people(bytes: f64) -> String {
    const KIB: f64 = 1024.0;
    match bytes.abs() {
        under if under < KIB => format!("{bytes:.0} B"),
        under if under < KIB * KIB => format!("{:.1} KiB", bytes / KIB),
        _ => format!("{:.1} MiB", bytes / (KIB * KIB)),
    }
}
