//! Conformance: one suite a port, and each of its cases run through the product's own adapters against every
//! implementation of AWS that we claim to support.
//!
//! | file | holds |
//! |---|---|
//! | `queue`, `store`, `ledger` | the cases of a port: what the consumer relies on, a sentence each |
//! | `known` | what an implementation cannot do, and what it does instead; both directions are checked |
//! | `start` | one file for each way of starting an implementation |
//! | `demo` | the whole product on one that is not ours |
//! | `table` | docs/conformance.md |
//!
//! A test is a port on an implementation: it starts one of its own, on free ports of loopback, and ends it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test, a panic is how it fails"
)]

mod case;
mod demo;
mod implementation;
mod known;
mod ledger;
mod queue;
mod start;
mod store;
mod suite;
mod table;
#[path = "../common/wait.rs"]
mod wait;

use implementation::Implementation;
use suite::{Port, run};

/// A test for each port on each implementation that has it.
macro_rules! suites {
    ($($name:ident: $port:ident on $implementation:ident,)*) => {
        $(
            #[test]
            fn $name() {
                run(Port::$port, Implementation::$implementation);
            }
        )*

        #[test]
        fn every_port_is_tried_on_every_implementation_that_has_it() {
            let tried = [$((Port::$port, Implementation::$implementation)),*];
            for implementation in Implementation::ALL {
                for port in Port::ALL {
                    assert_eq!(tried.contains(&(port, implementation)), implementation.has(port));
                }
            }
        }
    };
}

suites! {
    the_embedded_stand_in_is_a_queue: Queue on Embedded,
    the_embedded_stand_in_is_an_object_store: ObjectStore on Embedded,
    the_embedded_stand_in_is_a_ledger: Ledger on Embedded,
    ministack_is_a_queue: Queue on MiniStack,
    ministack_is_an_object_store: ObjectStore on MiniStack,
    ministack_is_a_ledger: Ledger on MiniStack,
    localstack_is_a_queue: Queue on LocalStack,
    localstack_is_an_object_store: ObjectStore on LocalStack,
    elasticmq_is_a_queue: Queue on ElasticMq,
    moto_is_a_ledger: Ledger on Moto,
}
