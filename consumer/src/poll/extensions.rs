//! Extensions under way. A message that is given back waits for those of its own: SQS may take two requests in
//! either order, and an extension that comes last would hide the message for its whole visibility timeout.

use std::{collections::HashMap, sync::Arc};

use super::acknowledge::Return;
use crate::message::Receipt;

/// By receipt: how many extensions are under way, and the return that waits for them.
#[derive(Debug, Default)]
pub(super) struct Extensions(HashMap<Arc<str>, (usize, Option<Return>)>);

impl Extensions {
    /// An extension is asked for.
    pub(super) fn begun(&mut self, receipt: &Receipt) {
        self.0.entry(Arc::clone(&receipt.0)).or_default().0 += 1;
    }

    /// A message is to be given back: answers it if that may be now, and keeps it else.
    pub(super) fn give_back(&mut self, back: Return) -> Option<Return> {
        match self.0.get_mut(&back.1.0) {
            Some((_, waiting)) => {
                *waiting = Some(back);
                None
            }
            None => Some(back),
        }
    }

    /// An extension was answered, or is no longer waited for. Answers the return that waited for it, at the last.
    pub(super) fn answered(&mut self, receipt: &Receipt) -> Option<Return> {
        let (under_way, _) = self.0.get_mut(&receipt.0)?;
        *under_way -= 1;
        if *under_way > 0 { None } else { self.0.remove(&receipt.0)?.1 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::QueueName;

    #[test]
    fn a_return_waits_for_the_last_of_its_extensions_and_for_no_others() {
        let back = |name: &str| (QueueName::ExportJobs, Receipt(name.into()), Duration::ZERO);
        let (a, b) = (Receipt("a".into()), Receipt("b".into()));
        let mut extensions = Extensions::default();
        [&a, &a, &b].into_iter().for_each(|receipt| extensions.begun(receipt));
        assert_eq!(extensions.give_back(back("a")), None);
        assert_eq!(extensions.answered(&b), None, "nothing waits for it");
        assert_eq!(extensions.give_back(back("b")), Some(back("b")), "it is answered");
        assert_eq!(extensions.answered(&a), None, "another is under way");
        assert_eq!(extensions.answered(&a), Some(back("a")));
        assert!(extensions.0.is_empty(), "{extensions:?}");
    }
}
