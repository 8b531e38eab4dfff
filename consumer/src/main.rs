//! The consumer's process.
fn main() {}
