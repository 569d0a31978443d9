//! All integration tests in one binary: it links once.

mod cli;
mod socket;
mod support;
