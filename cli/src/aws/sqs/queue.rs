//! A queue's attributes: made, set and read.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustack_sqs_model::{
    error::SqsError,
    input::{
        CreateQueueInput, DeleteQueueInput, GetQueueAttributesInput, GetQueueUrlInput,
        SetQueueAttributesInput,
    },
    output::{CreateQueueOutput, DeleteQueueOutput, GetQueueAttributesOutput, SetQueueAttributesOutput},
    types::{QueueAttributeName, RedrivePolicy},
};
use serde::Deserialize;

use super::{Inner, invalid};

/// The largest message of SQS, and its default limit, since August 2025.
pub(super) const LARGEST: usize = 1_048_576;
const SMALLEST: usize = 1_024;
const SIZE: &str = "MaximumMessageSize";
const REDRIVE: &str = "RedrivePolicy";

/// The limit of each queue's messages, by its name: the crate knows none over 256 KiB.
#[derive(Default)]
pub(super) struct Sizes(Mutex<HashMap<String, usize>>);

impl Sizes {
    /// The limit of the queue with this URL.
    pub(super) fn of(&self, url: &str) -> usize {
        self.lock().get(name(url)).copied().unwrap_or(LARGEST)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(super) async fn create(&self, mut input: CreateQueueInput) -> Result<CreateQueueOutput, SqsError> {
        let name = input.queue_name.clone();
        let size = take_size(&mut input.attributes)?;
        self.normalise(&mut input.attributes).await?;
        let known = self.sizes.lock().get(&name).copied();
        if size.is_some() && known.is_some() && size != known {
            return Err(SqsError::queue_already_exists(format!("A queue exists with a different {SIZE}.")));
        }
        let output = self.provider.create_queue(input).await?;
        self.sizes.lock().entry(name).or_insert(size.unwrap_or(LARGEST));
        Ok(output)
    }

    pub(super) async fn delete_queue(&self, input: DeleteQueueInput) -> Result<DeleteQueueOutput, SqsError> {
        self.sizes.lock().remove(name(&input.queue_url));
        self.provider.delete_queue(input).await
    }

    pub(super) async fn set(
        &self,
        mut input: SetQueueAttributesInput,
    ) -> Result<SetQueueAttributesOutput, SqsError> {
        let name = name(&input.queue_url).to_owned();
        let size = take_size(&mut input.attributes)?;
        self.normalise(&mut input.attributes).await?;
        let output = self.provider.set_queue_attributes(input).await?;
        if let Some(size) = size {
            self.sizes.lock().insert(name, size);
        }
        Ok(output)
    }

    pub(super) async fn get(
        &self,
        input: GetQueueAttributesInput,
    ) -> Result<GetQueueAttributesOutput, SqsError> {
        let (url, asked) = (input.queue_url.clone(), input.attribute_names.clone());
        if let Some(unknown) = asked.iter().find(|name| QueueAttributeName::from_str_name(name).is_none()) {
            return Err(SqsError::invalid_attribute_name(format!("Unknown Attribute {unknown}.")));
        }
        let mut output = self.provider.get_queue_attributes(input).await?;
        if asked.is_empty() {
            // The crate takes this for "All".
            output.attributes.clear();
        }
        if let Some(size) = output.attributes.get_mut(SIZE) {
            *size = self.sizes.of(&url).to_string();
        }
        Ok(output)
    }

    /// A queue that is not there is told before what is wrong with its messages, as AWS does.
    pub(super) async fn exists(&self, url: &str) -> Result<(), SqsError> {
        let asked = GetQueueUrlInput { queue_name: name(url).to_owned(), queue_owner_aws_account_id: None };
        self.provider.get_queue_url(asked).await.map(drop)
    }

    /// Brings a redrive policy into the form that the crate reads and compares, and checks its target.
    async fn normalise(&self, attributes: &mut HashMap<String, String>) -> Result<(), SqsError> {
        let Some(policy) = attributes.get_mut(REDRIVE).filter(|policy| !policy.is_empty()) else {
            return Ok(());
        };
        let parsed = parse(policy)?;
        let queue_name = parsed.dead_letter_target_arn.rsplit(':').next().unwrap_or_default().to_owned();
        let target = GetQueueUrlInput { queue_name, queue_owner_aws_account_id: None };
        if self.provider.get_queue_url(target).await.is_err() {
            return Err(refused(policy, "Dead letter target does not exist."));
        }
        *policy =
            serde_json::to_string(&parsed).map_err(|error| SqsError::internal_error(error.to_string()))?;
        Ok(())
    }
}

/// A queue's name, from its URL.
fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

fn take_size(attributes: &mut HashMap<String, String>) -> Result<Option<usize>, SqsError> {
    let Some(value) = attributes.remove(SIZE) else { return Ok(None) };
    let size = value.parse().ok().filter(|size| (SMALLEST..=LARGEST).contains(size));
    let words =
        || format!("Invalid value for the parameter {SIZE}. Reason: Must be from {SMALLEST} to {LARGEST}.");
    size.map(Some).ok_or_else(|| invalid(words()))
}

/// AWS takes the count as a number and as a string, and every infrastructure tool writes one or the other.
fn parse(policy: &str) -> Result<RedrivePolicy, SqsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        dead_letter_target_arn: String,
        max_receive_count: serde_json::Value,
    }
    let written: Written =
        serde_json::from_str(policy).map_err(|error| refused(policy, &error.to_string()))?;
    let count = match &written.max_receive_count {
        serde_json::Value::String(text) => text.parse().ok(),
        value => value.as_i64().and_then(|count| i32::try_from(count).ok()),
    };
    let max_receive_count = count
        .filter(|count| (1..=1_000).contains(count))
        .ok_or_else(|| refused(policy, "maxReceiveCount must be from 1 to 1000."))?;
    Ok(RedrivePolicy { dead_letter_target_arn: written.dead_letter_target_arn, max_receive_count })
}

fn refused(policy: &str, why: &str) -> SqsError {
    invalid(format!("Value {policy} for parameter {REDRIVE} is invalid. Reason: {why}"))
}
