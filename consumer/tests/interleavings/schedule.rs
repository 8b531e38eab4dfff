//! Drawing schedules, and the time that passes in them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use shuttle::{
    Config, Runner,
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
};
use tokio::{runtime::Runtime, time};

/// More does not pass in any schedule of a consumer that comes to its end.
const LONGEST: Duration = Duration::from_secs(1_200);
/// Preemptions that matter, of a schedule that goes by priorities.
const DEPTH: usize = 4;

/// So many schedules of each kind, times what `SCHEDULES_TIMES` says.
fn schedules(usual: usize) -> usize {
    let times = std::env::var("SCHEDULES_TIMES").map_or(1, |times| times.parse().expect("a number"));
    usual * times
}

/// Plays a story by schedules at random, then by such that go by priorities and let threads starve. A schedule in which
/// everybody waits fails.
pub(crate) fn explore(usual: usize, story: impl Fn() + Send + Sync + 'static) {
    let (story, times) = (Arc::new(story), schedules(usual));
    play(RandomScheduler::new(times), Arc::clone(&story));
    play(PctScheduler::new(DEPTH, times), story);
}

fn play<S: Scheduler + 'static>(scheduler: S, story: Arc<impl Fn() + Send + Sync + 'static>) {
    let mut config = Config::new();
    // What std gives a thread.
    config.stack_size = 2 * 1024 * 1024;
    Runner::new(scheduler, config).run(move || {
        fastrand::seed(thread_rng().r#gen());
        story();
    });
}

/// The same, with time that passes. A schedule in which it passes without end fails.
pub(crate) fn explore_in_time(usual: usize, story: impl Fn(&Time) + Send + Sync + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = Arc::new(runtime.unwrap());
    let keeps_time = Arc::clone(&runtime);
    // All threads of a schedule are on this one, and have the time of this runtime.
    let _entered = runtime.enter();
    explore(usual, move || {
        let time = Time { runtime: Arc::clone(&keeps_time), over: Arc::default(), shown: Arc::default() };
        let passing = time.clone();
        let passing = shuttle::thread::spawn(move || passing.pass());
        story(&time);
        time.over.store(true, Ordering::Relaxed);
        passing.join().unwrap();
    });
}

/// The time of one schedule. It passes when it is its turn, whoever else has something to do.
#[derive(Clone)]
pub(crate) struct Time {
    runtime: Arc<Runtime>,
    over: Arc<AtomicBool>,
    shown: Arc<Mutex<Option<Show>>>,
}

type Show = Box<dyn Fn() -> String + Send>;

impl Time {
    fn pass(&self) {
        let mut passed = Duration::ZERO;
        while !self.over.load(Ordering::Relaxed) {
            let millis = *[1, 2, 5, 20].get(thread_rng().gen_range(0..4)).unwrap();
            let step = Duration::from_millis(millis);
            self.runtime.block_on(time::sleep(step));
            passed += step;
            if passed > LONGEST {
                let shown = self.shown.lock().unwrap().as_ref().map_or_else(String::new, |show| show());
                panic!("it does not come to an end\n{shown}");
            }
            shuttle::thread::yield_now();
        }
    }

    /// What is shown should it come to no end.
    pub(crate) fn show(&self, show: impl Fn() -> String + Send + 'static) {
        *self.shown.lock().unwrap() = Some(Box::new(show));
    }

    /// Waits until something is true.
    #[track_caller]
    pub(crate) fn until(&self, is: impl Fn() -> bool) {
        shuttle::future::block_on(async {
            while !is() {
                time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
}
