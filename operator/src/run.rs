//! The controller: it watches from the start, leads when it may, and writes nothing when it may not.

use std::{
    convert::Infallible,
    future::{pending, ready},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use futures_util::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use kube_runtime::Controller;
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_util::MetricKindMask;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::broadcast::error::RecvError,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::ExportPool,
    apply::rollout::Rollouts,
    arguments, client, crd,
    http::{self, Readiness},
    lead::Election,
    observe::{Readers, Started},
    reconcile::{Context, Settings, Shared, reconcile},
    report::metrics::describe,
    watch::Watched,
};

/// Rounds that are on at a time, each of another pool: most of a round is waiting.
const CONCURRENT_ROUNDS: u16 = 64;
/// Rounds that are on when the process is told to end get this long to finish: the Lease is not renewed meanwhile, and
/// lasts three times as long.
const FINISHING: Duration = Duration::from_secs(5);
/// How often a definition that is missing is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Numbers of pools that are gone are dropped after this.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// How often numbers that nobody asks for are put together.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Runs until the process is told to end, or may not lead any more.
///
/// # Errors
/// What keeps it from starting; that the Lease is lost.
pub async fn run(arguments: arguments::Controller) -> anyhow::Result<()> {
    let ended = signalled()?;
    tokio::pin!(ended);
    let readiness = Readiness::not_yet("starting");
    let client = client::inferred().await?;
    let mut tasks = JoinSet::new();
    serve(&arguments, &readiness, &mut tasks)?;
    let mut election = Election::new(
        Api::namespaced(client.clone(), &arguments.lease_namespace),
        arguments.lease_name.clone(),
        arguments.identity.clone(),
    );
    let warmed_up = warm_up(&client, &arguments, &readiness, &mut tasks);
    let contexts = tokio::select! {
        contexts = warmed_up => contexts?,
        () = &mut ended => return Ok(()),
    };
    let won = tokio::select! {
        won = election.won() => won,
        () = &mut ended => return Ok(()),
        ended = tasks.join_next() => bail!("a part of the operator ended: {ended:?}"),
    };
    lead(&contexts, (&mut election, won), ended, &mut tasks).await
}

/// Leads until told to end, and then gives the Lease back; or until it is lost, and then nothing is finished: another
/// one may lead already.
async fn lead(
    contexts: &[Arc<Context>],
    (election, won): (&mut Election, Instant),
    ended: impl Future<Output = ()>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    tracing::info!("this process leads");
    // All of them before the first round takes a turn.
    for context in contexts {
        context.shared.rollouts.resume(&context.watched);
    }
    let stop = CancellationToken::new();
    let mut rounds = JoinSet::new();
    for context in contexts {
        rounds.spawn(control(Arc::clone(context), stop.clone()));
    }
    tokio::select! {
        () = ended => {}
        () = election.lost(won) => bail!("the Lease is lost: another operator may lead"),
        ended = tasks.join_next() => bail!("a part of the operator ended: {ended:?}"),
        ended = rounds.join_next() => bail!("the rounds ended: {ended:?}"),
    }
    tracing::info!("told to end: rounds that are on are finished");
    stop.cancel();
    let all = async { while rounds.join_next().await.is_some() {} };
    if timeout(FINISHING, all).await.is_err() {
        tracing::warn!("not all rounds are finished: the next leader does what they left");
        rounds.shutdown().await;
    }
    election.release().await;
    Ok(())
}

/// Rounds of the pools of one scope, until told to stop.
async fn control(context: Arc<Context>, stop: CancellationToken) {
    // A namespace may not be there yet.
    context.watched.ready().await;
    let pools = context.watched.pools.clone();
    let config = kube_runtime::Config::default().concurrency(CONCURRENT_ROUNDS);
    let never_fails = |_, error: &Infallible, _| match *error {};
    Controller::for_shared_stream(touched(context.watched.clone()), pools)
        .with_config(config)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, never_fails, Arc::clone(&context))
        .for_each(|ended| {
            if let Err(error) = ended {
                tracing::debug!(%error, "a round does not begin");
            }
            context.forget_the_gone();
            ready(())
        })
        .await;
}

