//! What crosses a process boundary: the messages on the queues, the names in the environment, the table's
//! layout and the documents a pod answers. Data types and their checks only: no I/O, no clock.

pub mod attribute;
pub mod environment;
pub mod health;
pub mod id;
pub mod key;
pub mod message;
pub mod record;
pub mod report;
pub mod schema;

pub use health::Health;
pub use id::{InvalidId, JobId, TaskId};
pub use key::{InvalidKey, ObjectKey};
pub use message::{Continuation, Destination, ExportApi, ExportPage, JobMessage, TaskMessage, TaskSpec};
pub use report::PodReport;
