//! Fleet: one board, one person in Emacs, a hundred agents.
//!
//! The layers and what each of them never does stand in `ARCHITECTURE.md` beside this file.
//! Arrows point inwards only: `core` ← `adapters` ← `engine` ← `module`, `cli`.

pub mod adapters;
pub mod core;
pub mod engine;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "module")]
pub mod module;
