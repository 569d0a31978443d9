//! All integration tests in one binary: it links once.

mod support;

mod backup;
mod board_file;
mod cli;
mod daemon_smoke;
mod daemon_start;
mod demo;
mod docs;
mod help;
mod journal;
mod live_doors;
mod live_kill;
mod live_race;
mod org_differential;
mod person_typing;
mod pty_smoke;
mod replies;
mod simulation;
mod socket;
mod tidy;
mod transitions;
