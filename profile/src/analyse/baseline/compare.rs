//! What has changed since a baseline, told from noise.
//!
//! A quantity has changed if the module `rank`'s test says that chance hardly makes the difference, and if it is large enough
//! to matter. All that have samples are judged together, so that of all that is taken for changed about one of a hundred is
//! chance (Y. Benjamini, Y. Hochberg, Journal of the Royal Statistical Society B 57, 1995). The peak of resident memory is one
//! number, judged by its size alone; functions are judged by the flame graph's own comparison.
//!
//! Of 1,500 simulated pairs of healthy profiles of 10 to 60 s, whose noise stays for half a second, 1.7 % were found to differ
//! in anything and 0.8 % to be worse. Tasks that take 1.3 times as long were found by throughput alone in each of 100 pairs of
//! 60 s, in 93 of 40 s and in 61 of 20 s: a longer profile tells more. A profile does not tell how much the machine itself
//! differs from day to day: that only large differences matter makes up for it, as far as it goes.

use std::cmp::Ordering;

use serde::Serialize;

use super::{
    Baseline, Measured, SCHEMA,
    quantity::Quantity,
    rank::{Ranking, rank},
};
use crate::{
    analyse::{
        flame::{Change, compare as compare_flames, compare::limit},
        zone::Zone,
    },
    record::Tool,
};

/// Of all that is taken for changed, so much may be chance; of two profiles that are alike, so many in which anything is.
const FALSE_DISCOVERIES: f64 = 0.01;
/// A function that gains less than this, of the CPU time of a task, does not matter.
const LEAST_OF_FUNCTION: f64 = 0.05;

/// Why two baselines are not compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// They measure other things.
    #[error(
        "the baseline is of profile {}, and this is profile {}: compare with one of the same, or save one with --save-baseline",
        .before.name(), .now.name()
    )]
    OtherTool {
        /// What the one before is of.
        before: Tool,
        /// What the one now is of.
        now: Tool,
    },
    /// Another version made one of them.
    #[error(
        "a baseline was made by version {made_by} with schema {schema}, and this version compares schema {SCHEMA}: make it again \
         with --save-baseline"
    )]
    OtherSchema {
        /// That version.
        made_by: String,
        /// Its schema.
        schema: u32,
    },
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Red: something is worse.
    pub verdict: Zone,
    /// What both were measured by.
    pub tool: Tool,
    /// What was compared with.
    pub before: Origin,
    /// What was compared.
    pub now: Origin,
    /// Why the numbers say less than they seem to, each in a sentence.
    pub warnings: Vec<String>,
    /// The worst first.
    pub shifts: Vec<Shift>,
}

/// Of what a baseline is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The consumer's version.
    pub version: String,
    /// When its profile began, in milliseconds since the Unix epoch.
    pub unix_millis: u64,
}

/// How a quantity has changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shift {
    /// Which.
    pub quantity: Quantity,
    /// Of the numbers.
    pub unit: &'static str,
    /// What it was; `None`: it was not measured.
    pub before: Option<f64>,
    /// What it is; `None`: it was not measured.
    pub now: Option<f64>,
    /// By how much it rose, in percent of what it was; `None`: of nothing there is no percentage.
    pub change_percent: Option<f64>,
    /// What that means.
    pub outcome: Outcome,
    /// How often chance alone makes such a difference, from 0 to 1; `None`: no test of its own tells.
    pub surprise: Option<f64>,
    /// Windows that it was measured in, before and now.
    pub windows: [usize; 2],
}

/// What a change means: the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is worse.
    Worse,
    /// It is better.
    Better,
    /// The difference is large enough to matter, and may be chance.
    MayBeChance,
    /// There are too few windows to tell, or it was not measured in one of the two.
    TooFew,
    /// There is no difference that matters.
    Same,
}

impl Outcome {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Better => "better",
            Self::MayBeChance => "may be chance",
            Self::TooFew => "too few to tell",
            Self::Same => "same",
        }
    }
}

