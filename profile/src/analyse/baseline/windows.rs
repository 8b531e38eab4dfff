//! A profile in windows of like work.
//!
//! What is not as it usually is, is left out: before the pool fills, a second after it while connections are made and caches
//! fill, and after it empties because work runs out. A pause between, with nothing in hand, takes no time: throughput is that
//! of the time with work. What remains is cut when a window has lasted 0.3 s and each slot has settled a task on average, or a
//! 64th of all tasks are: workers that started together end together, and a window by the clock alone would have one round of
//! theirs or two.
//!
//! Neighbouring windows are alike all the same: who compares them has to take account of that, as the module `rank` does.

use crate::{
    analyse::quantile::median,
    record::{Began, Moment},
};

/// A profile has so many windows at most, however long it is: more would hardly tell more, and a baseline is small.
pub(super) const MOST: u64 = 64;
/// A window is at least so long, in microseconds: three moments, with thirty probes of main's loop.
const LEAST_MICROS: u64 = 300_000;
/// So long after the pool has filled it is not as it will be, in microseconds.
const WARM_UP_MICROS: u64 = 1_000_000;

/// A stretch of work.
#[derive(Debug, Default)]
pub(super) struct Window<'a> {
    /// Those with work.
    pub(super) moments: Vec<&'a Moment>,
    /// How long they are together, in microseconds.
    pub(super) micros: u64,
    /// Tasks that were settled meanwhile.
    pub(super) settled: u64,
    /// When it ends, since the profile began, in microseconds: where the next one begins.
    pub(super) until_micros: u64,
}

/// In the order of time.
pub(super) struct Windows<'a> {
    /// When the first one begins, since the profile began, in microseconds.
    pub(super) from_micros: u64,
    pub(super) all: Vec<Window<'a>>,
}

/// The windows of a profile; none of one without work.
pub(super) fn windows<'a>(began: &Began, moments: &'a [Moment]) -> Windows<'a> {
    let steady = steady(moments);
    let settled = |at: Option<&Moment>| at.map_or(0, |moment| moment.settled);
    let all = settled(steady.last()).saturating_sub(settled(steady.first()));
    let slots = u64::from(began.workers) * u64::from(began.tasks_per_worker);
    let tasks = all.div_ceil(MOST).max(slots).max(1);
    let (mut cut, mut window) = (Vec::new(), Window::default());
    for (before, moment) in steady.iter().zip(steady.iter().skip(1)) {
        window.take(before, moment);
        if window.micros >= LEAST_MICROS && window.settled >= tasks {
            cut.push(std::mem::take(&mut window));
        }
    }
    Windows { from_micros: steady.first().map_or(0, |first| first.at_micros), all: cut }
}

impl<'a> Window<'a> {
    fn take(&mut self, before: &Moment, moment: &'a Moment) {
        self.until_micros = moment.at_micros;
        // What was worked on is recorded a little later, perhaps in a pause.
        self.settled += moment.settled.saturating_sub(before.settled);
        if is_working(moment) {
            self.micros += moment.at_micros.saturating_sub(before.at_micros);
            self.moments.push(moment);
        }
    }
}

/// Something is in hand: slots that are empty meanwhile wait for it, as those of a consumer whose main loop is blocked.
fn is_working(moment: &Moment) -> bool {
    moment.busy > 0 || moment.waiting > 0 || moment.in_hand > 0
}

/// From when at least half as many slots are busy as usual, and warm, until they no longer are.
fn steady(moments: &[Moment]) -> &[Moment] {
    let mut busy: Vec<f64> =
        moments.iter().map(|moment| f64::from(moment.busy)).filter(|busy| *busy > 0.0).collect();
    let half = median(&mut busy) / 2.0;
    let is_usual = |moment: &Moment| moment.busy > 0 && f64::from(moment.busy) >= half;
    let filled = moments.iter().find(|moment| is_usual(moment)).map_or(u64::MAX, |moment| moment.at_micros);
    let warm = moments.partition_point(|moment| moment.at_micros < filled.saturating_add(WARM_UP_MICROS));
    let end = moments.iter().rposition(is_usual).map_or(0, |last| last + 1);
    moments.get(warm..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Tool, fixture};

    /// A tenth of a second each: how many slots are busy, and tasks that are settled meanwhile.
    fn moments(course: impl IntoIterator<Item = (u32, u64)>) -> Vec<Moment> {
        let mut settled = 0;
        let moment = |(tenth, (busy, more)): (u64, (u32, u64))| {
            settled += more;
            Moment { at_micros: tenth * 100_000, busy, settled, ..Moment::default() }
        };
        (1..).zip(course).map(moment).collect()
    }

    fn cut(moments: &[Moment]) -> Vec<(u64, u64)> {
        let windows = windows(&fixture::began(Tool::Doctor), moments);
        windows.all.iter().map(|window| (window.micros, window.settled)).collect()
    }

    #[test]
    fn the_start_and_the_end_are_left_out() {
        let idle = || std::iter::repeat_n((0, 0), 20);
        let slow = std::iter::repeat_n((2, 0), 10);
        let work = std::iter::repeat_n((2, 5), 31);
        let course = moments(idle().chain(slow).chain(work).chain(idle()));
        assert_eq!(cut(&course), [(300_000, 15); 10]);
    }

    #[test]
    fn a_pause_takes_no_time_and_what_is_recorded_in_it_counts() {
        let wave = [(2, 5), (2, 5), (2, 5), (0, 6), (0, 0), (0, 0)];
        let course = moments(std::iter::repeat_n((2, 1), 14).chain(wave.into_iter().cycle().take(60)));
        let cut = cut(&course);
        assert!(cut.len() >= 8 && cut.iter().skip(1).all(|(micros, _)| *micros == 300_000), "{cut:?}");
        assert!(cut.iter().skip(2).all(|(_, settled)| *settled == 21), "{cut:?}");
    }

    #[test]
    fn a_consumer_that_waits_with_empty_slots_takes_its_time() {
        let mut course = moments(std::iter::repeat_n((2, 2), 40));
        for moment in &mut course[15..35] {
            (moment.busy, moment.in_hand) = (0, 3);
        }
        assert_eq!(cut(&course).iter().map(|(micros, _)| micros).sum::<u64>(), 2_700_000);
    }

    #[test]
    fn workers_in_step_have_whole_rounds_in_each_window() {
        let round = [(2, 0), (2, 0), (2, 0), (2, 0), (2, 0), (2, 0), (2, 1), (2, 1)];
        let course = moments(round.into_iter().cycle().take(120));
        assert!(cut(&course).iter().skip(1).all(|window| *window == (800_000, 2)), "{:?}", cut(&course));
    }

    #[test]
    fn of_a_long_profile_there_are_no_more_windows() {
        assert_eq!(cut(&moments(std::iter::repeat_n((2, 3), 20_000))).len(), 63, "and a rest");
        assert_eq!(cut(&moments(std::iter::repeat_n((0, 0), 100))), []);
        assert_eq!(cut(&[]), []);
    }
}
