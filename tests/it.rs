//! All integration tests in one binary: it links once.

mod support;

mod daemon_smoke;
mod pty_smoke;
mod tidy;