impl Comparison {
    /// Red: something is worse. Yellow: nothing could be told, or what is worse may be the machine's, which is another one.
    /// Green otherwise.
    #[must_use]
    pub const fn verdict(&self) -> Zone {
        self.verdict
    }

    /// What an outcome says: what is worse is as bad as all of it. `None`: nothing was found.
    #[must_use]
    pub const fn zone_of(&self, outcome: Outcome) -> Option<Zone> {
        match outcome {
            Outcome::Worse => Some(self.verdict),
            Outcome::Better => Some(Zone::Green),
            Outcome::MayBeChance => Some(Zone::Yellow),
            Outcome::TooFew | Outcome::Same => None,
        }
    }
}

/// Compares a profile with one before, of the same tool.
///
/// # Errors
/// [`Incomparable`].
pub fn compare(before: &Baseline, now: &Baseline) -> Result<Comparison, Incomparable> {
    comparable(before, now)?;
    let pairs = pairs(before, now);
    let ranked: Vec<_> = pairs.iter().map(Pair::ranked).collect();
    let limit = limit(ranked.iter().flatten().map(|ranking| ranking.surprise).collect(), FALSE_DISCOVERIES);
    let is_told = ranked.iter().any(Option::is_some);
    let of_pairs = pairs.iter().zip(&ranked).map(|(pair, ranking)| pair.shift(*ranking, limit, is_told));
    let mut shifts: Vec<Shift> = of_pairs.chain(functions(before, now)).collect();
    shifts.sort_by(worst_first);
    let origin = |of: &Baseline| Origin { version: of.version.clone(), unix_millis: of.unix_millis };
    Ok(Comparison {
        verdict: verdict(&shifts).min(if before.machine == now.machine { Zone::Red } else { Zone::Yellow }),
        tool: now.tool,
        before: origin(before),
        now: origin(now),
        warnings: warnings(before, now),
        shifts,
    })
}

fn comparable(before: &Baseline, now: &Baseline) -> Result<(), Incomparable> {
    if let Some(other) = [before, now].into_iter().find(|each| each.schema != SCHEMA) {
        return Err(Incomparable::OtherSchema { made_by: other.made_by.clone(), schema: other.schema });
    }
    if before.tool != now.tool {
        return Err(Incomparable::OtherTool { before: before.tool, now: now.tool });
    }
    Ok(())
}

fn verdict(shifts: &[Shift]) -> Zone {
    let is_told = |shift: &Shift| shift.outcome != Outcome::TooFew && !shift.quantity.is_one_number();
    if shifts.iter().any(|shift| shift.outcome == Outcome::Worse) {
        Zone::Red
    } else if shifts.iter().any(is_told) {
        Zone::Green
    } else {
        Zone::Yellow
    }
}

fn worst_first(a: &Shift, b: &Shift) -> Ordering {
    // From nothing to something is a large change.
    let size = |shift: &Shift| shift.change_percent.map_or(f64::INFINITY, f64::abs);
    a.outcome.cmp(&b.outcome).then_with(|| size(b).total_cmp(&size(a)))
}

/// A quantity of both.
struct Pair<'a> {
    quantity: &'a Quantity,
    before: &'a [f64],
    now: &'a [f64],
}

fn pairs<'a>(before: &'a Baseline, now: &'a Baseline) -> Vec<Pair<'a>> {
    let quantity = |measured: &'a Measured| &measured.quantity;
    let new = now.measured.iter().map(quantity).filter(|quantity| before.values(quantity).is_empty());
    let all = before.measured.iter().map(quantity).chain(new);
    all.map(|quantity| Pair { quantity, before: before.values(quantity), now: now.values(quantity) })
        .collect()
}

