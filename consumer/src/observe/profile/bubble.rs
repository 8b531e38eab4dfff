//! What is done for messages.

use std::time::Instant;

use exportpool_profile::record::Record;

use super::{Ended, Records, moments::Instrument};
use crate::observe::operations::{Following, Operations};

/// Operations, as they end.
pub(super) struct Bubble(Following);

impl Bubble {
    pub(super) fn begin(operations: &Operations, began: Instant) -> Self {
        Self(operations.follow(began))
    }
}

impl Instrument for Bubble {
    fn tell(&mut self, _at_micros: u64, records: &Records) -> Result<(), Ended> {
        Ok(self.0.take().into_iter().try_for_each(|operation| records.tell(&Record::Operation(operation)))?)
    }
}
