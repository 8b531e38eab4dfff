//! Uploads that are open under a task's key, and that nobody works on any more.
//!
//! Whoever starts an upload and dies before its id is in the ledger leaves one that only the bucket knows. Who claims
//! the task after it, or finds it done, asks the bucket; and so does a last attempt whose time is over, as nobody comes
//! after it. A first claim has nobody before it, and asks nothing.
//!
//! What S3 begins only after it was asked for the list, for a request that was given up long before, is left to the
//! bucket's lifecycle rule.
//!
//! No upload of a newer claim is aborted: what is listed was started before this claim was seen to be the newest. The
//! list does not say whose an upload is: one that another task has open under the same key is aborted too, and that
//! task starts again within its attempt.

use std::sync::Once;

use exportpool_contract::ObjectKey;

use super::Uploader;
use crate::{
    fail::{AwsFault, AwsKind, TaskFault},
    ports::{Ledger, ObjectStore, Place},
};

impl<S: ObjectStore, L: Ledger> Uploader<'_, S, L> {
    /// Aborts what claims of a task left open, for a claim that has no upload yet, or none any more.
    ///
    /// # Errors
    /// Faults of ours; fenced.
    pub async fn sweep(&self, place: &Place, epoch: u64) -> Result<(), TaskFault> {
        let orphaned = other_uploads(self.store, &place.key, None).await?;
        if let Some(one) = orphaned.first() {
            self.fence(place, epoch, one).await?;
        }
        Ok(abort_all(self.store, &place.key, &orphaned).await?)
    }
}

/// Aborts what claims of a task left open that is done: its object stands, and none of them is of use.
///
/// # Errors
/// Faults of ours.
pub async fn sweep_done<S: ObjectStore>(store: &S, key: &ObjectKey) -> Result<(), AwsFault> {
    let orphaned = other_uploads(store, key, None).await?;
    abort_all(store, key, &orphaned).await
}

/// Uploads that are open under a key, without our own. None are known in a bucket that may not be asked, which is said
/// once: its lifecycle rule is left to end them.
pub(super) async fn other_uploads<S: ObjectStore>(
    store: &S,
    key: &ObjectKey,
    own: Option<&str>,
) -> Result<Vec<String>, AwsFault> {
    static SAID: Once = Once::new();
    match store.list_uploads(key).await {
        Ok(open) => Ok(open.into_iter().filter(|upload| Some(upload.as_str()) != own).collect()),
        Err(fault) if matches!(fault.kind, AwsKind::Denied | AwsKind::Rejected) => {
            SAID.call_once(
                || tracing::warn!(%fault, "uploads cannot be listed: what a crash leaves stays open"),
            );
            Ok(Vec::new())
        }
        Err(fault) => Err(fault),
    }
}

pub(super) async fn abort_all<S: ObjectStore>(
    store: &S,
    key: &ObjectKey,
    uploads: &[String],
) -> Result<(), AwsFault> {
    for upload in uploads {
        tracing::info!(key = key.as_str(), upload, "an upload that was left open is aborted");
        store.abort_upload(key, upload).await?;
    }
    Ok(())
}
