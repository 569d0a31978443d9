//! The rules of the task queue: who may do what to which task, and what that does to the board.
//!
//! `decide` turns a command into an event or a refusal; the ledger folds events into what only the journal knows;
//! `apply` turns an event into the smallest edit of one heading. All of it is pure.

pub mod add;
pub mod apply;
pub mod archivable;
pub mod archive;
pub mod audit;
pub mod board;
pub mod decide;
pub mod event;
pub mod lease;
pub mod ledger;
pub mod limit;
pub mod merge;
pub mod model;
mod order;
pub mod ready;
pub mod refusal;
mod repeats;
pub mod state;
