//! All integration tests in one binary: it links once.

mod board_file;
mod journal;
mod engine;
mod support;

mod daemon_smoke;
mod pty_smoke;
mod tidy;
