//! Consumers as processes, kept at a number as a Deployment keeps its pods: one that ends by itself is replaced,
//! one too many is asked to stop.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::bail;
use exportpool_contract::PodReport;
use exportpool_scaling::Millis;
use nix::sys::signal::Signal;
use tokio::{process::Child, time};

use crate::stage::consumer::{Recipe, free_port, signal};

/// Consumers that end by themselves so often in a row do not work at all.
const MAX_FAILED_STARTS: u32 = 5;

/// A consumer.
pub(super) struct Member {
    /// `consumer-1`, and so on; never used twice.
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) created_at: Millis,
    pub(super) ready_at: Option<Millis>,
    /// Asked to stop.
    pub(super) terminating: bool,
    /// What it last reported.
    pub(super) report: Option<PodReport>,
    started: Instant,
    killed: bool,
    child: Child,
}

/// How old consumers were when they were killed.
#[derive(Debug, Clone, Default)]
pub(super) struct Kills(Vec<Duration>);

/// Whom to kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    /// The one that started last.
    Youngest,
    /// Any.
    Anyone,
}

/// The consumers.
pub(super) struct Fleet {
    recipe: Recipe,
    pub(super) members: Vec<Member>,
    wanted: usize,
    started: u32,
    failed_starts: u32,
    /// The most that lived at a time.
    pub(super) peak: usize,
    /// Consumers killed on purpose.
    pub(super) kills: Kills,
    /// The last report of each instance, the ended ones included.
    pub(super) reports: BTreeMap<String, PodReport>,
}

impl Fleet {
    pub(super) fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            members: Vec::new(),
            wanted: 0,
            started: 0,
            failed_starts: 0,
            peak: 0,
            kills: Kills::default(),
            reports: BTreeMap::new(),
        }
    }

    /// Consumers that are neither asked to stop nor killed.
    pub(super) fn replicas(&self) -> usize {
        self.members.iter().filter(|member| !member.terminating && !member.killed).count()
    }

    /// Consumers that are asked for.
    pub(super) const fn wanted(&self) -> usize {
        self.wanted
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Where the logs are.
    pub(super) fn logs(&self) -> &Path {
        &self.recipe.logs
    }

    /// Takes in what a consumer reports.
    pub(super) fn reported(&mut self, member: usize, report: PodReport, now: Millis) {
        let Some(member) = self.members.get_mut(member) else { return };
        if !report.breaker.open {
            member.ready_at.get_or_insert(now);
            self.failed_starts = 0;
        }
        self.reports.insert(report.instance_id.clone(), report.clone());
        member.report = Some(report);
    }

    /// Keeps so many consumers: replaces those that ended, starts missing ones, asks the idlest to stop.
    ///
    /// # Errors
    /// A consumer cannot be started, or several in a row ended by themselves.
    pub(super) fn keep(&mut self, wanted: usize, now: Millis) -> anyhow::Result<()> {
        self.wanted = wanted;
        self.reap()?;
        while self.replicas() < wanted {
            self.start(now)?;
        }
        while self.replicas() > wanted {
            self.stop_idlest();
        }
        self.peak = self.peak.max(self.replicas());
        Ok(())
    }

    fn start(&mut self, now: Millis) -> anyhow::Result<()> {
        self.started += 1;
        let name = format!("consumer-{}", self.started);
        let port = free_port()?;
        let child = self.recipe.start(&name, port)?;
        let member = Member {
            name,
            port,
            created_at: now,
            ready_at: None,
            terminating: false,
            report: None,
            started: Instant::now(),
            killed: false,
            child,
        };
        self.members.push(member);
        Ok(())
    }

    fn stop_idlest(&mut self) {
        let busy = |member: &Member| {
            member.report.as_ref().map_or(0, |report| report.slots.busy + report.gauges.waiting)
        };
        let candidates = self.members.iter_mut().filter(|member| !member.terminating && !member.killed);
        if let Some(victim) = candidates.min_by_key(|member| busy(member)) {
            victim.terminating = true;
            victim.signal(Signal::SIGTERM);
        }
    }

    /// Forgets those that ended.
    fn reap(&mut self) -> anyhow::Result<()> {
        let mut failed = None;
        self.members.retain_mut(|member| match member.child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                if status.code().is_some_and(|code| code != 0) {
                    failed = Some((member.name.clone(), status));
                }
                false
            }
            Err(_) => false,
        });
        let Some((name, status)) = failed else { return Ok(()) };
        self.failed_starts += 1;
        if self.failed_starts < MAX_FAILED_STARTS {
            return Ok(());
        }
        let log = self.recipe.log(&name);
        bail!("consumers end by themselves, the last with {status}: see {}", log.display());
    }

    /// Kills a consumer as a node that fails would, and starts another in its place. `None`: there is none.
    ///
    /// # Errors
    /// Those of [`Fleet::keep`].
    pub(super) fn kill(
        &mut self,
        victim: Victim,
        dice: &mut fastrand::Rng,
        now: Millis,
    ) -> anyhow::Result<Option<String>> {
        let mut alive: Vec<_> = self.members.iter_mut().filter(|member| !member.killed).collect();
        let found = match victim {
            Victim::Youngest => alive.pop(),
            Victim::Anyone => dice.choice(alive),
        };
        let Some(found) = found.filter(|found| found.signal(Signal::SIGKILL)) else { return Ok(None) };
        found.killed = true;
        self.kills.0.push(found.started.elapsed());
        let name = found.name.clone();
        self.keep(self.wanted, now)?;
        Ok(Some(name))
    }

    /// Asks all to stop, and kills those that have not after a while.
    pub(super) async fn disband(mut self, patience: Duration) {
        for member in &mut self.members {
            member.signal(Signal::SIGTERM);
        }
        let deadline = Instant::now() + patience;
        for member in &mut self.members {
            if time::timeout_at(deadline.into(), member.child.wait()).await.is_err() {
                // `kill` also waits for the end.
                let _ = member.child.kill().await;
            }
        }
    }
}

impl Kills {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Sorted ages, in milliseconds.
    pub(super) fn ages(&self) -> Vec<u64> {
        let millis = |age: &Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let mut ages: Vec<_> = self.0.iter().map(millis).collect();
        ages.sort_unstable();
        ages
    }
}

impl Member {
    /// `false`: it has ended.
    fn signal(&self, what: Signal) -> bool {
        signal(&self.child, what)
    }
}
