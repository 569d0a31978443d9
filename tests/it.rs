//! All integration tests in one binary: it links once.

mod support;

mod board_file;
mod cli;
mod daemon_smoke;
mod docs;
mod engine;
mod journal;
mod live_doors;
mod live_kill;
mod live_race;
mod org_differential;
mod pty_smoke;
mod socket;
mod tidy;
