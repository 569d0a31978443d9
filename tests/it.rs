//! All integration tests in one binary: it links once.
<<<<<<< HEAD

mod support;

mod board_file;
mod cli;
mod daemon_smoke;
mod engine;
mod journal;
mod pty_smoke;
mod socket;
mod tidy;
=======
mod org_differential;
>>>>>>> org
