//! All integration tests in one binary: it links once.

mod support;

mod board_file;
mod board_text;
mod cli;
mod daemon_smoke;
mod journal;
mod org_differential;
mod person;
mod pty_smoke;
mod replies;
mod restart;
mod simulation;
mod socket;
mod tidy;
mod transitions;
