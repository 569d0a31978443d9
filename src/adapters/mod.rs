//! The outside world, one thing per file.

pub mod clock;
pub mod journal;
pub mod owner;
