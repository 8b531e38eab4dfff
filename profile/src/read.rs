//! A profile that was recorded.

use std::io::{self, BufRead};

use crate::record::{
    Began, Blocked, Ending, Live, Moment, Operation, Queues, Record, SCHEMA, Samples, Stack, Wave,
};

/// Everything of a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Whose it is.
    pub began: Began,
    /// In the order of time.
    pub moments: Vec<Moment>,
    /// Loops that did not answer.
    pub blocked: Vec<Blocked>,
    /// Why loops were not asked for their stacks any more, if that is so.
    pub no_stacks: Option<String>,
    /// By their numbers.
    pub stacks: Vec<Stack>,
    /// In the order of time.
    pub samples: Vec<Samples>,
    /// In the order of time.
    pub live: Vec<Live>,
    /// As they ended.
    pub operations: Vec<Operation>,
    /// Operations that were not told.
    pub left_out: u64,
    /// In the order of time.
    pub waves: Vec<Wave>,
    /// In the order of time; none where whoever recorded it did not know the queues.
    pub queues: Vec<Queues>,
    /// `None`: the recording was cut off, and what is here is what was before.
    pub ending: Option<Ending>,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file cannot be.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It begins with something else.
    #[error("line 1 does not begin a profile: {0}")]
    NoProfile(String),
    /// Another version made it.
    #[error(
        "it is of schema {0}, and this version reads {SCHEMA}: read it with the version that recorded it"
    )]
    OtherSchema(u32),
    /// A line that is not the last one.
    #[error("line {0} is no record: {1}")]
    NoRecord(usize, serde_json::Error),
}

impl Recorded {
    /// Reads a recording, a record a line. A last line that is cut off is left out.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(lines: impl BufRead) -> Result<Self, Unreadable> {
        let mut lines = lines.lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let mut recorded = Self::began(&first)?;
        let mut broken = None;
        for (number, line) in (2..).zip(lines) {
            if let Some((number, error)) = broken.take() {
                return Err(Unreadable::NoRecord(number, error));
            }
            match serde_json::from_str(&line?) {
                Ok(record) => recorded.take(record),
                Err(error) => broken = Some((number, error)),
            }
        }
        Ok(recorded)
    }

    /// The consumer was never given anything to do.
    #[must_use]
    pub fn received_nothing(&self) -> bool {
        let settled = |at: Option<&Moment>| at.map(|moment| moment.settled);
        settled(self.moments.first()) == settled(self.moments.last())
            && self.moments.iter().all(|moment| moment.in_hand == 0 && moment.busy == 0)
    }

    /// One of which nothing is known yet but whose it is.
    #[must_use]
    pub const fn of(began: Began) -> Self {
        Self {
            began,
            moments: Vec::new(),
            blocked: Vec::new(),
            no_stacks: None,
            stacks: Vec::new(),
            samples: Vec::new(),
            live: Vec::new(),
            operations: Vec::new(),
            left_out: 0,
            waves: Vec::new(),
            queues: Vec::new(),
            ending: None,
        }
    }

    /// The functions of a stack, the innermost first; none of one that was not told.
    #[must_use]
    pub fn frames(&self, stack: u32) -> &[String] {
        let by_number = self.stacks.get(stack as usize).filter(|found| found.id == stack);
        let found = by_number.or_else(|| self.stacks.iter().find(|found| found.id == stack));
        found.map_or(&[], |found| &found.frames)
    }

    fn began(line: &str) -> Result<Self, Unreadable> {
        match serde_json::from_str(line) {
            Ok(Record::Began(began)) if began.schema == SCHEMA => Ok(Self::of(began)),
            Ok(Record::Began(began)) => Err(Unreadable::OtherSchema(began.schema)),
            Ok(_) => Err(Unreadable::NoProfile("it is another record".to_owned())),
            Err(error) => Err(Unreadable::NoProfile(error.to_string())),
        }
    }

    fn take(&mut self, record: Record) {
        match record {
            // There is one.
            Record::Began(_) => {}
            Record::Moment(moment) => self.moments.push(moment),
            Record::Blocked(blocked) => self.blocked.push(blocked),
            Record::NoStacks { why } => self.no_stacks = Some(why),
            Record::Stack(stack) => self.stacks.push(stack),
            Record::Samples(samples) => self.samples.push(samples),
            Record::Live(live) => self.live.push(live),
            Record::Operation(operation) => self.operations.push(operation),
            Record::LeftOut { operations } => self.left_out += operations,
            Record::Wave(wave) => self.waves.push(wave),
            Record::Queues(queues) => self.queues.push(queues),
            Record::Ended(ending) => self.ending = Some(ending),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: &str = r#"{"is":"began","schema":1,"tool":"doctor","version":"1","pid":7,"unixMillis":0,"workers":2,"tasksPerWorker":1,"cpus":2}"#;

    fn moment(at_micros: u64) -> String {
        let moment = Moment { at_micros, ..Moment::default() };
        serde_json::to_string(&Record::Moment(moment)).unwrap()
    }

    fn read(text: &str) -> Result<Recorded, String> {
        Recorded::read(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_recorded_is_read() {
        let ended = serde_json::to_string(&Record::Ended(Ending::Gone { why: "killed".into() })).unwrap();
        let recorded = read(&format!("{BEGAN}\n{}\n{}\n{ended}\n", moment(1), moment(2))).unwrap();
        assert_eq!((recorded.began.pid, recorded.moments.len()), (7, 2));
        assert_eq!(recorded.ending, Some(Ending::Gone { why: "killed".into() }));
    }

    #[test]
    fn of_one_that_is_cut_off_anywhere_the_whole_lines_are_read() {
        let whole = format!("{BEGAN}\n{}\n{}\n", moment(1), moment(2));
        for length in BEGAN.len()..whole.len() {
            let recorded = read(&whole[..length]).unwrap();
            assert!(recorded.moments.len() <= 2 && recorded.ending.is_none(), "{length}");
        }
        for length in 0..BEGAN.len() {
            assert!(read(&whole[..length]).unwrap_err().contains("line 1"), "{length}");
        }
    }

    #[test]
    fn what_is_no_recording_is_told_by_its_line() {
        let other = BEGAN.replace("\"schema\":1", "\"schema\":9");
        let broken = format!("{BEGAN}\nnonsense\n{}\n", moment(1));
        for (text, told) in
            [(other, "schema 9"), (moment(1), "line 1"), (broken, "line 2"), (String::new(), "line 1")]
        {
            let error = read(&text).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
