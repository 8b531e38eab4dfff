//! How deep the queues are: `GetQueueAttributes`, with credentials that may, shared by all who ask, and never too often.

mod access;
mod clients;
mod connect;
mod credentials;
mod fault;
mod pattern;
mod read;
mod share;
mod source;
#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;

pub use access::{QueueAccess, Rule};
pub use credentials::Credentials;
pub use fault::QueueFault;
pub use read::{AwsDepths, ReadDepth};
pub use share::{QueueReader, Reading};
pub use source::{Principal, QueueSource};
