//! The summary: for people, and with `--json` for machines.

use std::{fmt::Write, time::Duration};

use exportpool_contract::PodReport;
use serde::Serialize;

use super::fleet::Kills;
use crate::verify::Findings;

/// A consumer that is killed before this has hardly asked for anything.
const AT_BIRTH_MILLIS: u64 = 20;

/// What is told beside an AWS that was there before.
const OWN_ONLY: &str = "  redelivered, handed over, replicas and loop delay are of this demo's consumers alone; the rest is of bucket and \
    table\n";

/// How a run went.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub(super) messages: u64,
    pub(super) tasks: u64,
    pub(super) stored: u64,
    pub(super) failed: u64,
    pub(super) dead_lettered: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    /// Jobs that are not closed.
    pub(super) unclosed: u64,
    /// Tasks that failed though their file was there.
    pub(super) given_up: u64,
    /// Multipart uploads with parts that nobody completed or aborted.
    pub(super) open_uploads: u64,
    /// Such uploads without a part: cut off before the ledger knew them.
    pub(super) empty_uploads: u64,
    /// Messages received again, as the consumers last reported.
    pub(super) redelivered: u64,
    /// Tasks sent from a job to `download-tasks`, as the consumers last reported.
    pub(super) handed_over: u64,
    pub(super) kills: u64,
    /// Of these, within 20 ms of the consumer's start.
    pub(super) kills_at_birth: u64,
    /// How old the killed consumers were.
    pub(super) kill_age_ms: KillAge,
    pub(super) peak_replicas: u64,
    pub(super) final_replicas: u64,
    /// From the first message to the last settled task.
    pub(super) seconds: f64,
    pub(super) throughput_per_second: f64,
    pub(super) latency_ms: Latency,
    /// Of the main loop, each the worst of all consumers.
    pub(super) loop_delay_ms: LoopDelay,
    /// The AWS was there before: what consumers of others did is in the table and the bucket, and so in what is stored
    /// and failed; it is not in what consumers reported.
    pub(super) own_consumers_only: bool,
}

/// From a queue to settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) p50: u64,
    pub(super) p99: u64,
}

/// Of killed consumers, from their start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct KillAge {
    pub(super) p10: u64,
    pub(super) p50: u64,
    pub(super) max: u64,
}

/// Delay of the main loop in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct LoopDelay {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// What the fleet knows of a run.
pub(super) struct Course<'a> {
    pub(super) messages: u64,
    /// When the first message was sent, in milliseconds since the Unix epoch.
    pub(super) began_at: u64,
    pub(super) kills: Kills,
    pub(super) peak: usize,
    pub(super) finally: usize,
    pub(super) reports: Vec<&'a PodReport>,
    /// Others may have consumers on the same queues.
    pub(super) shared: bool,
}

impl Summary {
    pub(super) fn new(course: &Course<'_>, findings: &Findings) -> Self {
        let sum = |count: fn(&PodReport) -> u64| course.reports.iter().map(|report| count(report)).sum();
        let millis = findings.last_settled_at.map_or(0, |at| at.saturating_sub(course.began_at));
        let ages = course.kills.ages();
        let seconds = Duration::from_millis(millis).as_secs_f64();
        Self {
            messages: course.messages,
            tasks: findings.tasks,
            stored: findings.stored,
            failed: findings.failed,
            dead_lettered: findings.dead_lettered,
            lost: findings.lost,
            doubled: findings.doubled,
            unclosed: findings.unclosed,
            given_up: findings.given_up,
            open_uploads: findings.uploads.with_parts,
            empty_uploads: findings.uploads.empty,
            redelivered: sum(|report| {
                report.queues.export_jobs.redelivered + report.queues.download_tasks.redelivered
            }),
            handed_over: sum(|report| report.counters.handed_over),
            kills: ages.len() as u64,
            kills_at_birth: ages.iter().filter(|age| **age < AT_BIRTH_MILLIS).count() as u64,
            kill_age_ms: KillAge {
                p10: quantile(&ages, 0.1),
                p50: quantile(&ages, 0.5),
                max: ages.last().copied().unwrap_or_default(),
            },
            peak_replicas: course.peak as u64,
            final_replicas: course.finally as u64,
            seconds: round(seconds),
            throughput_per_second: round((findings.stored + findings.failed) as f64 / seconds.max(0.001)),
            latency_ms: Latency {
                p50: quantile(&findings.latencies, 0.5),
                p99: quantile(&findings.latencies, 0.99),
            },
            loop_delay_ms: loop_delay(&course.reports),
            own_consumers_only: course.shared,
        }
    }

