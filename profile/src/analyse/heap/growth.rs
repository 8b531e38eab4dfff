//! Whether what is left after waves grows.

use serde::{Deserialize, Serialize};

use super::{float, round, stretch::Stretch};
use crate::analyse::{
    memory::{LEAK_BYTES, LEAK_SHARE},
    quantile::median,
    trend::{UNLIKELY_CHANCE, chance, slope},
};

/// Of fewer floors nothing is said: even if each is above the one before, chance makes that in more than one of a hundred.
pub const FEWEST_FLOORS: usize = 5;
/// The first floors are left out, as long as enough remain: connections are made, buffers and tables find their size.
const MOST_WARM_UP: usize = 2;
/// A plateau stands for so many floors at least.
const FEWEST_STANDING: usize = 4;
/// What stands rises by less than this of what it rose by before, from 0 to 1.
const STANDING_SHARE: f64 = 0.25;
/// Of a leak, more than this is not in its largest step: a table that doubles once is none.
const WITHOUT_STEP_SHARE: f64 = 1.0 / 3.0;
/// What is left after waves is a leak's if it rises by more than this in all: less may be fragments, or a table that doubles.
const LEAK_BYTES_OF_WAVES: f64 = 1024.0 * 1024.0;
/// And by more than this of what it was, from 0 to 1.
const LEAK_SHARE_OF_WAVES: f64 = 0.01;
/// Or by more than this for each job, which soon is much, however few jobs there were ...
const LEAK_BYTES_OF_A_JOB: f64 = 16.0 * 1024.0;
/// ... and by more than this in all: a few fragments among few jobs are much for each.
const LEAK_BYTES_OF_FEW_JOBS: f64 = 256.0 * 1024.0;

/// How floors go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shape {
    /// There are fewer than [`FEWEST_FLOORS`].
    TooFew,
    /// They do not rise, or by so little that it is no leak.
    Level,
    /// They rose, and stand.
    Plateau,
    /// They rose in one step, and too few came after it to say whether they stand.
    Step,
    /// They rise.
    Rising,
}

/// How the floors of stretches go, those of the start left out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// In a word.
    pub shape: Shape,
    /// So many count.
    pub floors: usize,
    /// So many at the start do not.
    pub warm_up: usize,
    /// How likely chance alone makes them rise as much, from 0 to 1 (Mann-Kendall, exact). `None`: there are too few to say.
    pub chance: Option<f64>,
    /// The first floor, in bytes.
    pub first_bytes: f64,
    /// From the first to the last, by the median of slopes (Theil and Sen), in bytes.
    pub rise_bytes: f64,
    /// The same, from each to the next.
    pub bytes_per_stretch: f64,
    /// The same in the last half.
    pub late_bytes_per_stretch: f64,
    /// The same, for each job. `None`: there are none.
    pub bytes_per_job: Option<f64>,
    /// The rise would be large enough for a leak, were it no chance; of too few floors from the first to the last.
    pub is_large: bool,
}

/// So many of these floors belong to the start.
pub(super) fn warm_up(floors: usize) -> usize {
    MOST_WARM_UP.min(floors.saturating_sub(FEWEST_FLOORS))
}

impl Growth {
    /// Of stretches; `has_waves`: of those between waves.
    pub(super) fn of(stretches: &[Stretch], has_waves: bool) -> Self {
        let counted: Vec<&Stretch> = stretches.iter().filter(|stretch| !stretch.is_warm_up).collect();
        let floors: Vec<f64> = counted.iter().map(|stretch| float(stretch.floor_bytes)).collect();
        let first = floors.first().copied().unwrap_or(0.0);
        let per_job = per_job(&counted);
        let case = Case::of(&floors, Rules { has_waves, first, per_job });
        Self {
            shape: case.shape(),
            floors: floors.len(),
            warm_up: stretches.len() - floors.len(),
            chance: case.chance.map(|chance| (chance * 1e12).round() / 1e12),
            first_bytes: first,
            rise_bytes: case.rise.round(),
            bytes_per_stretch: case.by_each.round(),
            late_bytes_per_stretch: case.late().round(),
            bytes_per_job: per_job.map(round),
            is_large: case.rules.is_large(case.rise),
        }
    }
}

/// By the floor of each, against the jobs until then.
fn per_job(stretches: &[&Stretch]) -> Option<f64> {
    let jobs = stretches.iter().scan(0, |sum, stretch| {
        *sum += stretch.jobs;
        Some(*sum)
    });
    let points: Vec<_> =
        jobs.zip(stretches).map(|(jobs, stretch)| (float(jobs), float(stretch.floor_bytes))).collect();
    stretches.iter().any(|stretch| stretch.jobs > 0).then(|| slope(&points))
}

