//! The full screen: samples and keys in, pictures out.

use std::{io, time::Duration};

use chrono::Local;
use crossterm::event::EventStream;
use futures_util::StreamExt;
use ratatui::Frame;
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    Plan,
    derive::History,
    draw,
    keys::{self, Wish},
    sample::{Sample, Sampler},
    screen::Screen,
    stop::Stop,
};

/// The clock shows seconds.
const CLOCK: Duration = Duration::from_secs(1);

/// Shows samples until the reader quits or a signal comes.
///
/// # Errors
/// The terminal cannot be used.
pub(crate) async fn watch(sampler: &mut Sampler, plan: Plan) -> io::Result<()> {
    let (pace, paced) = watch::channel(Pace { interval: plan.interval, paused: false });
    let (samples, sampled) = mpsc::channel(1);
    // Both run on this task: a slow queue holds up no key, and a panic in either is a panic here.
    tokio::select! {
        outcome = show(plan, pace, sampled) => outcome,
        () = keep_sampling(sampler, paced, samples) => Ok(()),
    }
}

/// How often is sampled.
#[derive(Debug, Clone, Copy)]
struct Pace {
    interval: Duration,
    paused: bool,
}

async fn keep_sampling(sampler: &mut Sampler, mut pace: watch::Receiver<Pace>, out: mpsc::Sender<Sample>) {
    loop {
        if pace.wait_for(|pace| !pace.paused).await.is_err() || out.send(sampler.read().await).await.is_err()
        {
            return;
        }
        let interval = pace.borrow_and_update().interval;
        tokio::select! {
            () = sleep(interval) => {}
            // Another pace begins with a sample, so that it shows at once.
            _ = pace.changed() => {}
        }
    }
}

async fn show(plan: Plan, pace: watch::Sender<Pace>, mut samples: mpsc::Receiver<Sample>) -> io::Result<()> {
    let mut stop = Stop::listen()?;
    let mut screen = Screen::open()?;
    let (mut events, mut clock) = (EventStream::new(), interval(CLOCK));
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut shown = Shown { plan, history: History::default(), paused: false, help: false };
    loop {
        screen.draw(|frame| shown.draw(frame))?;
        let wish = tokio::select! {
            event = events.next() => match event {
                Some(event) => keys::wish(&event?),
                None => Some(Wish::Quit),
            },
            Some(sample) = samples.recv() => { shown.history.push(sample); None }
            _ = clock.tick() => None,
            () = stop.wait() => Some(Wish::Quit),
        };
        if wish == Some(Wish::Quit) {
            return Ok(());
        }
        if wish.is_some_and(|wish| shown.obey(wish)) {
            pace.send_replace(shown.pace());
        }
    }
}

struct Shown {
    plan: Plan,
    history: History,
    paused: bool,
    help: bool,
}

impl Shown {
    fn pace(&self) -> Pace {
        Pace { interval: self.plan.interval, paused: self.paused }
    }

    /// Whether the pace is another.
    fn obey(&mut self, wish: Wish) -> bool {
        let before = self.plan.interval;
        match wish {
            Wish::Help => self.help = !self.help,
            Wish::Faster => self.plan.interval = keys::faster(before),
            Wish::Slower => self.plan.interval = keys::slower(before),
            Wish::Pause => {
                self.paused = !self.paused;
                // What is shown stays while nothing is asked; a rate across the gap would tell of neither side.
                if !self.paused {
                    self.history.restart();
                }
            }
            Wish::Quit | Wish::Redraw => {}
        }
        wish == Wish::Pause || before != self.plan.interval
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let mut view = self.plan.view(Local::now().fixed_offset(), &self.history);
        if self.paused {
            view.headline.insert_str(0, "PAUSED · ");
        }
        view.footer.insert(0, "q quit  p pause  + - interval  ? help".to_owned());
        draw::draw(frame, frame.area(), &view);
        if self.help {
            draw::help(frame, frame.area());
        }
    }
}
