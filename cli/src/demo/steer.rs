//! One turn of the demo's controller: observe, decide, apply. The decision is the operator's own.

use std::time::{Duration, SystemTime};

use exportpool_contract::report::ByQueue;
use exportpool_scaling::{
    Decision, Depth, History, Millis, Observation, PodNumbers, PodPhase, PodSeen, Policy, Reading, Settings,
    UnknownDepth, UnreadReport, decide,
};

use super::fleet::{Fleet, Member};
use crate::{
    monitor::sample::{Address, QueueReading, Queues, Reports, Sample},
    target::Target,
};

/// The demo's controller.
pub(super) struct Steering {
    policy: Policy,
    history: History,
    queues: Queues,
    reports: Reports,
    since: tokio::time::Instant,
}

/// What a turn saw and decided.
pub(super) struct Turn {
    pub(super) sample: Sample,
    pub(super) decision: Decision,
    pub(super) changed: bool,
}

impl Steering {
    /// A controller for consumers with so many slots each. A laptop's demo is short: windows that are a minute in
    /// a cluster are seconds here.
    pub(super) async fn new(
        target: &Target,
        max_replicas: u32,
        slots_per_pod: u32,
        drain_time: Duration,
    ) -> anyhow::Result<Self> {
        let settings = Settings {
            max_replicas,
            slots_per_pod,
            drain_time,
            stabilization: Some(Duration::from_secs(3)),
            keep_alive: Duration::from_secs(2),
            zero_span: Duration::from_secs(2),
            arrival_window: Duration::from_secs(5),
            ..Settings::default()
        };
        Ok(Self {
            policy: Policy::new(settings)?,
            history: History::default(),
            queues: Queues::new(target).await,
            reports: Reports::new(Vec::new())?,
            since: tokio::time::Instant::now(),
        })
    }

    /// Observes queues and consumers, decides, and keeps the fleet at what was decided, but at `least` consumers.
    ///
    /// # Errors
    /// Those of [`Fleet::keep`].
    pub(super) async fn turn(&mut self, fleet: &mut Fleet, least: usize) -> anyhow::Result<Turn> {
        let sample = self.sample(fleet).await?;
        let now = millis();
        for (member, reading) in sample.consumers.iter().enumerate() {
            if let Ok(report) = &reading.report {
                fleet.reported(member, report.clone(), now);
            }
        }
        let seen = observation(&sample, fleet, now);
        self.history.observe(&self.policy, &seen);
        let decision = decide(&self.policy, &self.history, &seen);
        let wanted = least.max(decision.desired as usize);
        let changed = wanted != fleet.wanted();
        fleet.keep(wanted, now)?;
        Ok(Turn { sample, decision, changed })
    }

    async fn sample(&mut self, fleet: &Fleet) -> anyhow::Result<Sample> {
        let addresses =
            fleet.members.iter().map(|member| Address::parse(&format!("http://127.0.0.1:{}", member.port)));
        self.reports.follow(addresses.collect::<Result<_, _>>()?);
        let (at, elapsed) = (chrono::Local::now().fixed_offset(), self.since.elapsed());
        let (queues, consumers) = tokio::join!(self.queues.read(), self.reports.read());
        Ok(Sample { at, elapsed, pool: None, queues, consumers })
    }
}

fn observation(sample: &Sample, fleet: &Fleet, now: Millis) -> Observation {
    let depth = |dead: bool, place: usize| {
        let of_kind = sample.queues.iter().filter(|queue| queue.dead_letters == dead);
        of_kind.into_iter().nth(place).map_or(Depth::Unknown(UnknownDepth::NotRead), depth_of)
    };
    let pods = fleet.members.iter().zip(&sample.consumers);
    Observation {
        now,
        queues: ByQueue { export_jobs: depth(false, 0), download_tasks: depth(false, 1) },
        pods: pods.map(|(member, reading)| pod(member, reading.report.is_ok())).collect(),
        replicas: u32::try_from(fleet.wanted()).unwrap_or(u32::MAX),
    }
}

fn depth_of(reading: &QueueReading) -> Depth {
    match &reading.depth {
        Ok(depth) => Depth::Known {
            visible: depth.visible,
            not_visible: depth.in_flight,
            delayed: depth.delayed,
            delay: Duration::ZERO,
        },
        Err(_) => Depth::Unknown(UnknownDepth::Unreachable),
    }
}

fn pod(member: &Member, read: bool) -> PodSeen {
    let phase = match (member.terminating, member.ready_at) {
        (true, _) => PodPhase::Terminating,
        (false, Some(_)) => PodPhase::Ready,
        (false, None) => PodPhase::Pending,
    };
    let report = match (&member.report, read) {
        (Some(report), true) => Reading::Read(Box::new(PodNumbers::from(report))),
        (None, _) => Reading::Unread(UnreadReport::NotRunning),
        (Some(_), false) => Reading::Unread(UnreadReport::Unreachable),
    };
    PodSeen {
        uid: member.name.clone(),
        phase,
        created_at: Some(member.created_at),
        ready_at: member.ready_at,
        report,
    }
}

/// Now, in milliseconds since the Unix epoch.
pub(super) fn millis() -> Millis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
