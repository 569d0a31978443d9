//! One file per verb: its help, its arguments, its run.

pub mod add;
pub mod append;
pub mod archive;
pub mod claim;
pub mod config;
pub mod daemon;
pub mod done;
pub mod eval;
pub mod fail;
pub mod list;
pub mod log;
pub mod note;
pub mod poll;
pub mod release;
pub mod requeue;
pub mod show;
pub mod skip;
pub mod status;
pub mod verify;
