//! One round of one pool: observe, decide, apply, report.

mod context;
mod pace;
mod rivalry;
mod state;

use std::{convert::Infallible, sync::Arc, time::Duration};

use kube_runtime::{controller::Action, reflector::ObjectRef};
use tokio::time::Instant;

pub use context::{Context, Settings, Shared};
use state::State;

use crate::{
    api::ExportPool,
    apply::{self, Target, Written, fault::ApplyFault},
    decide::{Sharing, Undecidable, decide},
    observe::{self, workload::Workload},
    report::{Hindrance, ONE_EACH, Obstacle, Round, events, metrics},
};

/// A pool that another operator goes on with is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Reconciles a pool. What goes wrong is a value, and is told on the pool: nothing is thrown.
///
/// # Errors
/// None.
pub async fn reconcile(pool: Arc<ExportPool>, context: Arc<Context>) -> Result<Action, Infallible> {
    if !context.is_ours(&pool) {
        context.forget(&pool);
        return Ok(Action::await_change());
    }
    let begun = Instant::now();
    let state = context.state_of(&pool);
    let mut state = state.lock().await;
    let action = round(&pool, &context, &mut state).await;
    metrics::reconciled(begun.elapsed().as_secs_f64());
    Ok(action)
}

async fn round(pool: &ExportPool, context: &Context, state: &mut State) -> Action {
    let workload = Workload::of(pool, &context.watched);
    if gives_way(pool, context, state, &workload) {
        return Action::requeue(LOOK_AGAIN);
    }
    if state.is_due(pool, Instant::now()) {
        let seen = Box::pin(observe::observe(pool, context, &workload, state.looks)).await;
        let sharing = Sharing::of(pool, &seen.rivals, (context.clock)());
        let verdict = decide(&pool.spec, &mut state.memory, &seen.observation, sharing);
        metrics::decided(verdict.as_ref().map_or_else(Undecidable::reason, |verdict| verdict.why.word()));
        state.note(pool, seen, verdict, Instant::now());
    }
    let contested_by = state.contested_by(workload.contested_by(), Instant::now());
    let obstacle = match carry_out(pool, context, state, &workload).await {
        Ok(lacks) => lacks.map(Obstacle::from),
        Err(obstacle) => Some(obstacle),
    };
    let rival = state.rivalry.other().map(str::to_owned);
    tell(
        pool,
        context,
        state,
        Hindrance {
            obstacle: obstacle.as_ref(),
            contested_by: contested_by.as_deref(),
            waits_its_turn: state.waits_its_turn,
            rival: rival.as_deref(),
        },
    )
    .await;
    Action::requeue(state.wait(obstacle.as_ref(), Instant::now()))
}

/// Whether another operator goes on with this pool, and this one lets go of it.
fn gives_way(pool: &ExportPool, context: &Context, state: &mut State, workload: &Workload) -> bool {
    let ours = &context.settings.operator;
    if state.rivalry.note(workload.operator(), ours, Instant::now()) {
        context.shared.rollouts.forget(pool.metadata.uid.as_deref().unwrap_or_default());
        state.let_go(pool);
        let (pool, other) = (ObjectRef::from_obj(pool), state.rivalry.other());
        tracing::warn!(%pool, other, "another operator looks after this pool as well, and goes on with it: {ONE_EACH}");
    }
    state.rivalry.gives_way(ours)
}

/// What was decided becomes so. As long as nothing is, the pods stay as many as they are. Answers what could not be
/// written beside the Deployment.
async fn carry_out(
    pool: &ExportPool,
    context: &Context,
    state: &mut State,
    workload: &Workload,
) -> Result<Option<ApplyFault>, Obstacle> {
    let decided = state.verdict.as_ref().and_then(|verdict| verdict.as_ref().ok());
    let from = workload.replicas();
    let target = Target { workload, replicas: decided.map_or(from, |verdict| verdict.replicas) };
    let Written { replicas: to, waits_its_turn, lacks } =
        apply::apply(pool, context, &mut state.applying, target).await?;
    state.waits_its_turn = waits_its_turn;
    if let Some(verdict) = decided {
        let event = state.told.scaled(from, to, verdict.why.word(), (context.clock)());
        context.publish(pool, event).await;
    }
    Ok(lacks)
}

async fn tell(pool: &ExportPool, context: &Context, state: &mut State, hindrance: Hindrance<'_>) {
    // As it is by now: pods come and go while a round is on.
    let workload = Workload::of(pool, &context.watched);
    let round = Round {
        pool,
        now: (context.clock)(),
        workload: &workload,
        queues: &state.queues,
        reports: state.reports,
        oldest: state.oldest,
        learned: state.memory.learned(),
        verdict: state.verdict.as_ref(),
        hindrance,
    };
    let told = state.written.news(&round);
    metrics::tell(&round, &told.status);
    // What is not written is told the next time, and its events with it.
    if told.is_news && context.is_there(pool) && context.write_status(pool, &told.status).await {
        state.written.note(pool, &told.status, round.now);
        let before = pool.status.as_ref().map_or(&[][..], |status| &status.conditions);
        context.publish(pool, events::of_spec(pool)).await;
        context.publish(pool, events::of_conditions(before, &told.status.conditions)).await;
    }
}
