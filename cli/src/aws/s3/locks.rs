//! One writer a key: of two conditional writes, one must see the other's object.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

type Key = (String, String);

/// A lock for each key that is being written.
#[derive(Default)]
pub(super) struct Locks(Mutex<HashMap<Key, Arc<Turn<()>>>>);

impl Locks {
    /// Waits until nobody else writes this key of this bucket.
    pub(super) async fn lock(&self, bucket: &str, key: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Only keys with a writer are kept: as many as there are writes under way.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry((bucket.to_owned(), key.to_owned())).or_default())
        };
        turn.lock_owned().await
    }
}
