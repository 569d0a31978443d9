//! Placeholder until the engine exists.
fn main() {}
