//! The outside world, one thing per file.

pub mod board_file;
pub mod clock;
pub mod journal;
pub mod owner;
