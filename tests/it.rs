//! All integration tests in one binary: it links once.

mod support;

mod backup;
mod board_file;
mod cli;
mod daemon_smoke;
mod demo;
mod docs;
mod journal;
mod org_differential;
mod pty_smoke;
mod replies;
mod simulation;
mod socket;
mod tidy;
mod transitions;