    /// Nothing is lost and nothing is doubled, every job is closed, no upload is left open.
    pub(super) const fn holds(&self) -> bool {
        let uploads = self.open_uploads + self.empty_uploads;
        self.lost + self.doubled + self.unclosed + self.given_up + uploads == 0
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let verdict =
            if self.holds() { "every file is there, once" } else { "NOT every file is there, once" };
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<12} {value}");
        };
        line("jobs", format!("{} with {} tasks", self.messages, self.tasks));
        line("stored", self.stored.to_string());
        line("failed", format!("{} ({} dead letters)", self.failed, self.dead_lettered));
        line("lost", self.lost.to_string());
        line("doubled", self.doubled.to_string());
        line("redelivered", self.redelivered.to_string());
        line("handed over", self.handed_over.to_string());
        line(
            "replicas",
            format!("0 → {} → {} ({} kills)", self.peak_replicas, self.final_replicas, self.kills),
        );
        line("time", format!("{:.1} s, {:.1} tasks/s", self.seconds, self.throughput_per_second));
        line(
            "latency",
            format!("p50 {} ms, p99 {} ms, from queue to recorded", self.latency_ms.p50, self.latency_ms.p99),
        );
        let delay = self.loop_delay_ms;
        line(
            "loop delay",
            format!(
                "p50 {} ms, p99 {} ms, p99.9 {} ms, max {} ms",
                delay.p50, delay.p99, delay.p999, delay.max
            ),
        );
        if self.own_consumers_only {
            text.push_str(OWN_ONLY);
        }
        let _ = write!(text, "  {verdict}");
        text
    }
}

fn loop_delay(reports: &[&PodReport]) -> LoopDelay {
    let worst = |micros: fn(&PodReport) -> u64| {
        round(
            Duration::from_micros(reports.iter().map(|report| micros(report)).max().unwrap_or(0))
                .as_secs_f64()
                * 1e3,
        )
    };
    LoopDelay {
        p50: worst(|report| report.loop_delay.p50_micros),
        p99: worst(|report| report.loop_delay.p99_micros),
        p999: worst(|report| report.loop_delay.p999_micros),
        max: worst(|report| report.loop_delay.max_micros),
    }
}

/// The value at a share of sorted values (nearest rank).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank between 0 and the length"
)]
fn quantile(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// To two decimals: more would be noise.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::ledger::Uploads;

    #[test]
    fn a_quantile_is_of_the_nearest_rank() {
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.99)), (100, 198));
        assert_eq!((quantile(&[7], 0.99), quantile(&[], 0.5)), (7, 0));
    }

    #[test]
    fn one_lost_task_fails_a_run() {
        let course = Course {
            messages: 1,
            began_at: 0,
            kills: Kills::default(),
            peak: 1,
            finally: 0,
            reports: vec![],
            shared: false,
        };
        let with = |lost, doubled| Summary::new(&course, &Findings { lost, doubled, ..Findings::default() });
        assert!(with(0, 0).holds() && !with(1, 0).holds() && !with(0, 1).holds());
        let open =
            |with_parts, empty| Findings { uploads: Uploads { with_parts, empty }, ..Findings::default() };
        let unfinished = [
            open(1, 0),
            open(0, 1),
            Findings { unclosed: 1, ..Findings::default() },
            Findings { given_up: 1, ..Findings::default() },
        ];
        assert!(unfinished.iter().all(|findings| !Summary::new(&course, findings).holds()));
        assert!(with(1, 0).text().contains("NOT every file"));
    }

    #[test]
    fn what_only_this_demos_consumers_can_say_is_told_as_such_beside_others() {
        let text = |shared| {
            let course = Course {
                messages: 1,
                began_at: 0,
                kills: Kills::default(),
                peak: 1,
                finally: 0,
                reports: vec![],
                shared,
            };
            Summary::new(&course, &Findings::default()).text()
        };
        assert!(text(true).contains("of this demo's consumers alone"));
        assert!(!text(false).contains("this demo's consumers"));
    }

    #[test]
    fn the_document_has_the_published_names() {
        let course = Course {
            messages: 1,
            began_at: 0,
            kills: Kills::default(),
            peak: 1,
            finally: 0,
            reports: vec![],
            shared: false,
        };
        let document = serde_json::to_value(Summary::new(&course, &Findings::default())).unwrap();
        for name in [
            "messages",
            "tasks",
            "stored",
            "failed",
            "deadLettered",
            "lost",
            "doubled",
            "redelivered",
            "handedOver",
            "unclosed",
            "givenUp",
            "openUploads",
            "emptyUploads",
            "kills",
            "killsAtBirth",
            "killAgeMs",
            "peakReplicas",
            "finalReplicas",
            "seconds",
            "throughputPerSecond",
            "latencyMs",
            "loopDelayMs",
            "ownConsumersOnly",
        ] {
            assert!(!document[name].is_null(), "{name}");
        }
    }
}
