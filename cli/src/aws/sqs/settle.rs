//! Messages in flight: deleted, or held for longer.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustack_sqs_model::{
    error::SqsError,
    input::{
        ChangeMessageVisibilityBatchInput, ChangeMessageVisibilityInput, DeleteMessageBatchInput,
        DeleteMessageInput,
    },
    output::{
        ChangeMessageVisibilityBatchOutput, ChangeMessageVisibilityOutput, DeleteMessageBatchOutput,
        DeleteMessageOutput,
    },
};

use super::{Inner, batch, sort_out, within};

/// Twelve hours.
pub(super) const LONGEST_VISIBILITY: i32 = 43_200;

impl Inner {
    pub(super) async fn delete(&self, input: DeleteMessageInput) -> Result<DeleteMessageOutput, SqsError> {
        self.exists(&input.queue_url).await?;
        handle(&input.receipt_handle)?;
        self.provider.delete_message(input).await
    }

    pub(super) async fn delete_batch(
        &self,
        mut input: DeleteMessageBatchInput,
    ) -> Result<DeleteMessageBatchOutput, SqsError> {
        self.exists(&input.queue_url).await?;
        batch(input.entries.iter().map(|entry| entry.id.as_str()))?;
        let rule =
            |entry: &rustack_sqs_model::types::DeleteMessageBatchRequestEntry| handle(&entry.receipt_handle);
        let refused = sort_out(&mut input.entries, |entry| &entry.id, rule);
        let mut output = DeleteMessageBatchOutput::default();
        if !input.entries.is_empty() {
            output = self.provider.delete_message_batch(input).await?;
        }
        output.failed.extend(refused);
        Ok(output)
    }

    pub(super) async fn change(
        &self,
        input: ChangeMessageVisibilityInput,
    ) -> Result<ChangeMessageVisibilityOutput, SqsError> {
        self.exists(&input.queue_url).await?;
        visibility(&input.receipt_handle, input.visibility_timeout)?;
        self.provider.change_message_visibility(input).await
    }

    pub(super) async fn change_batch(
        &self,
        mut input: ChangeMessageVisibilityBatchInput,
    ) -> Result<ChangeMessageVisibilityBatchOutput, SqsError> {
        self.exists(&input.queue_url).await?;
        batch(input.entries.iter().map(|entry| entry.id.as_str()))?;
        let refused = sort_out(
            &mut input.entries,
            |entry| &entry.id,
            |entry| visibility(&entry.receipt_handle, entry.visibility_timeout),
        );
        let mut output = ChangeMessageVisibilityBatchOutput::default();
        if !input.entries.is_empty() {
            output = self.provider.change_message_visibility_batch(input).await?;
        }
        output.failed.extend(refused);
        Ok(output)
    }
}

fn visibility(receipt_handle: &str, seconds: i32) -> Result<(), SqsError> {
    handle(receipt_handle)?;
    within("VisibilityTimeout", Some(seconds), 0..=LONGEST_VISIBILITY)
}

/// A handle of the crate's is base64 of `message id:time:nonce`. It takes anything for one, and so would hide a
/// consumer's mistake.
fn handle(text: &str) -> Result<(), SqsError> {
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let is_handle = decoded.is_some_and(|decoded| decoded.split(':').count() == 3);
    is_handle.then_some(()).ok_or_else(SqsError::receipt_handle_is_invalid)
}
