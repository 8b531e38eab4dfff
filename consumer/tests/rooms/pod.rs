//! A consumer that runs, how it is asked, and how a test waits.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use exportpool_consumer::{
    clock::unix_millis,
    config::Pool,
    observe::report::Identity,
    run::{self, Settings},
    work::{fetch::credentials::Credentials, task::TaskRules},
};
use exportpool_contract::PodReport;
use tokio::sync::oneshot;

use crate::fakes::{World, queue::VISIBILITY};

const DEADLINE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(3);
pub const MIB: u64 = 1024 * 1024;

/// Two workers of one slot each, three attempts.
pub fn settings() -> Settings {
    Settings {
        pool: Pool { workers: 2, tasks_per_worker: 1, max_jobs: 4, max_waiting: 8 },
        visibility: VISIBILITY,
        grace: Duration::from_secs(60),
        memory_budget: 64 * MIB,
        credentials: Credentials::default(),
        stuck_after: Duration::from_secs(10),
        task: TaskRules {
            prefix: None,
            timeout: Duration::from_secs(15),
            longest_wait: Duration::from_secs(3_600),
            max_attempts: 3,
            max_file_bytes: 32 * MIB,
        },
    }
}

/// A consumer in threads of this process.
pub struct Pod {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<anyhow::Result<()>>>,
}

impl Pod {
    pub fn start(world: &World) -> Self {
        Self::with(world, settings())
    }

    pub fn with(world: &World, settings: Settings) -> Self {
        Self::numbered(world, settings, 0)
    }

    /// Pods over one world have different numbers.
    pub fn numbered(world: &World, settings: Settings, number: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let ports = world.ports(number);
        world.lock().queues.visibility = settings.visibility;
        let thread = thread::spawn(move || {
            let stop = async {
                let _ = stopped.await;
            };
            run::run(&ports, &settings, Identity::new(None, unix_millis()), listener, stop)
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub fn report(&self) -> PodReport {
        serde_json::from_str(&self.get("/report").1).unwrap()
    }

    /// Waits for a report of which this is true: main says how it is every 100 ms.
    #[track_caller]
    pub fn reports(&self, what: &str, is: impl Fn(&PodReport) -> bool) -> PodReport {
        let mut report = self.report();
        eventually(what, || {
            report = self.report();
            is(&report)
        });
        report
    }

    pub fn tell_to_stop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
    }

    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }

    /// Tells it to stop and waits until it has ended well.
    pub fn stop(self) {
        self.end().expect("the consumer failed");
    }

    /// Tells it to stop and waits until it has ended, in whatever way.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.tell_to_stop();
        eventually("the consumer ends", || self.has_ended());
        self.thread.take().unwrap().join().expect("the consumer panicked")
    }
}

/// Waits for a condition, and fails when it does not come true in 20 seconds.
#[track_caller]
pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < until, "never: {what}");
        thread::sleep(LOOK_AGAIN);
    }
}

/// As [`eventually`], and shows the world when it fails.
#[track_caller]
pub fn eventually_in(world: &World, what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < until, "never: {what}\n{:#?}", world.journal());
        thread::sleep(LOOK_AGAIN);
    }
}
