//! Pages that need nothing else: no network, light and dark, with a keyboard, on paper.

mod bubble;
mod comparison;
mod doctor;
mod flame;
mod heap;
mod html;
mod page;
mod tables;

pub use bubble::bubble;
pub use comparison::{comparison, with_comparison};
pub use doctor::doctor;
pub use flame::flame;
pub use heap::heap;
pub use tables::{Row, Table, tables};
