//! Queues and their dead-letter queues.

use aws_sdk_dynamodb::types::KeySchemaElement;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use crate::aws::{
    make_resources,
    testing::{Fixture, until},
};

impl Fixture {
    async fn attribute(&self, url: &str, name: QueueAttributeName) -> Option<String> {
        let found = self.sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await;
        found.unwrap().attributes?.remove(&name)
    }

    /// Makes `export-jobs` give up after this many receives.
    async fn redrive_after(&self, count: &str) {
        let dead = self.target.export_jobs_dlq.as_deref().unwrap();
        let arn = self.attribute(dead, QueueAttributeName::QueueArn).await.unwrap();
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
        let request = self.sqs.set_queue_attributes().queue_url(&self.target.export_jobs);
        request.attributes(QueueAttributeName::RedrivePolicy, policy).send().await.unwrap();
    }
}

#[tokio::test]
async fn resources_are_made_once_and_as_promised() {
    let aws = Fixture::start().await;
    make_resources(&aws.target).await.unwrap();
    for (url, dead) in [
        (&aws.target.export_jobs, aws.target.export_jobs_dlq.as_ref().unwrap()),
        (&aws.target.download_tasks, aws.target.download_tasks_dlq.as_ref().unwrap()),
    ] {
        let policy = aws.attribute(url, QueueAttributeName::RedrivePolicy).await.unwrap();
        let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
        let dead_arn = aws.attribute(dead, QueueAttributeName::QueueArn).await.unwrap();
        assert_eq!(policy["maxReceiveCount"].to_string().trim_matches('"'), "100");
        assert_eq!(policy["deadLetterTargetArn"], dead_arn);
        let retention = aws.attribute(dead, QueueAttributeName::MessageRetentionPeriod).await;
        assert_eq!(retention.as_deref(), Some("1209600"));
        assert_eq!(
            aws.attribute(url, QueueAttributeName::MaximumMessageSize).await.as_deref(),
            Some("1048576")
        );
    }
    let versioning = aws.s3.get_bucket_versioning().bucket("exports").send().await.unwrap();
    assert_eq!(versioning.status().unwrap().as_str(), "Enabled");
    let table = aws.dynamodb.describe_table().table_name("exports").send().await.unwrap().table.unwrap();
    let keys = table.key_schema().iter().map(KeySchemaElement::attribute_name).collect::<Vec<_>>();
    assert_eq!(keys, ["pk", "sk"]);
}

#[tokio::test]
async fn queue_urls_are_those_of_the_target() {
    let aws = Fixture::start().await;
    let url = aws.sqs.get_queue_url().queue_name("export-jobs").send().await.unwrap().queue_url;
    assert_eq!(url.as_ref(), Some(&aws.target.export_jobs));
    let again = aws.sqs.create_queue().queue_name("export-jobs").send().await.unwrap().queue_url;
    assert_eq!(again, url);
}

#[tokio::test]
async fn a_message_moves_whole_to_the_dead_letter_queue_after_too_many_receives() {
    let aws = Fixture::start().await;
    aws.redrive_after("\"2\"").await;
    let body = "x".repeat(300_000);
    let request = aws.sqs.send_message().queue_url(&aws.target.export_jobs).message_body(&body);
    request.message_group_id("tenant").send().await.unwrap();
    let receive = async |url: &str| {
        let request = aws.sqs.receive_message().queue_url(url).visibility_timeout(0);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        request.send().await.unwrap().messages.unwrap_or_default().pop()
    };
    for _ in 0..2 {
        receive(&aws.target.export_jobs).await.unwrap();
    }
    assert_eq!(receive(&aws.target.export_jobs).await, None);
    let dead = aws.target.export_jobs_dlq.as_deref().unwrap();
    let message = until(async || receive(dead).await).await;
    assert_eq!(message.body(), Some(&*body));
    let attributes = message.attributes.unwrap();
    assert_eq!(attributes[&MessageSystemAttributeName::MessageGroupId], "tenant");
    assert!(attributes[&MessageSystemAttributeName::DeadLetterQueueSourceArn].ends_with(":export-jobs"));
}

#[tokio::test]
async fn a_redrive_policy_is_read_as_aws_reads_it() {
    let aws = Fixture::start().await;
    aws.redrive_after("7").await;
    aws.redrive_after("\"7\"").await;
    let set = async |policy: &str| {
        let request = aws.sqs.set_queue_attributes().queue_url(&aws.target.export_jobs);
        let set = request.attributes(QueueAttributeName::RedrivePolicy, policy).send().await;
        set.map_err(|error| error.into_service_error().meta().code().map(str::to_owned))
    };
    let refused = Some("InvalidParameterValue".to_owned());
    for bad in [
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:absent","maxReceiveCount":3}"#,
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:export-jobs-dlq","maxReceiveCount":"0"}"#,
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:export-jobs-dlq"}"#,
    ] {
        assert_eq!(set(bad).await.map(drop), Err(refused.clone()), "{bad}");
    }
    set("").await.unwrap();
    assert_eq!(aws.attribute(&aws.target.export_jobs, QueueAttributeName::RedrivePolicy).await, None);
}

#[tokio::test]
async fn the_limit_of_a_message_is_the_queues() {
    let aws = Fixture::start().await;
    let url = &aws.target.export_jobs;
    let request = aws.sqs.set_queue_attributes().queue_url(url);
    request.attributes(QueueAttributeName::MaximumMessageSize, "1024").send().await.unwrap();
    assert_eq!(aws.attribute(url, QueueAttributeName::MaximumMessageSize).await.as_deref(), Some("1024"));
    let send = |length| aws.sqs.send_message().queue_url(url).message_body("x".repeat(length)).send();
    send(1_024).await.unwrap();
    assert!(send(1_025).await.is_err());
}

#[tokio::test]
async fn attributes_are_only_those_asked_for() {
    let aws = Fixture::start().await;
    let request = || aws.sqs.get_queue_attributes().queue_url(&aws.target.export_jobs);
    assert_eq!(request().send().await.unwrap().attributes, None);
    let unknown = request().attribute_names("ApproximateAgeOfOldestMessage".into()).send().await;
    assert!(unknown.unwrap_err().into_service_error().is_invalid_attribute_name());
}
