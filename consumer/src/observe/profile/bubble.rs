//! What is done for messages.

use std::time::Instant;

use exportpool_profile::record::Record;

use super::{Ended, Records, moments::Instrument};
use crate::observe::operations::{Done, Following, Operations};

/// Operations, as they end.
pub(super) struct Bubble(Following);

impl Bubble {
    pub(super) fn begin(operations: &Operations, began: Instant) -> Self {
        Self(operations.follow(began))
    }
}

impl Instrument for Bubble {
    fn tell(&mut self, _at_micros: u64, records: &Records) -> Result<(), Ended> {
        let Done { operations, left_out } = self.0.take();
        operations.into_iter().try_for_each(|operation| records.tell(&Record::Operation(operation)))?;
        if left_out > 0 {
            records.tell(&Record::LeftOut { operations: left_out })?;
        }
        Ok(())
    }
}
