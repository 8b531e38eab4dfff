//! Makes what an installation needs, through the SDK: in the stand-in here, or in any other emulator.

use std::{collections::HashMap, error::Error as StdError, iter, time::Duration};

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    operation::create_table::CreateTableError,
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus},
};
use aws_sdk_s3::{
    operation::create_bucket::CreateBucketError,
    types::{
        BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, VersioningConfiguration,
    },
};
use aws_sdk_sqs::types::QueueAttributeName;
use exportpool_consumer::aws::connect;
use exportpool_contract::record;
use tokio::time::{self, Instant};

use super::error::Error;
use crate::target::Target;

/// A crash net, not the retry policy: attempts are counted in the table.
const MAX_RECEIVE_COUNT: u32 = 100;
/// Fourteen days, the longest there is: a dead letter waits for a person.
const DEAD_LETTER_RETENTION: u32 = 14 * 24 * 60 * 60;
/// As the consumer's VISIBILITY_SECONDS.
const VISIBILITY: u32 = 60;
/// Real emulators make a table at once, AWS in some seconds.
const TABLE_PATIENCE: Duration = Duration::from_secs(60);
const TABLE_POLL: Duration = Duration::from_millis(100);
const HOME_REGION: &str = "us-east-1";

/// Makes the queues with their dead-letter queues, the versioned bucket and the table. What exists is left as it
/// is, but for the queues' attributes and the bucket's versioning.
///
/// # Errors
/// [`Error::NotAQueue`], [`Error::Resource`] and [`Error::NotActive`].
pub(crate) async fn make_resources(target: &Target) -> Result<(), Error> {
    let config = target.access.resolve().await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    make_queues(&sqs, &target.export_jobs, target.export_jobs_dlq.as_deref()).await?;
    make_queues(&sqs, &target.download_tasks, target.download_tasks_dlq.as_deref()).await?;
    make_bucket(&connect::s3(&config), &target.bucket, &target.access.region).await?;
    make_table(&aws_sdk_dynamodb::Client::new(&config), &target.table).await
}

async fn make_queues(sqs: &aws_sdk_sqs::Client, url: &str, dead_letters: Option<&str>) -> Result<(), Error> {
    let name = queue_name(url)?;
    let dead_name =
        dead_letters.map_or_else(|| Ok(format!("{name}-dlq")), |url| queue_name(url).map(Into::into))?;
    let retention = (QueueAttributeName::MessageRetentionPeriod, DEAD_LETTER_RETENTION.to_string());
    let dead_url = make_queue(sqs, &dead_name, HashMap::from([retention])).await?;
    let policy = serde_json::json!({
        "deadLetterTargetArn": queue_arn(sqs, &dead_name, &dead_url).await?,
        "maxReceiveCount": MAX_RECEIVE_COUNT,
    });
    let attributes = HashMap::from([
        (QueueAttributeName::RedrivePolicy, policy.to_string()),
        (QueueAttributeName::VisibilityTimeout, VISIBILITY.to_string()),
    ]);
    make_queue(sqs, name, attributes).await.map(drop)
}

/// Attributes are set afterwards: to make a queue that exists with other attributes is refused.
async fn make_queue(
    sqs: &aws_sdk_sqs::Client,
    name: &str,
    attributes: HashMap<QueueAttributeName, String>,
) -> Result<String, Error> {
    let what = format!("the queue {name}");
    let made = sqs.create_queue().queue_name(name).send().await.map_err(|error| refused(&what, &error))?;
    let url = made.queue_url.unwrap_or_default();
    let set = sqs.set_queue_attributes().queue_url(&url).set_attributes(Some(attributes));
    set.send().await.map_err(|error| refused(&what, &error))?;
    Ok(url)
}

async fn queue_arn(sqs: &aws_sdk_sqs::Client, name: &str, url: &str) -> Result<String, Error> {
    let wanted = QueueAttributeName::QueueArn;
    let asked = sqs.get_queue_attributes().queue_url(url).attribute_names(wanted.clone()).send().await;
    let found = asked.map_err(|error| refused(&format!("the queue {name}"), &error))?;
    Ok(found.attributes.and_then(|mut attributes| attributes.remove(&wanted)).unwrap_or_default())
}

async fn make_bucket(s3: &aws_sdk_s3::Client, name: &str, region: &str) -> Result<(), Error> {
    let what = format!("the bucket {name}");
    // The home region is the one that must not be named.
    let elsewhere = (region != HOME_REGION).then(|| {
        let region = BucketLocationConstraint::from(region);
        CreateBucketConfiguration::builder().location_constraint(region).build()
    });
    let made = s3.create_bucket().bucket(name).set_create_bucket_configuration(elsewhere).send().await;
    if let Err(error) = made
        && !error.as_service_error().is_some_and(CreateBucketError::is_bucket_already_owned_by_you)
    {
        return Err(refused(&what, &error));
    }
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let versioned = s3.put_bucket_versioning().bucket(name).versioning_configuration(enabled).send().await;
    versioned.map(drop).map_err(|error| refused(&what, &error))
}

async fn make_table(dynamodb: &aws_sdk_dynamodb::Client, name: &str) -> Result<(), Error> {
    let what = format!("the table {name}");
    let mut request = dynamodb.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in [(record::PK, KeyType::Hash), (record::SK, KeyType::Range)] {
        let key = KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build();
        let text = AttributeDefinition::builder().attribute_name(attribute);
        let text = text.attribute_type(ScalarAttributeType::S).build();
        request = request
            .key_schema(key.map_err(|error| unbuilt(&what, &error))?)
            .attribute_definitions(text.map_err(|error| unbuilt(&what, &error))?);
    }
    if let Err(error) = request.send().await
        && !error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception)
    {
        return Err(refused(&what, &error));
    }
    until_active(dynamodb, name).await
}

async fn until_active(dynamodb: &aws_sdk_dynamodb::Client, name: &str) -> Result<(), Error> {
    let what = format!("the table {name}");
    let deadline = Instant::now() + TABLE_PATIENCE;
    while Instant::now() < deadline {
        let described = dynamodb.describe_table().table_name(name).send().await;
        let table = described.map_err(|error| refused(&what, &error))?.table;
        if table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
            return Ok(());
        }
        time::sleep(TABLE_POLL).await;
    }
    Err(Error::NotActive(name.to_owned(), TABLE_PATIENCE.as_secs()))
}

fn queue_name(url: &str) -> Result<&str, Error> {
    let name = url.rsplit('/').next().filter(|name| !name.is_empty() && url.contains("://"));
    name.ok_or_else(|| Error::NotAQueue(url.to_owned()))
}

/// Names the resource, and why: the service's own words when it answered, else what went wrong on the way.
fn refused<E: StdError + ProvideErrorMetadata>(what: &str, error: &E) -> Error {
    let why = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => chain(error),
    };
    Error::Resource { what: what.to_owned(), why }
}

fn unbuilt(what: &str, error: &dyn StdError) -> Error {
    Error::Resource { what: what.to_owned(), why: chain(error) }
}

fn chain(error: &dyn StdError) -> String {
    let causes = iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
