//! All integration tests in one binary: it links once.

mod support;

mod board_file;
mod cli;
mod daemon_smoke;
mod demo;
mod engine;
mod journal;
mod org_differential;
mod pty_smoke;
mod socket;
mod tidy;
