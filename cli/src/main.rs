//! exportctl
fn main() {}
