//! What a run tells: where it sends, how far it is, what was accepted.

use std::{
    io::{IsTerminal as _, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{
    plan::Options,
    send::{Accepted, Stopped},
    units::bytes_text,
};
use crate::{
    say::note,
    verify::{Findings, Settled},
};

/// Time between two lines of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What is about to be sent, and where.
pub(super) fn opening(options: &Options, queue_url: &str) -> String {
    let Options { run, messages, tasks_per_job, seed, source, .. } = options;
    let delay = humantime::format_duration(options.delay);
    let files = if options.mixed {
        "files of all kinds".to_owned()
    } else {
        format!("{} of {}", counted(u64::from(*tasks_per_job), "file"), bytes_text(options.size))
    };
    format!(
        "run   {run}, seed {seed}: {}, each of {files} after {delay}\nqueue {queue_url}\nfiles {source}",
        counted(*messages, "job"),
    )
}

fn counted(number: u64, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}

/// How far it is: a bar on a terminal, else a line now and then.
pub(super) struct Progress {
    total: u64,
    bar: Option<ProgressBar>,
    told: Instant,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        Self { total, bar: stderr().is_terminal().then(|| bar(total)), told: Instant::now() }
    }

    pub(super) fn tell(&mut self, accepted: &Accepted) {
        if let Some(bar) = &self.bar {
            bar.set_message(progress_line(accepted, self.total));
            bar.set_position(accepted.messages + accepted.refused);
        } else if self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            note(&progress_line(accepted, self.total));
        }
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {msg}, {eta} left");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn refused_text(accepted: &Accepted) -> String {
    if accepted.refused == 0 { String::new() } else { format!(", {} refused", accepted.refused) }
}

fn progress_line(accepted: &Accepted, total: u64) -> String {
    let Accepted { messages, .. } = accepted;
    format!("{messages} of {total} accepted, {:.0}/s{}", accepted.rate(), refused_text(accepted))
}

/// How much is settled: a line now and then.
#[derive(Default)]
pub(super) struct Waiting {
    told: Option<Instant>,
}

impl Waiting {
    pub(super) fn tell(&mut self, settled: Settled) {
        if self.told.is_none_or(|told| told.elapsed() >= LINE_EVERY) {
            self.told = Some(Instant::now());
            let Settled { tasks, settled, open } = settled;
            note(&format!("{settled} of {} settled, {} open", counted(tasks, "task"), counted(open, "job")));
        }
    }
}

/// What was found, for people.
pub(super) fn findings(findings: &Findings) -> String {
    let Findings { tasks, stored, failed, lost, doubled, unclosed, .. } = findings;
    let mut text = format!(
        "stored   {stored} of {}, failed {failed}, lost {lost}, doubled {doubled}, not closed {unclosed}",
        counted(*tasks, "task")
    );
    for problem in &findings.problems {
        text += &format!("\n  {problem}");
    }
    text
}

/// What was found, for machines.
pub(super) fn findings_document(findings: &Findings) -> Value {
    json!({
        "tasks": findings.tasks,
        "stored": findings.stored,
        "failed": findings.failed,
        "deadLettered": findings.dead_lettered,
        "lost": findings.lost,
        "doubled": findings.doubled,
        "unclosed": findings.unclosed,
        "givenUp": findings.given_up,
        "openUploads": findings.uploads.with_parts,
        "emptyUploads": findings.uploads.empty,
        "problems": findings.problems,
    })
}

/// The outcome for people.
pub(super) fn summary(options: &Options, accepted: &Accepted) -> String {
    let Accepted { messages, bytes, refused, .. } = accepted;
    let (seconds, rate, planned) = (accepted.elapsed.as_secs_f64(), accepted.rate(), options.messages);
    let (tasks, bytes) = (counted(accepted.tasks, "task"), bytes_text(*bytes));
    let mut text = format!(
        "accepted {messages} of {planned} ({tasks}, {bytes} of messages) in {seconds:.1} s, {rate:.1}/s\n\
         refused  {refused}",
    );
    let (jobs, last) = (options.job_id(0), planned - 1);
    let jobs = jobs.trim_end_matches('0');
    match accepted.stopped {
        None => text += &format!("\njobs     {jobs}<n>, n from 0 to {last}"),
        // Sent side by side: which came through is not a range.
        Some(_) if *messages > 0 => text += &format!("\njobs     {jobs}<n>, some n up to {last}"),
        Some(_) => {}
    }
    for refusal in accepted.refusals.iter().take(5) {
        text += &format!("\n  {}: {}: {}", refusal.job_id, refusal.code, refusal.message);
    }
    if accepted.stopped.is_some() {
        text += "\nstopped before the end: the remaining messages were not sent";
    }
    text
}

/// The outcome for machines.
pub(super) fn document(options: &Options, queue_url: &str, accepted: &Accepted) -> Value {
    let error = match &accepted.stopped {
        Some(Stopped::Failed(error)) => Some(error.to_string()),
        Some(Stopped::Interrupted) | None => None,
    };
    json!({
        "run": options.run,
        "seed": options.seed,
        "jobs": format!("{}-{}", options.prefix, options.run),
        "queue": queue_url,
        "source": options.source,
        "planned": options.messages,
        "messages": accepted.messages,
        "tasks": accepted.tasks,
        "bytes": accepted.bytes,
        "seconds": accepted.elapsed.as_secs_f64(),
        "rate": accepted.rate(),
        "refused": accepted.refused,
        "refusals": accepted.refusals,
        "interrupted": accepted.stopped == Some(Stopped::Interrupted),
        "error": error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{error::Refused, plan::tests::options};

    fn accepted(refused: u64) -> Accepted {
        let refusal = Refused { job_id: "load-r1-3".into(), code: "TooLong".into(), message: "no".into() };
        Accepted {
            messages: 10,
            tasks: 1,
            bytes: 2_048,
            elapsed: Duration::from_secs(4),
            refused,
            refusals: vec![refusal; usize::from(refused > 0)],
            stopped: None,
        }
    }

    #[test]
    fn the_outcome_is_in_words() {
        assert_eq!(
            summary(&options(), &accepted(0)),
            "accepted 10 of 1000 (1 task, 2 KiB of messages) in 4.0 s, 2.5/s\n\
             refused  0\n\
             jobs     load-r1-<n>, n from 0 to 999"
        );
        let refused = summary(&options(), &accepted(2));
        assert!(refused.contains("refused  2") && refused.contains("load-r1-3: TooLong: no"), "{refused}");
        let stopped = Accepted { stopped: Some(Stopped::Interrupted), ..accepted(0) };
        let told = summary(&options(), &stopped);
        assert!(told.contains("were not sent") && told.contains("some n up to 999"), "{told}");
        let nothing = Accepted { messages: 0, ..stopped };
        assert!(!summary(&options(), &nothing).contains("jobs "), "there are none");
    }

    #[test]
    fn the_outcome_is_json_too() {
        let outcome = document(&options(), "http://q", &accepted(2));
        let read = |name: &str| outcome[name].clone();
        assert_eq!([read("messages"), read("planned"), read("refused")], [10, 1_000, 2].map(Value::from));
        assert_eq!(
            (read("rate"), read("error"), read("interrupted")),
            (2.5.into(), Value::Null, false.into())
        );
        assert_eq!(outcome["refusals"][0]["jobId"], "load-r1-3");
    }

    #[test]
    fn the_opening_names_the_run_the_seed_and_the_places() {
        let told = opening(&options(), "http://q");
        assert!(
            told.starts_with("run   r1, seed 1: 1000 jobs, each of 3 files of 10 KiB after 400ms\n"),
            "{told}"
        );
        assert!(told.contains("http://q") && told.contains("http://h:1/_source"), "{told}");
    }
}
