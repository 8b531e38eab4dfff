//! A small world: two queues, pods that take time to start, tasks that take time, in steps of 100 ms.

use std::time::Duration;

use exportpool_contract::report::{ByQueue, Slots};
use exportpool_scaling::{
    Decision, Depth, History, Millis, Observation, PodNumbers, PodPhase, PodSeen, Policy, Reading,
    UnreadReport, decide,
};

const STEP: u64 = 100;

#[derive(Clone, Copy)]
enum Work {
    /// A task of a job, with the job's number.
    OfJob(u64),
    Single,
}

struct Pod {
    uid: u64,
    created_at: u64,
    ready_at: u64,
    terminating: bool,
    at_work: Vec<(u64, Work)>,
    numbers: PodNumbers,
}

pub(crate) struct World {
    pub now: u64,
    pub visible: ByQueue<u64>,
    pub replicas: u32,
    pub task: Duration,
    pub start: Duration,
    pub slots: u32,
    pub tasks_per_job: u64,
    /// Jobs a second.
    pub rate: f64,
    pub readable: bool,
    /// Random arrivals and task times, from a seed.
    pub noise: Option<u64>,
    pub course: Vec<(u64, u32)>,
    pub decisions: Vec<Decision>,
    pub done: u64,
    pub most_visible: u64,
    arriving: f64,
    pods: Vec<Pod>,
    named: u64,
    policy: Policy,
    history: History,
}

impl World {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            now: 0,
            visible: ByQueue::default(),
            replicas: 0,
            task: Duration::from_secs(1),
            start: Duration::from_secs(2),
            slots: policy.slots_per_pod,
            tasks_per_job: 1,
            rate: 0.0,
            readable: true,
            noise: None,
            course: vec![],
            decisions: vec![],
            done: 0,
            most_visible: 0,
            arriving: 0.0,
            pods: vec![],
            named: 0,
            policy,
            history: History::default(),
        }
    }

    /// Runs for a time, with a poll each interval.
    pub(crate) fn run(&mut self, time: Duration, interval: Duration) {
        let end = self.now + millis(time);
        while self.now < end {
            if self.now.is_multiple_of(millis(interval)) {
                self.poll();
            }
            self.step();
        }
    }

    /// How often the replicas changed since a moment.
    pub(crate) fn changes_since(&self, moment: u64) -> usize {
        let counts: Vec<u32> = self.course.iter().filter(|(at, _)| *at >= moment).map(|(_, n)| *n).collect();
        counts.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    pub(crate) fn peak(&self) -> u32 {
        self.course.iter().map(|(_, replicas)| *replicas).max().unwrap_or(0)
    }

    /// The replicas of each poll, repetitions left out.
    pub(crate) fn shape(&self) -> Vec<u32> {
        let mut shape: Vec<u32> = self.course.iter().map(|(_, replicas)| *replicas).collect();
        shape.dedup();
        shape
    }

    fn poll(&mut self) {
        let seen = self.observation();
        self.history.observe(&self.policy, &seen);
        let decision = decide(&self.policy, &self.history, &seen);
        self.apply(decision.desired);
        self.course.push((self.now, decision.desired));
        self.decisions.push(decision);
    }

    fn observation(&self) -> Observation {
        let leased =
            |pick: fn(&ByQueue<u64>) -> u64| self.pods.iter().map(|pod| pick(&pod.numbers.leased)).sum();
        let depth =
            |visible, not_visible| Depth::Known { visible, not_visible, delayed: 0, delay: Duration::ZERO };
        Observation {
            now: Millis(self.now),
            queues: ByQueue {
                export_jobs: depth(self.visible.export_jobs, leased(|l| l.export_jobs)),
                download_tasks: depth(self.visible.download_tasks, leased(|l| l.download_tasks)),
            },
            pods: self.pods.iter().map(|pod| self.pod_seen(pod)).collect(),
            replicas: self.replicas,
        }
    }

    fn pod_seen(&self, pod: &Pod) -> PodSeen {
        let ready = self.now >= pod.ready_at;
        let phase = match (pod.terminating, ready) {
            (true, _) => PodPhase::Terminating,
            (_, true) => PodPhase::Ready,
            (_, false) => PodPhase::Pending,
        };
        let read = || {
            let slots = Slots { total: self.slots.into(), busy: pod.at_work.len() as u64, abandoned: 0 };
            Reading::Read(Box::new(PodNumbers { slots, ..pod.numbers.clone() }))
        };
        PodSeen {
            uid: pod.uid.to_string(),
            phase,
            created_at: Some(Millis(pod.created_at)),
            ready_at: ready.then_some(Millis(pod.ready_at)),
            report: if ready && self.readable { read() } else { Reading::Unread(UnreadReport::NotRunning) },
        }
    }

    fn apply(&mut self, desired: u32) {
        self.replicas = desired;
        let live = self.pods.iter().filter(|pod| !pod.terminating).count();
        let desired = desired as usize;
        (live..desired).for_each(|_| self.create());
        let now = self.now;
        let mut leaving: Vec<&mut Pod> = self.pods.iter_mut().filter(|pod| !pod.terminating).collect();
        leaving.sort_by_key(|pod| (pod.ready_at <= now, pod.at_work.len()));
        leaving.into_iter().take(live.saturating_sub(desired)).for_each(|pod| pod.terminating = true);
    }

    fn create(&mut self) {
        self.named += 1;
        let numbers = PodNumbers {
            instance_id: format!("i{}", self.named),
            started_at: Millis(self.now),
            ..Default::default()
        };
        self.pods.push(Pod {
            uid: self.named,
            created_at: self.now,
            ready_at: self.now + millis(self.start),
            terminating: false,
            at_work: vec![],
            numbers,
        });
    }

    fn step(&mut self) {
        let luck = self.luck();
        self.arriving += 2.0 * luck * self.rate * STEP as f64 / 1_000.0;
        while self.arriving >= 1.0 {
            self.arriving -= 1.0;
            self.visible.export_jobs += 1;
        }
        self.fill();
        for pod in &mut self.pods {
            self.done += pod.work();
        }
        self.pods.retain(|pod| !pod.terminating || !pod.at_work.is_empty());
        self.now += STEP;
        self.most_visible = self.most_visible.max(self.visible.export_jobs + self.visible.download_tasks);
    }

    /// A half on average and without noise; mostly small, at most 2.
    fn luck(&mut self) -> f64 {
        let Some(state) = &mut self.noise else { return 0.5 };
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        let even = (*state >> 11) as f64 / (1_u64 << 53) as f64;
        even.powi(3) * 2.0
    }

    /// One message a pod at a time, so that all pods get some.
    fn fill(&mut self) {
        let task = millis(self.task.mul_f64(2.0 * self.luck()).max(Duration::from_millis(STEP)));
        let (slots, now, per_job) = (self.slots as usize, self.now, self.tasks_per_job);
        for _ in 0..slots {
            let free = |pod: &&mut Pod| now >= pod.ready_at && !pod.terminating && pod.at_work.len() < slots;
            for pod in self.pods.iter_mut().filter(free) {
                if self.visible.download_tasks > 0 {
                    self.visible.download_tasks -= 1;
                    pod.take_single(task);
                } else if self.visible.export_jobs > 0 {
                    self.visible.export_jobs -= 1;
                    self.visible.download_tasks += pod.take_job(task, per_job, slots);
                }
            }
        }
    }
}

