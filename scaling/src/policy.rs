//! What the owner of a pool asks for.

use std::fmt::{self, Display};
use std::ops::{Deref, RangeInclusive};
use std::time::Duration;

/// How much lower the target utilization is when scaling in: the band between the two is where nothing moves.
const SCALE_IN_MARGIN: f64 = 0.1;
/// The shortest stabilization window unless one is set.
const SHORTEST_DEFAULT_WINDOW: Duration = Duration::from_secs(60);

/// What a [`Policy`] is made from, field by field. `Settings::default()` holds the defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Never fewer replicas. At most `max_replicas`; 0 lets the pool go to zero. Default 0.
    pub min_replicas: u32,
    /// Never more replicas; see `count_terminating`. 1 to 10,000. Default 20.
    pub max_replicas: u32,
    /// `max_replicas` is of running and terminating pods together, not of running ones alone. Default true.
    pub count_terminating: bool,
    /// In which time a backlog must be worked off, on top of what arrives. 1 s to 24 h. Default 60 s.
    pub drain_time: Duration,
    /// Tasks that a pod works on at a time: `poolSize` x `tasksPerWorker`. 1 to 10,000. Default 4.
    pub slots_per_pod: u32,
    /// The share of the slots that the arrivals alone may keep busy. 0.2 to 1. Default 0.8.
    pub target_utilization: f64,
    /// Slot time of one task, for as long as none is learned. 1 ms to 24 h. Default: one task a slot.
    pub expected_task: Option<Duration>,
    /// For how long less must be enough before replicas are taken away. 0 to 1 h. Default: the drain time, at
    /// least 60 s.
    pub stabilization: Option<Duration>,
    /// The largest share of the replicas that is taken away at a time; below 100 at most once a window. 1 to 100.
    /// Default 100.
    pub max_step_percent: u32,
    /// For how long after the last work one replica stays. 0 to 24 h. Default 60 s.
    pub keep_alive: Duration,
    /// Reads in a row that must see nothing visible before zero. 1 to 1,000. Default 3.
    pub zero_reads: u32,
    /// The time that these reads must span at least. 0 to 1 h. Default 60 s.
    pub zero_span: Duration,
    /// Over which time arrivals are averaged; the drain time if that is longer. 1 s to 1 h. Default 60 s.
    pub arrival_window: Duration,
    /// Leave the replicas as they are, whatever else is set.
    pub paused: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_replicas: 0,
            max_replicas: 20,
            count_terminating: true,
            drain_time: Duration::from_secs(60),
            slots_per_pod: 4,
            target_utilization: 0.8,
            expected_task: None,
            stabilization: None,
            max_step_percent: 100,
            keep_alive: Duration::from_secs(60),
            zero_reads: 3,
            zero_span: Duration::from_secs(60),
            arrival_window: Duration::from_secs(60),
            paused: false,
        }
    }
}

/// Settings that were checked: what [`decide`](crate::decide) and [`History`](crate::History) work by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy(Settings);

impl Deref for Policy {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.0
    }
}

impl Policy {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`InvalidPolicy`] names the first field that is outside of its range.
    pub fn new(settings: Settings) -> Result<Self, InvalidPolicy> {
        check_replicas(&settings)?;
        check_objective(&settings)?;
        check_scale_in(&settings)?;
        Ok(Self(settings))
    }

    /// For how long less must be enough before replicas are taken away.
    #[must_use]
    pub fn stabilization_window(&self) -> Duration {
        self.stabilization.unwrap_or_else(|| self.drain_time.max(SHORTEST_DEFAULT_WINDOW))
    }

    /// Over which time arrivals are averaged. Not shorter than the drain time: a burst is in the backlog for that
    /// long, and would count twice if it also showed as a rate.
    #[must_use]
    pub fn arrival_span(&self) -> Duration {
        self.arrival_window.max(self.drain_time)
    }

    /// The target utilization by which replicas are taken away.
    #[must_use]
    pub fn scale_in_utilization(&self) -> f64 {
        self.target_utilization - SCALE_IN_MARGIN
    }
}

/// A setting outside of its range. The field's name is the one of the `ExportPool` resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidPolicy {
    /// A value outside of what is allowed.
    OutOfRange {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// The range.
        allowed: String,
    },
    /// `minReplicas` is above `maxReplicas`.
    MinAboveMax {
        /// `minReplicas`.
        min: u32,
        /// `maxReplicas`.
        max: u32,
    },
}

impl Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { field, value, allowed } => {
                write!(f, "{field} is {value}, allowed is {allowed}")
            }
            Self::MinAboveMax { min, max } => {
                write!(f, "minReplicas is {min}, allowed is 0 to maxReplicas ({max})")
            }
        }
    }
}

impl std::error::Error for InvalidPolicy {}

fn check_replicas(s: &Settings) -> Result<(), InvalidPolicy> {
    within("maxReplicas", s.max_replicas, 1..=10_000)?;
    if s.min_replicas > s.max_replicas {
        return Err(InvalidPolicy::MinAboveMax { min: s.min_replicas, max: s.max_replicas });
    }
    within("worker.poolSize x worker.tasksPerWorker", s.slots_per_pod, 1..=10_000)
}

fn check_objective(s: &Settings) -> Result<(), InvalidPolicy> {
    seconds_within("drainTimeSeconds", s.drain_time, 1.0..=86_400.0)?;
    within("targetUtilization", s.target_utilization, 0.2..=1.0)?;
    seconds_within("arrivalWindowSeconds", s.arrival_window, 1.0..=3_600.0)?;
    s.expected_task.map_or(Ok(()), |task| seconds_within("expectedTaskSeconds", task, 0.001..=86_400.0))
}

fn check_scale_in(s: &Settings) -> Result<(), InvalidPolicy> {
    let window = s.stabilization.unwrap_or_default();
    seconds_within("scaleIn.stabilizationSeconds", window, 0.0..=3_600.0)?;
    within("scaleIn.maxStepPercent", s.max_step_percent, 1..=100)?;
    seconds_within("keepAliveSeconds", s.keep_alive, 0.0..=86_400.0)?;
    within("zeroReads", s.zero_reads, 1..=1_000)?;
    seconds_within("zeroSpanSeconds", s.zero_span, 0.0..=3_600.0)
}

fn seconds_within(
    field: &'static str,
    value: Duration,
    allowed: RangeInclusive<f64>,
) -> Result<(), InvalidPolicy> {
    within(field, value.as_secs_f64(), allowed)
}

fn within<T: Copy + PartialOrd + Display>(
    field: &'static str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<(), InvalidPolicy> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let allowed = format!("{} to {}", allowed.start(), allowed.end());
    Err(InvalidPolicy::OutOfRange { field, value: value.to_string(), allowed })
}
