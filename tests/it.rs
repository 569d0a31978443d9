//! All integration tests in one binary: it links once.

mod support;

mod backup;
mod board_file;
mod board_text;
mod cli;
mod config;
mod daemon_smoke;
mod daemon_start;
mod demo;
mod docs;
mod help;
mod journal;
mod lisp_hooks;
mod live_doors;
mod live_kill;
mod live_race;
mod notebook;
mod odd_boards;
mod org_differential;
mod person;
mod person_at_board;
mod person_typing;
mod person_unseen;
mod pty_smoke;
mod replies;
mod restart;
mod simulation;
mod socket;
mod threats_emacs;
mod tidy;
mod transitions;
