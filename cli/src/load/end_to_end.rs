//! From the plan to the queue and to the files it names, against the stand-in.

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use exportpool_contract::{JobMessage, attribute};
use tokio_util::sync::CancellationToken;

use super::{
    Options, Pace, plan,
    plan::{Expected, Outcome},
    send,
};
use crate::{
    aws::{
        Options as StandInOptions,
        testing::{Fixture, plain_http},
    },
    source,
};

fn options(fixture: &Fixture) -> Options {
    Options {
        run: "e2e".into(),
        prefix: "load".into(),
        messages: 123,
        tasks_per_job: 2,
        size: 100_000,
        mixed: false,
        delay: std::time::Duration::ZERO,
        failure_rate: 0.3,
        flaky_rate: 0.3,
        invalid_rate: 0.0,
        seed: 5,
        source: format!("{}/_source", fixture.stand_in.endpoint()),
    }
}

async fn start() -> (Fixture, source::Options) {
    let files = source::Options::default();
    let router = source::router(files.clone());
    (Fixture::start_with(StandInOptions { source: Some(router), ..StandInOptions::default() }).await, files)
}

#[tokio::test]
async fn a_load_is_on_the_queue_with_its_age_and_its_group() {
    let (fixture, _) = start().await;
    let (options, queue_url) = (options(&fixture), &fixture.target.export_jobs);
    let stop = CancellationToken::new();
    let accepted = send(&fixture.sqs, queue_url, plan(&options), Pace::BURST, &stop, |_| {}).await;
    assert_eq!((accepted.messages, accepted.tasks, accepted.refused), (123, 246, 0), "{accepted:?}");

    let depth = QueueAttributeName::ApproximateNumberOfMessages;
    let asked = fixture.sqs.get_queue_attributes().queue_url(queue_url).attribute_names(depth.clone());
    assert_eq!(asked.send().await.unwrap().attributes().unwrap()[&depth], "123");

    let group = MessageSystemAttributeName::MessageGroupId;
    let asked = fixture.sqs.receive_message().queue_url(queue_url).message_attribute_names("All");
    let received = asked.message_system_attribute_names(group.clone()).send().await.unwrap();
    let message = &received.messages()[0];
    let job: JobMessage = serde_json::from_str(message.body().unwrap()).unwrap();
    let enqueued_at = &message.message_attributes().unwrap()[attribute::ENQUEUED_AT];
    assert!(enqueued_at.string_value().unwrap().parse::<u64>().unwrap() > 1_700_000_000_000);
    assert_eq!(message.attributes().unwrap()[&group], job.job_id.as_str());
}

#[tokio::test]
async fn each_file_comes_as_the_plan_expects() {
    let (fixture, files) = start().await;
    let options = Options { messages: 10, ..options(&fixture) };
    let http = plain_http();
    let mut outcomes = Vec::new();
    for planned in plan(&options) {
        let Expected::Tasks(expected) = planned.expected else { panic!("valid") };
        let job: JobMessage = serde_json::from_str(&planned.body).unwrap();
        for (task, expected) in job.tasks.unwrap().iter().zip(expected) {
            let mut statuses = Vec::new();
            for _ in 0..3 {
                let answer = http.get(&task.url).send().await.unwrap();
                statuses.push(answer.status().as_u16());
                let stored = answer.bytes().await.unwrap();
                assert_eq!(stored.len() as u64 == expected.size, statuses.ends_with(&[200]));
            }
            match expected.outcome {
                Outcome::Stored => assert_eq!(statuses, [200; 3]),
                Outcome::Flaky => assert_eq!(statuses, [500, 500, 200]),
                Outcome::Fails { status } => assert_eq!(statuses, [status; 3]),
            }
            let completed = statuses.iter().filter(|status| **status == 200).count() as u64;
            assert_eq!(files.downloads.of(&expected.key).completed, completed);
            outcomes.push(expected.outcome);
        }
    }
    for outcome in
        [Outcome::Stored, Outcome::Flaky, Outcome::Fails { status: 404 }, Outcome::Fails { status: 500 }]
    {
        assert!(outcomes.contains(&outcome), "{outcome:?}");
    }
}
