//! The cases of R19, one per line.

use super::*;
use crate::core::queue::ledger::Base;
