//! A port's cases on one implementation, and whether each ended as we say it does.

use std::time::Instant;

use futures_util::{StreamExt as _, stream};

use crate::{
    case::{Case, leave_panics, take_panics},
    implementation::{CHOICE, Implementation},
    known, ledger, queue, start, store,
};

/// Cases under way at a time: most of them wait for a clock.
const AT_A_TIME: usize = 12;

/// A port of the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// SQS.
    Queue,
    /// S3.
    ObjectStore,
    /// DynamoDB.
    Ledger,
}

impl Port {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Queue, Self::ObjectStore, Self::Ledger];

    /// What the consumer relies on.
    pub(crate) const fn cases(self) -> &'static [Case] {
        match self {
            Self::Queue => queue::CASES,
            Self::ObjectStore => store::CASES,
            Self::Ledger => ledger::CASES,
        }
    }
}

/// Tries a port's cases on an implementation.
///
/// # Panics
/// Lists each case that failed and is not known to, and each that is known to fail and did not.
pub(crate) fn run(port: Port, implementation: Implementation) {
    if implementation.is_left_out() {
        println!("NOT RUN: {port:?} on {}, left out by {CHOICE}", implementation.title());
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    let surprises = runtime.block_on(tokio::task::LocalSet::new().run_until(try_all(port, implementation)));
    leave_panics();
    let (cases, cannot) = (port.cases().len(), known::of(implementation, port).count());
    let name = format!("{} {}", implementation.title(), implementation.version());
    let (name, took) = (name.trim(), begun.elapsed().as_secs_f32());
    println!("{port:?} on {name}: {cases} cases, {cannot} known to fail, {took:.1} s");
    assert!(surprises.is_empty(), "{port:?} on {name}:\n{}", surprises.join("\n"));
}

async fn try_all(port: Port, implementation: Implementation) -> Vec<String> {
    let site = start::start(implementation).await;
    take_panics();
    let tried = stream::iter(port.cases())
        .map(async |case| surprise(implementation, port, *case, case.hold(&site).await));
    tried.buffer_unordered(AT_A_TIME).filter_map(async |surprise| surprise).collect().await
}

fn surprise(
    implementation: Implementation,
    port: Port,
    case: Case,
    held: Result<(), String>,
) -> Option<String> {
    let (name, known) = (case.name, known::of_case(implementation, port, case.name));
    match (held, known) {
        (Err(why), None) => Some(format!("- {name}: {why}")),
        (Ok(()), Some(known)) if !known.sometimes => {
            Some(format!("- {name}: holds, and known.rs says {:?}", known.instead))
        }
        (Ok(()), _) | (Err(_), Some(_)) => None,
    }
}
