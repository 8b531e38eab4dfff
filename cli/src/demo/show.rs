//! How it goes: full screen on a terminal, else plain lines.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use crossterm::event::EventStream;
use futures_util::StreamExt;

use super::{fleet::Fleet, steer::Turn};
use crate::monitor::{
    derive::History,
    draw,
    keys::{self, Wish},
    sample::Depth,
    screen::{self, Screen},
    view::{Thresholds, View},
};

const THRESHOLDS: Thresholds = Thresholds { warn: 100, critical: 1_000 };

/// Between two lines of a run with thousands of kills.
const LONG_RUN_PAUSE: Duration = Duration::from_secs(5);

/// Where it is shown.
pub(super) enum Show {
    Screen { screen: Box<Screen>, keys: Box<EventStream>, history: History },
    Lines { out: Box<dyn Write>, last: String, since: Instant, told: Option<Instant>, pause: Duration },
}

impl Show {
    /// On a terminal the full screen, unless JSON is wanted; lines go to standard error beside JSON. A long run has
    /// a line now and then, and none for a kill.
    pub(super) fn open(json: bool, long: bool) -> io::Result<Self> {
        if screen::usable() && !json {
            let keys = Box::new(EventStream::new());
            return Ok(Self::Screen { screen: Box::new(Screen::open()?), keys, history: History::default() });
        }
        let out: Box<dyn Write> = if json { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
        let pause = if long { LONG_RUN_PAUSE } else { Duration::ZERO };
        Ok(Self::Lines { out, last: String::new(), since: Instant::now(), told: None, pause })
    }

    /// Shows a turn.
    pub(super) fn turn(&mut self, turn: Turn, fleet: &Fleet, sent: u64, of: u64) -> io::Result<()> {
        let headline = headline(&turn, fleet, sent, of);
        match self {
            Self::Screen { screen, history, .. } => {
                let at = turn.sample.at;
                history.push(turn.sample);
                let view = View {
                    at,
                    headline,
                    pool: None,
                    queues: history.queues(THRESHOLDS),
                    consumers: history.consumers(),
                    thresholds: THRESHOLDS,
                    footer: vec![turn.decision.reason.to_string(), "q quit".into()],
                    colour: screen::colour(),
                };
                screen.draw(|frame| draw::draw(frame, frame.area(), &view))
            }
            Self::Lines { out, last, since, told, pause } => {
                let line = format!("{headline} · {}", depths(&turn));
                let early = told.is_some_and(|told| told.elapsed() < *pause);
                if early || (*last == line && !turn.changed) {
                    return Ok(());
                }
                writeln!(out, "{:>6.1} s  {line}", since.elapsed().as_secs_f64())?;
                (*last, *told) = (line, Some(Instant::now()));
                Ok(())
            }
        }
    }

    /// Says something beside the turns; the full screen has no place for it.
    pub(super) fn say(&mut self, what: &str) -> io::Result<()> {
        match self {
            Self::Screen { .. } => Ok(()),
            Self::Lines { out, since, .. } => {
                writeln!(out, "{:>6.1} s  {what}", since.elapsed().as_secs_f64())
            }
        }
    }

    /// Says who was killed, unless there are too many to read.
    pub(super) fn killed(&mut self, name: &str) -> io::Result<()> {
        match self {
            Self::Lines { pause, .. } if !pause.is_zero() => Ok(()),
            _ => self.say(&format!("kill -9 {name}")),
        }
    }

    /// Resolves when the reader wants to quit.
    pub(super) async fn quit(&mut self) {
        let Self::Screen { keys, .. } = self else { return std::future::pending().await };
        while let Some(Ok(event)) = keys.next().await {
            if keys::wish(&event) == Some(Wish::Quit) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

fn headline(turn: &Turn, fleet: &Fleet, sent: u64, of: u64) -> String {
    let kills =
        if fleet.kills.count() > 0 { format!(" · {} killed", fleet.kills.count()) } else { String::new() };
    let done: u64 = fleet.reports.values().map(settled).sum();
    format!(
        "sent {sent}/{of} · settled {done} · consumers {}→{}{kills} · {}",
        fleet.replicas(),
        turn.decision.desired,
        turn.decision.reason.word()
    )
}

fn settled(report: &exportpool_contract::PodReport) -> u64 {
    let queues = [report.queues.export_jobs.settled, report.queues.download_tasks.settled];
    queues.iter().map(|settled| settled.done + settled.failed).sum()
}

fn depths(turn: &Turn) -> String {
    // An empty dead-letter queue is how it should be.
    let shown = turn
        .sample
        .queues
        .iter()
        .filter(|queue| !queue.dead_letters || queue.depth.as_ref().map_or(1, Depth::total) > 0);
    let all = shown.map(|queue| match &queue.depth {
        Ok(Depth { visible, in_flight, delayed }) if *delayed > 0 => {
            format!("{} {visible}+{in_flight}+{delayed}", queue.queue)
        }
        Ok(Depth { visible, in_flight, .. }) => format!("{} {visible}+{in_flight}", queue.queue),
        Err(why) => format!("{} ? ({})", queue.queue, why.reason()),
    });
    all.collect::<Vec<_>>().join(", ")
}