impl Pod {
    fn take_single(&mut self, task: u64) {
        self.numbers.queues.download_tasks.received += 1;
        self.numbers.leased.download_tasks += 1;
        self.at_work.push((task, Work::Single));
    }

    /// Keeps what it can start now, hands over the rest; answers how many that is.
    fn take_job(&mut self, task: u64, tasks: u64, slots: usize) -> u64 {
        let kept = tasks.min((slots - self.at_work.len()) as u64);
        let job = self.numbers.queues.export_jobs.received;
        self.numbers.queues.export_jobs.received += 1;
        self.numbers.leased.export_jobs += 1;
        self.numbers.tasks_listed += tasks;
        self.numbers.handed_over += tasks - kept;
        self.at_work.extend((0..kept).map(|_| (task, Work::OfJob(job))));
        tasks - kept
    }

    fn work(&mut self) -> u64 {
        let mut settled = vec![];
        for (left, work) in &mut self.at_work {
            *left = left.saturating_sub(STEP);
            let queue = match work {
                Work::OfJob(_) => &mut self.numbers.queues.export_jobs,
                Work::Single => &mut self.numbers.queues.download_tasks,
            };
            queue.busy_slot_millis += STEP;
            if *left == 0 {
                queue.settled.done += 1;
                settled.push(*work);
            }
        }
        self.at_work.retain(|(left, _)| *left > 0);
        settled.iter().for_each(|work| self.settle(*work));
        settled.len() as u64
    }

    fn settle(&mut self, work: Work) {
        match work {
            Work::Single => self.numbers.leased.download_tasks -= 1,
            Work::OfJob(job) => {
                let more =
                    self.at_work.iter().any(|(_, other)| matches!(other, Work::OfJob(of) if *of == job));
                let last = u64::from(!more).min(self.numbers.leased.export_jobs);
                self.numbers.leased.export_jobs -= last;
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
