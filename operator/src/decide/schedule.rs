//! Times at which at least so many pods are there.

use croner::{Cron, parser::CronParser};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::api::Schedule;

/// A schedule that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// `start` is not understood.
    #[error(
        "schedule {name:?}: start {start:?} is not understood ({why}); write it as in a CronJob, such as \"0 8 * * 1-5\""
    )]
    Start {
        /// The schedule.
        name: String,
        /// What is there.
        start: String,
        /// What the reader says.
        why: String,
    },
    /// `timeZone` is not known.
    #[error(
        "schedule {name:?}: timeZone {zone:?} is not known; write a name of the IANA database, such as \"Europe/Berlin\""
    )]
    Zone {
        /// The schedule.
        name: String,
        /// What is there.
        zone: String,
    },
}

/// The schedule that asks for most now, if any is on; where two ask for the same, the first.
///
/// A start that falls into an hour that clocks skip is right after it; one in an hour that comes twice is once.
///
/// # Errors
/// [`InvalidSchedule`] for the first that cannot be kept.
pub fn in_force(schedules: &[Schedule], now: Timestamp) -> Result<Option<&Schedule>, InvalidSchedule> {
    let mut most: Option<&Schedule> = None;
    for schedule in schedules {
        let more = most.is_none_or(|most| schedule.min_replicas > most.min_replicas);
        if is_on(schedule, now)? && more {
            most = Some(schedule);
        }
    }
    Ok(most)
}

fn is_on(schedule: &Schedule, now: Timestamp) -> Result<bool, InvalidSchedule> {
    let zone = TimeZone::get(&schedule.time_zone).map_err(|_| InvalidSchedule::Zone {
        name: schedule.name.clone(),
        zone: schedule.time_zone.clone(),
    })?;
    let cron = parse(schedule)?;
    let lasts = SignedDuration::from_secs(i64::from(schedule.duration_seconds));
    // The newest start is within the duration, or it is over.
    let Ok(earliest) = now.checked_sub(lasts) else { return Ok(false) };
    let next = cron.find_next_occurrence(&earliest.to_zoned(zone), false);
    Ok(next.is_ok_and(|start| start.timestamp() <= now))
}

fn parse(schedule: &Schedule) -> Result<Cron, InvalidSchedule> {
    let parser = CronParser::builder().seconds(croner::parser::Seconds::Disallowed).build();
    parser.parse(&schedule.start).map_err(|error| InvalidSchedule::Start {
        name: schedule.name.clone(),
        start: schedule.start.clone(),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(start: &str, zone: &str) -> Schedule {
        Schedule {
            name: "s".into(),
            start: start.into(),
            duration_seconds: 3_600,
            time_zone: zone.into(),
            min_replicas: 1,
        }
    }

    /// The minutes of two days around a change of clocks at which a schedule is on, from the first hour given.
    fn on(schedule: &Schedule, from: &str, hours: i64) -> Vec<Timestamp> {
        let from: Timestamp = from.parse().unwrap();
        let minutes = (0..hours * 60).map(|minute| from + SignedDuration::from_mins(minute));
        minutes.filter(|now| is_on(schedule, *now).unwrap()).collect()
    }

    #[test]
    fn a_start_in_a_skipped_hour_is_once_right_after_it() {
        // Clocks in Berlin went from 02:00 to 03:00 at 01:00 UTC.
        let on = on(&schedule("30 2 * * *", "Europe/Berlin"), "2026-03-28T22:00:00Z", 12);
        assert_eq!(on.len(), 60, "{:?} to {:?}", on.first(), on.last());
        let first = on[0].to_string();
        assert!(("2026-03-29T01:00:00Z"..="2026-03-29T01:30:00Z").contains(&first.as_str()), "{first}");
    }

    #[test]
    fn a_start_in_an_hour_that_comes_twice_is_once() {
        // Clocks in Berlin went from 03:00 back to 02:00 at 01:00 UTC.
        let on = on(&schedule("30 2 * * *", "Europe/Berlin"), "2026-10-24T22:00:00Z", 12);
        assert_eq!(on.len(), 60, "{:?} to {:?}", on.first(), on.last());
    }

    #[test]
    fn a_start_is_in_the_time_zone_of_the_schedule() {
        let on = on(&schedule("0 8 * * 1-5", "Asia/Kolkata"), "2026-11-25T00:00:00Z", 24);
        assert_eq!((on.len(), on[0].to_string()), (60, "2026-11-25T02:30:00Z".to_owned()));
    }
}
