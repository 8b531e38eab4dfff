//! The instruments: sample -> analyse -> render.
//!
//! A profile is a stream of [`record`]s, one JSON object a line, which lasts as long as somebody reads it: nothing has to be
//! switched off again, and what was read until a crash is kept. [`analyse`] says what it means, and is pure.

pub mod analyse;
pub mod read;
pub mod record;
pub mod render;
