//! All integration tests in one binary: it links once.

mod board_file;
mod journal;
mod engine;
