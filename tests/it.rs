//! All integration tests in one binary: it links once.

mod support;

mod board_file;
mod cli;
mod daemon_smoke;
mod engine;
mod journal;
mod org_differential;
mod person_typing;
mod pty_smoke;
mod socket;
mod tidy;
