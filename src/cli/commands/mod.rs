//! One file per verb: its help, its arguments, its run.

pub mod add;
pub mod append;
pub mod attach;
pub mod claim;
pub mod completions;
pub mod config;
pub mod daemon;
pub mod doctor;
pub mod done;
pub mod eval;
pub mod fail;
pub mod halt;
pub mod list;
pub mod log;
pub mod man;
pub mod note;
pub mod peer;
pub mod poll;
pub mod release;
pub mod report;
pub mod requeue;
pub mod resume;
pub mod show;
pub mod skill;
pub mod skip;
pub mod status;
