//! Order among headings: what lies below a task comes before it, and under an ORDERED heading one child after the other.
//!
//! The rule is that of `org-block-todo-from-children-or-siblings-or-parent`, by which Org keeps a task from being closed.
//! Here it keeps a task from being offered: whoever works on it could not end it yet. What is claimed already can always
//! be ended.

use crate::core::queue::model::{Model, Task};
use std::ops::Range;

/// The open task that must be closed before `task`, by its name.
pub(super) fn blocker(model: &Model, task: &Task<'_>) -> Option<String> {
    let at = task.at?;
    if task.section.property("NOBLOCKING").is_some_and(|value| value != "nil") {
        return None;
    }
    let below = model.board.subtree(at);
    let open = first_open(model, below.start + 1..below.end).or_else(|| sibling_before(model, at));
    open.map(|open| open.id.unwrap_or_else(|| open.section.name()).to_owned())
}

/// The open task that comes before section `at`, or before one of the open tasks that it lies below, under a heading
/// that is ORDERED.
fn sibling_before(model: &Model, at: usize) -> Option<Task<'_>> {
    let mut child = at;
    for _ in 0..crate::core::queue::board::DEPTH_MAX {
        let parent = model.board.parent(child)?;
        if is_ordered(model, parent)
            && let Some(open) = last_open(model, parent + 1..child)
        {
            return Some(open);
        }
        // A heading that is no open task waits for nothing, and nothing below it does for its sake.
        model.task_at(parent).filter(|parent| !parent.state.is_closed())?;
        child = parent;
    }
    None
}

fn is_ordered(model: &Model, at: usize) -> bool {
    model.board.sections()[at].property("ORDERED").is_some_and(|value| value != "nil")
}

fn first_open(model: &Model, range: Range<usize>) -> Option<Task<'_>> {
    range.filter_map(|at| model.task_at(at)).find(|task| !task.state.is_closed())
}

/// The nearest one: among many open siblings it is found at once.
fn last_open(model: &Model, range: Range<usize>) -> Option<Task<'_>> {
    range.rev().filter_map(|at| model.task_at(at)).find(|task| !task.state.is_closed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::queue::{board::Board, ledger::Ledger};

    fn blockers(text: &str) -> Vec<(String, Option<String>)> {
        let model = Model::new(Board::read(text), Ledger::new(1));
        let tasks = (0..model.board.sections().len()).filter_map(|at| model.task_at(at));
        tasks.map(|task| (task.section.title().to_owned(), blocker(&model, &task))).collect()
    }

    fn of(text: &str, title: &str) -> Option<String> {
        let found = blockers(text).into_iter().find(|(found, _)| found == title);
        found.unwrap_or_else(|| panic!("there is no {title}")).1
    }

    const PLAN: &str = "* PENDING plan\n:PROPERTIES:\n:ORDERED: t\n:END:\n** DONE a\n** PENDING b\n*** PENDING b1\n\
        ** COMMENT PENDING c\n** PENDING d\n*** PENDING d1\n** FAILED e\n* PENDING other\n";

    #[test]
    fn children_of_an_ordered_heading_wait_for_the_open_ones_before_them() {
        assert_eq!(of(PLAN, "b1"), None);
        assert_eq!(of(PLAN, "b").as_deref(), Some("b1"), "what is below comes first");
        assert_eq!(of(PLAN, "d").as_deref(), Some("d1"));
        assert_eq!(of(PLAN, "d1").as_deref(), Some("b1"), "its parent waits");
        assert_eq!(of(PLAN, "plan").as_deref(), Some("b"));
        assert_eq!(of(PLAN, "other"), None);
    }

    #[test]
    fn without_the_property_or_with_noblocking_siblings_wait_for_nobody() {
        let unordered = PLAN.replace(":ORDERED: t", ":ORDERED: nil");
        assert_eq!(of(&unordered, "d1"), None);
        let free = PLAN.replace("d1\n", "d1\n:PROPERTIES:\n:NOBLOCKING: t\n:END:\n");
        assert_eq!(of(&free, "d1"), None);
    }

    #[test]
    fn a_heading_that_is_no_open_task_waits_for_nobody() {
        for parent in ["\n** Notes\n", "\n** DONE d\n"] {
            let text = PLAN.replace("\n** PENDING d\n", parent);
            assert_eq!(of(&text, "d1"), None, "{parent}");
        }
    }
}
