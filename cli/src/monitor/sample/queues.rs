//! Reads how many messages are on the queues, and finds the dead-letter queues.

use std::{collections::HashMap, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    types::QueueAttributeName as Name,
};

use super::{Depth, QueueReading, Unreadable, dead_letter};
use crate::target::Target;

/// A reading may take this long: more than a slow answer of SQS, and short enough that the other rows go on.
const TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that the server closed while idle is tried again once.
const ATTEMPTS: u32 = 2;
const BACKOFF: Duration = Duration::from_millis(50);

type Attributes = HashMap<Name, String>;

/// The queues of an installation.
pub(crate) struct Queues {
    client: Client,
    endpoint: String,
    pairs: Vec<Pair>,
}

/// A queue and the queue that takes its dead letters, as far as that is known.
struct Pair {
    work: String,
    dead: Option<String>,
}

impl Queues {
    /// The queues of `target`. A dead-letter queue without URL is looked for at each reading until it is found.
    pub(crate) async fn new(target: &Target) -> Self {
        let config = target.access.resolve().await;
        let region = &target.access.region;
        let endpoint = config.endpoint_url().map_or_else(|| format!("SQS in {region}"), str::to_owned);
        let client = Client::from_conf(
            aws_sdk_sqs::config::Builder::from(&config)
                .retry_config(
                    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF),
                )
                .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build())
                .build(),
        );
        let jobs = Pair { work: target.export_jobs.clone(), dead: target.export_jobs_dlq.clone() };
        let tasks = Pair { work: target.download_tasks.clone(), dead: target.download_tasks_dlq.clone() };
        Self { client, endpoint, pairs: vec![jobs, tasks] }
    }

    /// Reads every queue, all at the same time; one that cannot be read holds up no other.
    pub(crate) async fn read(&mut self) -> Vec<QueueReading> {
        let (client, endpoint) = (&self.client, self.endpoint.as_str());
        let reads = self.pairs.iter_mut().map(|pair| read_pair(Asked { client, endpoint }, pair));
        futures_util::future::join_all(reads).await.into_iter().flatten().collect()
    }
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    client: &'a Client,
    endpoint: &'a str,
}

async fn read_pair(asked: Asked<'_>, pair: &mut Pair) -> [QueueReading; 2] {
    if let Some(dead) = &pair.dead {
        let (work, letters) = tokio::join!(asked.attributes(&pair.work), asked.attributes(dead));
        return [reading(&pair.work, false, asked.depth(&work)), reading(dead, true, asked.depth(&letters))];
    }
    let work = asked.attributes(&pair.work).await;
    let found = find_dead(&work, &pair.work);
    let letters = match &found {
        Ok(dead) => reading(dead, true, asked.depth(&asked.attributes(dead).await)),
        Err(why) => unfound(&pair.work, why.clone()),
    };
    pair.dead = found.ok();
    [reading(&pair.work, false, asked.depth(&work)), letters]
}

impl Asked<'_> {
    async fn attributes(self, url: &str) -> Result<Attributes, Unreadable> {
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(Name::ApproximateNumberOfMessages)
            .attribute_names(Name::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(Name::ApproximateNumberOfMessagesDelayed)
            .attribute_names(Name::RedrivePolicy);
        match Box::pin(request.send()).await {
            Ok(answer) => answer.attributes.ok_or_else(|| self.not_sqs()),
            Err(error) => Err(self.unreadable(url, &error)),
        }
    }

    fn depth(self, attributes: &Result<Attributes, Unreadable>) -> Result<Depth, Unreadable> {
        let attributes = attributes.as_ref().map_err(Clone::clone)?;
        let count = |name: &Name| attributes.get(name)?.parse().ok();
        let depth = || {
            Some(Depth {
                visible: count(&Name::ApproximateNumberOfMessages)?,
                in_flight: count(&Name::ApproximateNumberOfMessagesNotVisible)?,
                delayed: count(&Name::ApproximateNumberOfMessagesDelayed)?,
            })
        };
        depth().ok_or_else(|| self.not_sqs())
    }

    fn unreadable<E>(self, url: &str, error: &SdkError<E>) -> Unreadable
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let endpoint = self.endpoint.to_owned();
        match error {
            SdkError::ServiceError(refusal) => refused(url, refusal.err().code()),
            SdkError::TimeoutError(_) => Unreadable::TimedOut { endpoint, after: TIMEOUT },
            SdkError::ResponseError(_) => self.not_sqs(),
            _ if lacks_credentials(error) => Unreadable::NoCredentials,
            _ => Unreadable::Unreachable { endpoint },
        }
    }

    fn not_sqs(self) -> Unreadable {
        Unreadable::NotSqs { endpoint: self.endpoint.to_owned() }
    }
}

fn refused(url: &str, code: Option<&str>) -> Unreadable {
    let code = code.unwrap_or("no code").to_owned();
    let has = |words: &[&str]| words.iter().any(|word| code.contains(word));
    if has(&["NonExistentQueue", "QueueDoesNotExist"]) {
        return Unreadable::NoSuchQueue { url: url.to_owned() };
    }
    if has(&[
        "AccessDenied",
        "NotAuthorized",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
    ]) {
        return Unreadable::Denied { code };
    }
    Unreadable::Refused { code }
}

/// The SDK has no variant for it: a missing credential is a failed dispatch whose cause says so.
fn lacks_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .any(<dyn std::error::Error>::is::<CredentialsError>)
}

fn find_dead(work: &Result<Attributes, Unreadable>, url: &str) -> Result<String, Unreadable> {
    let queue = name(url);
    let Ok(attributes) = work else { return Err(Unreadable::NotFoundYet { queue }) };
    let policy = attributes.get(&Name::RedrivePolicy);
    policy.and_then(|policy| dead_letter::url(policy, url)).ok_or(Unreadable::NoDeadLetterQueue { queue })
}

fn reading(url: &str, dead_letters: bool, depth: Result<Depth, Unreadable>) -> QueueReading {
    QueueReading { queue: name(url), url: Some(url.to_owned()), dead_letters, depth }
}

fn unfound(work: &str, why: Unreadable) -> QueueReading {
    QueueReading { queue: format!("{} (DLQ)", name(work)), url: None, dead_letters: true, depth: Err(why) }
}

/// The last part of a queue's URL is its name.
pub(super) fn name(url: &str) -> String {
    let url = url.trim_end_matches('/');
    url.rsplit_once('/').map_or(url, |(_, name)| name).to_owned()
}