impl Pair<'_> {
    fn ranked(&self) -> Option<Ranking> {
        rank(self.before, self.now)
    }

    /// One number says nothing where nothing else does: it has what was done before a profile, and in how long.
    fn shift(&self, ranking: Option<Ranking>, limit: f64, is_told: bool) -> Shift {
        let Self { quantity, before, now } = *self;
        let sizes = [quantity.typical(before), quantity.typical(now)];
        let outcome = match (sizes, ranking) {
            ([Some(before), Some(now)], _) if is_told && quantity.is_one_number() => {
                judged(quantity, before, now)
            }
            ([Some(before), Some(now)], Some(ranking)) => {
                let is_sure = ranking.surprise <= limit && ranking.now == now.total_cmp(&before);
                match judged(quantity, before, now) {
                    Outcome::Worse | Outcome::Better if !is_sure => Outcome::MayBeChance,
                    judged => judged,
                }
            }
            _ => Outcome::TooFew,
        };
        Shift {
            surprise: ranking.map(|ranking| ranking.surprise),
            windows: [before.len(), now.len()],
            ..shift(quantity.clone(), sizes, outcome)
        }
    }
}

fn shift(quantity: Quantity, [before, now]: [Option<f64>; 2], outcome: Outcome) -> Shift {
    let percent = before.zip(now).map(|(before, now)| 100.0 * (now - before) / before.abs());
    Shift {
        unit: quantity.unit(),
        quantity,
        before,
        now,
        change_percent: percent.filter(|percent| percent.is_finite()),
        outcome,
        surprise: None,
        windows: [0, 0],
    }
}

/// What a difference means that is no chance.
fn judged(quantity: &Quantity, before: f64, now: f64) -> Outcome {
    let (relevance, rise) = (quantity.relevance(), now - before);
    if rise.abs() < relevance.least || rise.abs() < relevance.share * before.abs() || rise == 0.0 {
        Outcome::Same
    } else if (rise > 0.0) == quantity.is_better_high() {
        Outcome::Better
    } else {
        Outcome::Worse
    }
}

/// Functions that have surely more of the CPU time than before, or less, and take more for each task, or less. A share alone
/// rises when another falls.
fn functions(before: &Baseline, now: &Baseline) -> Vec<Shift> {
    let cpu = |of: &Baseline| Quantity::CpuPerTask.typical(of.values(&Quantity::CpuPerTask));
    let (Some(cpu_before), Some(cpu_now)) = (cpu(before), cpu(now)) else { return Vec::new() };
    let (Some(flame_before), Some(flame_now)) = (&before.flame, &now.flame) else { return Vec::new() };
    let changed = |Change { name, own, .. }: Change| {
        let (before, now) = (own.before * cpu_before, own.after * cpu_now);
        let quantity = Quantity::Function(name);
        let outcome = judged(&quantity, before, now);
        let is_sure = own.is_sure && (own.rise() > 0.0) == (now > before);
        let matters = outcome != Outcome::Same && (now - before).abs() >= LEAST_OF_FUNCTION * cpu_before;
        (is_sure && matters).then(|| shift(quantity, [Some(before), Some(now)], outcome))
    };
    compare_flames(flame_before, flame_now).changes.into_iter().filter_map(changed).collect()
}

/// What differs beside what is compared.
fn warnings(before: &Baseline, now: &Baseline) -> Vec<String> {
    let machine = |of: &Baseline| {
        let machine = &of.machine;
        [machine.cpus.to_string(), machine.os.clone(), machine.processor.clone()]
    };
    let machines = ["CPUs", "system", "processor"].into_iter().zip(machine(before)).zip(machine(now));
    let machines = machines.map(|((name, before), now)| differing(name, Some(&before), Some(&now)));
    let mut names: Vec<&String> = before.settings.keys().chain(now.settings.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let settings =
        names.into_iter().map(|name| differing(name, before.settings.get(name), now.settings.get(name)));
    let warning = |of: &str, differing: Vec<String>| {
        (!differing.is_empty()).then(|| {
            format!(
                "other {of} than the baseline's, so that differences may be theirs: {}",
                differing.join("; ")
            )
        })
    };
    let warned =
        [warning("machine", machines.flatten().collect()), warning("settings", settings.flatten().collect())];
    warned.into_iter().flatten().collect()
}

fn differing(name: &str, before: Option<&String>, now: Option<&String>) -> Option<String> {
    let of = |value: Option<&String>| value.map_or_else(|| "not set".to_owned(), Clone::clone);
    (before != now).then(|| format!("{name} {}, now {}", of(before), of(now)))
}
