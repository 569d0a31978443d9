//! The owner of a board: model, journal and stored replies. No Emacs in it.

pub mod offline;
pub mod wire;