/// All pools, and then each that something happened to. Who falls behind looks at all again.
fn touched(watched: Watched) -> impl Stream<Item = Arc<ExportPool>> {
    let changes = watched.touched();
    let first = stream::iter(watched.pools.state());
    let later = stream::unfold((changes, watched), async |(mut changes, watched)| {
        let pools = match changes.recv().await {
            Ok(pool) => watched.pools.get(&pool).into_iter().collect(),
            Err(RecvError::Lagged(_)) => watched.pools.state(),
            Err(RecvError::Closed) => return None,
        };
        Some((stream::iter(pools), (changes, watched)))
    });
    first.chain(later.flatten())
}

/// Everything that a leader needs, short of leading.
async fn warm_up(
    client: &Client,
    arguments: &arguments::Controller,
    readiness: &Readiness,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<Vec<Arc<Context>>> {
    let readers = Arc::new(Readers::new(client, &started(arguments)?)?);
    definition_is_there(client, readiness).await;
    let settings = Settings {
        class: arguments.class.clone(),
        operator: format!("{}/{}", arguments.lease_namespace, arguments.lease_name),
    };
    let rollouts = Arc::new(Rollouts::new(arguments.max_concurrent_rollouts));
    readiness.set(Some("listing what there is".to_owned()));
    let begin = |namespace| (namespace, Watched::begin(client, namespace, readiness, tasks));
    let scopes: Vec<_> = arguments.namespaces().map(begin).collect();
    for (namespace, watched) in &scopes {
        ready_or_missing(client, *namespace, watched).await;
    }
    readiness.set(None);
    let pools = scopes.iter().map(|(_, watched)| watched.pools.clone()).collect();
    let shared = Shared { readers, rollouts, pools };
    let context = |(_, watched)| {
        let identity = arguments.identity.clone();
        Arc::new(Context::new(client.clone(), watched, shared.clone(), settings.clone(), identity))
    };
    Ok(scopes.into_iter().map(context).collect())
}

/// Waits until everything of a namespace was listed once, or there is no such namespace: it keeps no other one waiting.
async fn ready_or_missing(client: &Client, namespace: Option<&str>, watched: &Watched) {
    let missing = async {
        let Some(namespace) = namespace else { return pending().await };
        let namespaces: Api<Namespace> = Api::all(client.clone());
        while !matches!(namespaces.get_metadata_opt(namespace).await, Ok(None)) {
            sleep(LOOK_AGAIN).await;
        }
        tracing::warn!(
            namespace,
            "this namespace of watchNamespaces is not there: its pools wait until it is"
        );
    };
    tokio::select! {
        biased;
        () = watched.ready() => {}
        () = missing => {}
    }
}

fn started(arguments: &arguments::Controller) -> anyhow::Result<Started<'_>> {
    Ok(Started {
        allow_endpoints: arguments.allow_endpoints,
        queue_access: arguments.queue_access.as_deref(),
        cluster_name: &arguments.cluster_name,
        sqs_requests_per_second: NonZeroU32::new(arguments.sqs_requests_per_second)
            .context("--sqs-requests-per-second is at least 1")?,
    })
}

/// Waits until the definition is there and new enough: nothing is guessed by an older one.
async fn definition_is_there(client: &Client, readiness: &Readiness) {
    while let Err(fault) = crd::check(client).await {
        tracing::error!(%fault, "waiting");
        readiness.set(Some(fault.to_string()));
        sleep(LOOK_AGAIN).await;
    }
}

fn serve(
    arguments: &arguments::Controller,
    readiness: &Readiness,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let builder = PrometheusBuilder::new().idle_timeout(MetricKindMask::GAUGE, Some(FORGET_AFTER));
    let metrics = builder.install_recorder().context("metrics cannot be kept")?;
    describe();
    let (at, readiness, kept) = (arguments.listen, readiness.clone(), metrics.clone());
    // What nobody reads would pile up.
    tasks.spawn(async move {
        loop {
            sleep(TIDY_EVERY).await;
            kept.run_upkeep();
        }
    });
    tasks.spawn(async move {
        if let Err(error) = http::serve(at, readiness, metrics).await {
            tracing::error!("{error:#}");
        }
    });
    Ok(())
}

