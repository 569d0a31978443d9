//! All integration tests in one binary: it links once.

mod support;

mod attach;
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
mod install;
mod journal;
mod live_doors;
mod live_kill;
mod live_race;
mod odd_boards;
mod org_differential;
mod person;
mod person_at_board;
mod person_typing;
mod person_unseen;
mod pty_smoke;
mod replies;
mod report;
mod restart;
mod service;
mod shell_words;
mod simulation;
mod skill;
mod socket;
mod tidy;
mod transitions;
