//! Kills on purpose: whom, when, how often.

use std::time::{Duration, Instant};

use tokio::time;

use super::{
    Args,
    fleet::{Fleet, Victim},
    steer::millis,
};

/// A consumer that has just begun is killed this often, of all kills...
const YOUNG_SHARE: f64 = 0.125;
/// ...at this age, in milliseconds: before it has asked for anything, or is just asking.
const YOUNG_AGE: std::ops::Range<u64> = 0..40;
/// The others at this share of the time between two kills.
const SPREAD: std::ops::Range<f64> = 0.4..1.6;

/// Kills consumers of a fleet, each followed at once by a new one.
pub(super) struct Killer {
    every: Duration,
    left: Option<u64>,
    replicas: usize,
    next: Option<(Instant, Victim)>,
    dice: fastrand::Rng,
}

impl Killer {
    /// As the command line says; one that never kills without `--chaos`.
    pub(super) fn new(args: &Args) -> Self {
        let left = if args.chaos.is_some() { args.kills } else { Some(0) };
        let replicas = if args.kills.is_some() { args.max_replicas as usize } else { 0 };
        let mut killer =
            Self { every: args.kill_every, left, replicas, next: None, dice: fastrand::Rng::new() };
        killer.plan();
        killer
    }

    /// Consumers that must be there while so many kills are still to come, whatever the backlog.
    pub(super) fn least_replicas(&self) -> usize {
        if self.next.is_some() { self.replicas } else { 0 }
    }

    /// Resolves when the next kill is due; never, when there is none.
    pub(super) async fn due(&self) {
        match self.next {
            Some((at, _)) => time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Kills, and plans the next. `None`: there was nobody to kill.
    ///
    /// # Errors
    /// A consumer cannot be started in place of the dead one.
    pub(super) fn strike(&mut self, fleet: &mut Fleet) -> anyhow::Result<Option<String>> {
        let Some((_, victim)) = self.next else { return Ok(None) };
        let dead = fleet.kill(victim, &mut self.dice, millis())?;
        if let (Some(left), Some(_)) = (&mut self.left, &dead) {
            *left = left.saturating_sub(1);
        }
        self.plan();
        Ok(dead)
    }

    fn plan(&mut self) {
        self.next = match self.left {
            Some(0) => None,
            _ if self.dice.f64() < YOUNG_SHARE => {
                Some((Instant::now() + Duration::from_millis(self.dice.u64(YOUNG_AGE)), Victim::Youngest))
            }
            _ => {
                let share = SPREAD.start + (SPREAD.end - SPREAD.start) * self.dice.f64();
                Some((Instant::now() + self.every.mul_f64(share), Victim::Anyone))
            }
        };
    }
}
