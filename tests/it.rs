//! All integration tests in one binary: it links once.

mod support;

mod board_file;
mod cli;
mod daemon_smoke;
mod engine;
mod journal;
mod odd_boards;
mod org_differential;
mod person_typing;
mod person_unseen;
mod pty_smoke;
mod socket;
mod tidy;
