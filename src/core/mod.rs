//! The rules: text, values and `now` in; edits, events and refusals out.
//!
//! Nothing in here opens a file, asks the clock, draws a random number, reads the environment or prints.

pub mod code;
pub mod config;
pub mod edit;
pub mod encoding;
pub mod frame;
pub mod host;
pub mod id;
pub mod org;
pub mod queue;
pub mod time;
pub mod wire;
