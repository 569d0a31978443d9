//! All integration tests in one binary: it links once.

mod board_file;
mod engine;
mod journal;
mod support;

mod daemon_smoke;
mod pty_smoke;
mod tidy;