fn signalled() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use std::iter::repeat;

    use serde_json::json;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::{
        lead::{LEASE, RENEW_WITHIN},
        scenarios::{Cluster, DEPLOYMENT, Fate, Operator, Reply},
    };

    const LEASE_PLACE: &str = "leases/operator";

    /// Leads from now on, and answers why it ends.
    async fn led(operator: &Operator) -> JoinHandle<anyhow::Error> {
        let client = operator.cluster.client();
        let mut election = Election::new(Api::namespaced(client, "team"), "operator".into(), "me".into());
        let won = election.won().await;
        let contexts = [Arc::clone(&operator.context)];
        tokio::spawn(async move {
            let (never, mut tasks) = (pending(), JoinSet::from_iter([pending()]));
            lead(&contexts, (&mut election, won), never, &mut tasks).await.unwrap_err()
        })
    }

    async fn assert_lost(led: JoinHandle<anyhow::Error>) {
        let error = timeout(LEASE, led).await.expect("before another one may lead").unwrap();
        assert!(error.to_string().contains("the Lease is lost"), "{error}");
    }

    async fn until(cluster: &Cluster, holds: impl Fn(&Cluster) -> bool) {
        let holding = async {
            while !holds(cluster) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(60), holding).await.expect("within a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_that_is_not_there_keeps_no_other_one_waiting() {
        let (cluster, mut watches) = (Cluster::default(), JoinSet::new());
        cluster.fate("GET pods", repeat(Fate::Refused(403, "its Role is gone as well")));
        let client = cluster.client();
        let watched = Watched::begin(&client, Some("team"), &Readiness::default(), &mut watches);
        let is_waited_for = async || {
            timeout(3 * LOOK_AGAIN, ready_or_missing(&client, Some("team"), &watched)).await.is_err()
        };
        assert!(!is_waited_for().await);
        cluster.put("/api/v1/namespaces/team", &json!({"kind": "Namespace", "metadata": {"name": "team"}}));
        assert!(is_waited_for().await, "it is there, and the right is missing");
        cluster.fate("GET pods", []);
        timeout(Duration::from_secs(120), watched.ready()).await.expect("listed once the right is there");
        assert!(!is_waited_for().await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sees_another_ones_lease_writes_nothing_any_more() {
        let operator = Operator::with(|_| {}).await;
        let led = led(&operator).await;
        until(&operator.cluster, |cluster| cluster.replicas().is_some()).await;
        operator.cluster.put(LEASE_PLACE, &json!({"spec": {"holderIdentity": "another"}}));
        assert_lost(led).await;
        operator.written();
        operator.cluster.delete(DEPLOYMENT);
        sleep(2 * LEASE).await;
        assert_eq!(operator.cluster.written(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_renew_its_lease_ends_before_another_one_may_lead_in_the_middle_of_a_round() {
        for fate in [Fate::Unanswered, Fate::Dropped, Fate::Refused(500, "oh"), Fate::Refused(503, "not now")]
        {
            let operator = Operator::with(|_| {}).await;
            let led = led(&operator).await;
            until(&operator.cluster, |cluster| cluster.replicas().is_some()).await;
            // A round is on, and stays on for as long as a request may.
            operator.cluster.fate("PATCH services/reports", repeat(Fate::Unanswered));
            operator.cluster.delete("services/reports");
            operator.sqs.replies(Reply::Depth(1_000));
            operator.cluster.fate(&format!("PUT {LEASE_PLACE}"), repeat(fate));
            let (since, before) = (Instant::now(), operator.cluster.replicas());
            assert_lost(led).await;
            assert!(since.elapsed() <= RENEW_WITHIN + Duration::from_secs(2), "{:?}", since.elapsed());
            operator.cluster.fate("PATCH services/reports", []);
            operator.cluster.written();
            sleep(2 * LEASE).await;
            assert_eq!((operator.cluster.written(), operator.cluster.replicas()), (vec![], before));
        }
    }
}
