//! Credentials are resolved and refreshed on the link thread alone, and every other runtime reads what it found: one
//! cache for the process, and no request to a credentials service from a worker.

use std::time::{Duration, SystemTime};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use tokio::{sync::watch, time};

/// Refreshed so long before they expire.
const EARLY: Duration = Duration::from_secs(300);
const SOONEST: Duration = Duration::from_secs(1);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(5);

type Found = Option<Result<Credentials, String>>;

/// What the link thread found, for any runtime.
#[derive(Debug, Clone)]
pub(super) struct FromLink(watch::Receiver<Found>);

/// The link thread's side.
#[derive(Debug, Clone)]
pub(super) struct Refresher {
    source: SharedCredentialsProvider,
    found: watch::Sender<Found>,
}

/// Both sides of a cache in front of `source`.
pub(super) fn shared(source: SharedCredentialsProvider) -> (Refresher, FromLink) {
    let (found, finds) = watch::channel(None);
    (Refresher { source, found }, FromLink(finds))
}

impl Refresher {
    /// Resolves, and resolves again in time, for as long as the runtime lives.
    pub(super) async fn run(self) {
        loop {
            let found = self.source.provide_credentials().await;
            let pause = pause(found.as_ref().map(Credentials::expiry), SystemTime::now());
            if let Err(error) = &found {
                tracing::warn!(%error, "no credentials: {}", root(error));
            }
            self.found.send_replace(Some(found.map_err(|error| root(&error))));
            match pause {
                Some(pause) => time::sleep(pause).await,
                // They do not expire.
                None => return self.found.closed().await,
            }
        }
    }
}

fn pause(found: Result<Option<SystemTime>, &CredentialsError>, now: SystemTime) -> Option<Duration> {
    match found {
        Ok(None) => None,
        Ok(Some(expiry)) => {
            Some(expiry.duration_since(now).unwrap_or_default().saturating_sub(EARLY).max(SOONEST))
        }
        Err(_) => Some(PAUSE),
    }
}

fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

impl ProvideCredentials for FromLink {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let mut finds = self.0.clone();
            let found = finds.wait_for(Option::is_some).await;
            let found = found.map_err(|_| CredentialsError::not_loaded("the link thread has ended"))?.clone();
            found
                .unwrap_or_else(|| Err("not looked for yet".into()))
                .map_err(|why| CredentialsError::provider_error(format!("no credentials: {why}")))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    #[derive(Debug, Default)]
    struct Counting(Arc<AtomicU64>);

    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let n = self.0.fetch_add(1, Ordering::SeqCst);
            let expiry = SystemTime::now() + Duration::from_secs(3_600);
            future::ProvideCredentials::ready(Ok(Credentials::new(
                format!("key-{n}"),
                "s",
                None,
                Some(expiry),
                "test",
            )))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_readers_cost_one_look_and_get_the_refreshed_ones() {
        let asked = Arc::new(AtomicU64::new(0));
        let (refresher, from_link) = shared(SharedCredentialsProvider::new(Counting(Arc::clone(&asked))));
        tokio::spawn(refresher.run());
        for _ in 0..10 {
            assert_eq!(from_link.provide_credentials().await.unwrap().access_key_id(), "key-0");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        time::sleep(Duration::from_secs(3_400)).await;
        assert_eq!(from_link.provide_credentials().await.unwrap().access_key_id(), "key-1");
    }

    #[test]
    fn credentials_are_refreshed_before_they_expire() {
        let now = SystemTime::now();
        let in_an_hour = now + Duration::from_secs(3_600);
        assert_eq!(pause(Ok(Some(in_an_hour)), now), Some(Duration::from_secs(3_300)));
        assert_eq!(pause(Ok(Some(now)), now), Some(SOONEST));
        assert_eq!(pause(Ok(None), now), None);
    }
}
