//! What the consumer needs of the world, in its own words. Adapters are in `aws/` and `work/fetch/`; tests put
//! fakes with injected failures in their place.
//!
//! Every port is used on a single-threaded runtime that made it, so its futures need no `Send`.

mod ledger;
mod queue;
mod source;
mod store;

pub use ledger::{
    Claim, ClaimAsk, Claimed, Cursor, Ending, JobClaim, JobOpening, Ledger, Recorded, Settling,
};
pub use queue::{Entry, MAX_MESSAGE_BYTES, Outbox, Outgoing, Queue, QueueFacts, is_carried};
pub use source::{Body, Request, Source, SourceHead};
pub use store::{Head, ObjectStore, Owner, Part, Place, StoreFault};

/// Makes ports for the thread that asks: each runtime builds its own clients, and they die with it.
pub trait Ports: Clone + Send + Sync + 'static {
    /// SQS.
    type Queue: Queue + 'static;
    /// S3.
    type Store: ObjectStore + 'static;
    /// DynamoDB.
    type Ledger: Ledger + 'static;
    /// Where files come from.
    type Source: Source + 'static;
    /// For the link thread.
    fn queue(&self) -> Self::Queue;
    /// For a worker, and for the record thread to look at.
    fn store(&self) -> Self::Store;
    /// For any thread but main and link.
    fn ledger(&self) -> Self::Ledger;
    /// For a worker.
    ///
    /// # Errors
    /// When it cannot be made.
    fn source(&self) -> anyhow::Result<Self::Source>;
    /// For the admit thread: pages of Export APIs, which the limits of downloads do not hold up.
    ///
    /// # Errors
    /// When it cannot be made.
    fn pages(&self) -> anyhow::Result<Self::Source>;
}
