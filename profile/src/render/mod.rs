//! Pages that need nothing else: no network, light and dark, with a keyboard, on paper.

mod doctor;
mod flame;
mod html;
mod page;

pub use doctor::doctor;
pub use flame::flame;