/// What is a leak's, if it is no chance.
#[derive(Clone, Copy)]
struct Rules {
    has_waves: bool,
    first: f64,
    per_job: Option<f64>,
}

impl Rules {
    fn is_large(self, rise: f64) -> bool {
        if !self.has_waves {
            return rise > LEAK_BYTES && rise > LEAK_SHARE * self.first;
        }
        let is_much = rise > LEAK_BYTES_OF_WAVES && rise > LEAK_SHARE_OF_WAVES * self.first;
        let is_much_of_a_job = self.per_job.is_some_and(|bytes| bytes > LEAK_BYTES_OF_A_JOB);
        is_much || (is_much_of_a_job && rise > LEAK_BYTES_OF_FEW_JOBS)
    }
}

/// Floors in a row.
struct Case<'a> {
    floors: &'a [f64],
    rules: Rules,
    chance: Option<f64>,
    by_each: f64,
    rise: f64,
}

impl<'a> Case<'a> {
    fn of(floors: &'a [f64], rules: Rules) -> Self {
        let by_each = slope(&numbered(floors));
        Self { floors, rules, chance: chance(floors), by_each, rise: by_each * steps(floors.len()) }
    }

    fn shape(&self) -> Shape {
        if self.floors.len() < FEWEST_FLOORS {
            Shape::TooFew
        } else if self.rises() || self.after_step().rises() {
            Shape::Rising
        } else if self.stands() {
            Shape::Plateau
        } else if self.rose_lately() {
            Shape::Step
        } else {
            Shape::Level
        }
    }

    /// All the time, by much, and chance hardly makes it.
    fn rises(&self) -> bool {
        self.floors.len() >= FEWEST_FLOORS
            && self.chance.is_some_and(|chance| chance < UNLIKELY_CHANCE)
            && self.rules.is_large(self.rise)
            && self.without_step() >= WITHOUT_STEP_SHARE
            && !self.stands()
    }

    /// The last half, and [`FEWEST_STANDING`] at least.
    fn last(&self) -> &[f64] {
        let standing = self.floors.len().div_ceil(2).max(FEWEST_STANDING);
        self.floors.get(self.floors.len().saturating_sub(standing)..).unwrap_or_default()
    }

    /// From each to the next in the last half.
    fn late(&self) -> f64 {
        slope(&numbered(self.last()))
    }

    /// What is now is much above what was, and rises hardly more.
    fn stands(&self) -> bool {
        let rise = median(&mut self.last().to_vec()) - self.rules.first;
        let until_its_middle = steps(self.floors.len()) - steps(self.last().len()) / 2.0;
        self.rules.is_large(rise) && self.late() <= STANDING_SHARE * rise / until_its_middle
    }

    /// The floor after the largest step, by its number, and that step.
    fn step(&self) -> (usize, f64) {
        let steps = self.floors.iter().zip(self.floors.iter().skip(1)).map(|(a, b)| b - a);
        (1..).zip(steps).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default()
    }

    /// How much of the rise is not in its largest step: from 0 to 1, if it rises at all.
    fn without_step(&self) -> f64 {
        let rise = self.floors.last().copied().unwrap_or(0.0) - self.rules.first;
        if rise > 0.0 { (rise - self.step().1) / rise } else { 0.0 }
    }

    /// The floors since the largest step: it may hide how they rise.
    fn after_step(&self) -> Self {
        let floors = self.floors.get(self.step().0..).unwrap_or_default();
        Self::of(floors, Rules { first: floors.first().copied().unwrap_or(0.0), ..self.rules })
    }

    /// All floors since some time in the last half are much above all before.
    fn rose_lately(&self) -> bool {
        let before = self.floors.len() - self.last().len();
        (before + 1..self.floors.len()).any(|at| {
            let (before, after) = self.floors.split_at(at);
            let most = before.iter().copied().fold(f64::MIN, f64::max);
            self.rules.is_large(after.iter().copied().fold(f64::MAX, f64::min) - most)
        })
    }
}

fn numbered(floors: &[f64]) -> Vec<(f64, f64)> {
    (0_u32..).map(f64::from).zip(floors.iter().copied()).collect()
}

/// From the first of so many to the last.
fn steps(floors: usize) -> f64 {
    float(floors.saturating_sub(1) as u64)
}
