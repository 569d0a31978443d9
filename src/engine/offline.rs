//! Owns a board for one request, where no Emacs does.

use super::wire::{Failure, Reply, Request};
use crate::core::code::Code;
use std::path::Path;

/// Answers `request` from the board's file and journal.
pub fn run(_board: &Path, request: &Request) -> Reply {
    Reply::refused(Some(&request.id), Failure::new(Code::General, "not-built", "the offline engine is not built yet"))
}
