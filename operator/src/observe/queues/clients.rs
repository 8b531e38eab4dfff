//! Clients of SQS, kept as long as their credentials are good.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use tokio::time::Instant;

use super::{
    credentials::Credentials,
    fault::QueueFault,
    source::{Principal, QueueSource},
};

/// A Secret is read again after this: its keys may have been replaced. Roles and identities renew themselves.
const SECRETS_LAST: Duration = Duration::from_secs(300);
/// Keys that were denied are read again after this. Sooner it would be one request more for each read of a queue.
const DENIED_KEYS_LAST: Duration = Duration::from_secs(10);
/// A role or an identity that was denied is begun with anew after this: it may have been made again under its name.
const DENIED_ROLES_LAST: Duration = Duration::from_secs(300);
/// A client that nobody asks for is forgotten after this.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);

/// Clients of SQS.
pub(super) struct Clients {
    credentials: Credentials,
    kept: Mutex<HashMap<Of, Kept>>,
}

/// What a client is of. A role of one namespace is none of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Of {
    endpoint: Option<String>,
    region: String,
    principal: Principal,
}

#[derive(Debug, Clone)]
struct Kept {
    config: SdkConfig,
    client: Client,
    found_at: Instant,
    used_at: Instant,
    denied: bool,
}

impl Clients {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials, kept: Mutex::default() }
    }

    /// The client for a source.
    ///
    /// # Errors
    /// [`QueueFault`]: its Secret cannot be used.
    pub(super) async fn of(&self, source: &QueueSource) -> Result<Client, QueueFault> {
        let of = Of::from(source);
        if let Some(kept) = self.good(&of) {
            return Ok(kept.client);
        }
        let config = match &of.principal {
            Principal::Operator => return Ok(self.own(of).await.client),
            Principal::Secret { namespace, name } => {
                self.credentials.of_secret(source, namespace, name).await?
            }
            Principal::Role { arn, namespace } => {
                let own = self.own(Of { principal: Principal::Operator, ..of.clone() }).await;
                self.credentials.of_role(&own.config, &of.region, arn, namespace).await
            }
        };
        Ok(self.keep(of, config).client)
    }

    /// Its credentials may not, or are not known any more.
    pub(super) fn denied(&self, source: &QueueSource) {
        if let Some(kept) = self.kept().get_mut(&Of::from(source)) {
            kept.denied = true;
        }
    }

    /// The operator's identity is looked for once in a region, and shared.
    async fn own(&self, of: Of) -> Kept {
        match self.good(&of) {
            Some(kept) => kept,
            None => {
                let config = self.credentials.own(&of.region).await;
                self.keep(of, config)
            }
        }
    }

    fn good(&self, of: &Of) -> Option<Kept> {
        let mut kept = self.kept();
        let found = kept.get_mut(of).filter(|kept| kept.is_good(&of.principal))?;
        found.used_at = Instant::now();
        Some(found.clone())
    }

    fn keep(&self, of: Of, config: SdkConfig) -> Kept {
        let now = Instant::now();
        let new = Kept { client: Client::new(&config), config, found_at: now, used_at: now, denied: false };
        let mut all = self.kept();
        all.retain(|_, kept| kept.used_at.elapsed() < FORGOTTEN_AFTER);
        all.insert(of, new.clone());
        new
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Of, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_good(&self, principal: &Principal) -> bool {
        let lasts = match (principal, self.denied) {
            (Principal::Secret { .. }, false) => SECRETS_LAST,
            (Principal::Secret { .. }, true) => DENIED_KEYS_LAST,
            (_, false) => return true,
            (_, true) => DENIED_ROLES_LAST,
        };
        self.found_at.elapsed() < lasts
    }
}

