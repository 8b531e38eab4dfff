//! What a profile means. Pure: records in, findings out.

pub mod baseline;
pub mod bubble;
pub mod diagnosis;
pub mod doctor;
pub mod flame;
pub mod heap;
pub mod memory;
pub(crate) mod number;
pub mod quantile;
pub mod series;
pub(crate) mod share;
pub mod trend;
pub mod zone;