impl From<&QueueSource> for Of {
    fn from(source: &QueueSource) -> Self {
        let QueueSource { endpoint, region, principal, .. } = source.clone();
        Self { endpoint, region, principal }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_credential_types::Credentials as Keys;
    use aws_smithy_runtime_api::{
        client::{
            http::{
                HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
            },
            orchestrator::{HttpRequest, HttpResponse},
        },
        http::StatusCode,
    };
    use aws_smithy_types::body::SdkBody;
    use tokio::time::advance;

    use super::*;
    use crate::observe::queues::connect::loader;

    const REGION: &str = "eu-west-1";

    /// Answers as STS and SQS do, and notes what it is asked: the URL, and whose keys signed.
    #[derive(Debug, Clone, Default)]
    struct Aws(Arc<Mutex<Vec<String>>>);

    impl HttpConnector for Aws {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let signed = request.headers().get("authorization").unwrap_or_default();
            let key = signed.split(['=', '/']).nth(1).unwrap_or_default();
            let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default());
            let is_sts = request.uri().contains("//sts.");
            let asked = if is_sts { format!(" {body}") } else { String::new() };
            self.0.lock().unwrap().push(format!("{key} {}{asked}", request.uri()));
            let answer = if is_sts { ROLE } else { r#"{"Attributes":{}}"# };
            let answer = HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from(answer));
            HttpConnectorFuture::ready(Ok(answer))
        }
    }

    const ROLE: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ROLE</AccessKeyId>\
        <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
        <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

    impl Aws {
        fn http(&self) -> SharedHttpClient {
            let connector = SharedHttpConnector::new(self.clone());
            http_client_fn(move |_, _| connector.clone())
        }

        /// Clients of an operator whose own key is `OWN`.
        async fn clients(&self) -> Clients {
            let (service, _) =
                tower_test::mock::pair::<axum::http::Request<_>, axum::http::Response<kube::client::Body>>();
            let cluster = kube::Client::new(service, "default");
            let clients = Clients::new(Credentials::over(self.http(), cluster, "prod".into()));
            clients.keep(Of::from(&source(Principal::Operator)), self.own().await);
            clients
        }

        async fn own(&self) -> SdkConfig {
            let keys = Keys::new("OWN", "s", None, None, "test");
            Box::pin(loader(&self.http(), REGION).credentials_provider(keys).load()).await
        }

        fn asked(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    fn source(principal: Principal) -> QueueSource {
        let (region, account, name) = (REGION.into(), "123456789012".into(), "jobs".into());
        QueueSource { endpoint: None, region, account, name, principal }
    }

    fn role(namespace: &str) -> QueueSource {
        let arn = "arn:aws:iam::123456789012:role/reader".to_owned();
        source(Principal::Role { arn, namespace: namespace.into() })
    }

    async fn ask(clients: &Clients, source: &QueueSource) {
        let request = clients.of(source).await.unwrap().get_queue_attributes();
        request.queue_url("https://elsewhere.example/123456789012/jobs").send().await.unwrap();
    }

    const SQS: &str = "https://sqs.eu-west-1.amazonaws.com/";

    #[tokio::test]
    async fn the_operators_identity_goes_to_the_host_of_the_region_whatever_the_url_of_a_queue_says() {
        let aws = Aws::default();
        ask(&aws.clients().await, &source(Principal::Operator)).await;
        assert_eq!(aws.asked(), [format!("OWN {SQS}")]);
    }

    #[tokio::test]
    async fn a_role_is_assumed_once_with_the_external_id_of_the_namespace() {
        let aws = Aws::default();
        let clients = aws.clients().await;
        ask(&clients, &role("team")).await;
        ask(&clients, &role("team")).await;
        let asked = aws.asked();
        assert!(
            asked[0].starts_with("OWN https://sts.eu-west-1.amazonaws.com/ Action=AssumeRole&"),
            "{asked:?}"
        );
        assert!(asked[0].contains("&ExternalId=prod%2Fteam"), "{asked:?}");
        assert!(asked[0].contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader"), "{asked:?}");
        assert_eq!(asked[1..], [format!("ROLE {SQS}"), format!("ROLE {SQS}")]);
        ask(&clients, &role("other")).await;
        let asked = aws.asked();
        assert!(asked[0].contains("&ExternalId=prod%2Fother"), "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_role_lasts_until_it_was_denied_for_a_while() {
        let aws = Aws::default();
        let clients = aws.clients().await;
        let assumed = || aws.asked().iter().filter(|asked| asked.contains("AssumeRole")).count();
        ask(&clients, &role("team")).await;
        assert_eq!(assumed(), 1);
        advance(DENIED_ROLES_LAST).await;
        ask(&clients, &role("team")).await;
        assert_eq!(assumed(), 0);
        clients.denied(&role("team"));
        ask(&clients, &role("team")).await;
        assert_eq!(assumed(), 1);
        clients.denied(&role("team"));
        ask(&clients, &role("team")).await;
        assert_eq!(assumed(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_nobody_asks_for_are_forgotten() {
        let aws = Aws::default();
        let clients = aws.clients().await;
        for n in 0..5 {
            clients.of(&role(&format!("team-{n}"))).await.unwrap();
        }
        advance(FORGOTTEN_AFTER / 2).await;
        clients.of(&role("team-0")).await.unwrap();
        clients.of(&source(Principal::Operator)).await.unwrap();
        advance(FORGOTTEN_AFTER / 2).await;
        clients.of(&role("new")).await.unwrap();
        let kept: Vec<_> = clients.kept().keys().map(|of| of.principal.clone()).collect();
        assert_eq!(kept.len(), 3, "{kept:?}");
    }
}
