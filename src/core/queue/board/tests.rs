//! A board that was changed piece by piece is the board that a fresh reading of its text gives.

use super::*;
use crate::core::{edit::apply_edits, org::Draft};
use proptest::prelude::*;
use std::collections::HashSet;

/// Pieces that people type, paste and delete, and that change what the text around them means.
const PIECES: &[&str] = &[
    "* PENDING TASK-001 Deploy :timmy:\n",
    "* PENDING TASK-001 again\n:PROPERTIES:\n:ID: a1\n:END:\ntext\n",
    "** IN_PROGRESS Sub\n:PROPERTIES:\n:ID: a1\n:CUSTOM_ID: c1\n:END:\n",
    "*** DONE Deep :ARCHIVE:\n  body é\u{200b}\n",
    "**** COMMENT PENDING x\n",
    "* Plain [1/2]\n",
    "* \n",
    "*",
    "**",
    " ",
    "\n",
    "x",
    "é",
    "😀",
    ":ID: b2\n",
    ":PROPERTIES:\n",
    ":END:\n",
    "#+TODO: OPEN PENDING | SHUT\n",
    "#+TYP_TODO: A | B\n",
    "#+FILETAGS: :f:\n",
    "#+FLEET_AGENTS: timmy allegro\n",
    "#+STARTUP: nologdone nologdrawer\n",
    "#+begin_src org\n",
    "#+end_src\n",
    "\\begin{x}\n",
    "\\end{x}\n",
    "DEADLINE: <2026-04-15 Wed>\n",
];

#[derive(Clone, Debug)]
enum Step {
    /// Replaces so many characters at a share of the text, and tells a window that is wider by some.
    Type { at: u16, gone: u8, text: String, slack: (u8, u8) },
    /// Moves a piece of the text somewhere else, reported as one change.
    Move { from: u16, length: u8, to: u16 },
    /// Our own edit of one heading.
    Own { at: u16, keyword: bool, id: String },
    /// New headings at the end, as `add` makes them.
    Append,
    /// Everything is read again.
    All,
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(proptest::sample::select(PIECES), 0..14).prop_map(|pieces| pieces.concat())
}

fn step() -> impl Strategy<Value = Step> {
    let typed = prop_oneof![3 => proptest::sample::select(PIECES).prop_map(str::to_owned), 1 => text(), 2 => Just(String::new())];
    prop_oneof![
        6 => (any::<u16>(), any::<u8>(), typed, any::<(u8, u8)>())
            .prop_map(|(at, gone, text, slack)| Step::Type { at, gone: gone % 40, text, slack: (slack.0 % 4, slack.1 % 4) }),
        2 => (any::<u16>(), any::<u8>(), any::<u16>()).prop_map(|(from, length, to)| Step::Move { from, length, to }),
        2 => (any::<u16>(), any::<bool>(), "[ab][0-9]").prop_map(|(at, keyword, id)| Step::Own { at, keyword, id }),
        1 => Just(Step::Append),
        1 => Just(Step::All),
    ]
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// A place in a text of `length`, by a share of it.
fn place(share: u16, length: usize) -> usize {
    usize::from(share) * (length + 1) / (usize::from(u16::MAX) + 1)
}

fn take(board: &mut Board, text: &mut String, step: &Step) {
    match step {
        Step::Type { at, gone, text: typed, slack } => {
            let old = chars(text);
            let start = place(*at, old.len());
            let end = (start + usize::from(*gone)).min(old.len());
            *text = old[..start].iter().collect::<String>() + typed + &old[end..].iter().collect::<String>();
            let prefix = start.saturating_sub(slack.0.into());
            let suffix = (old.len() - end).saturating_sub(slack.1.into());
            report(board, text, prefix, suffix);
        }
        Step::Move { from, length, to } => {
            let mut all = chars(text);
            let start = place(*from, all.len());
            let end = (start + usize::from(*length)).min(all.len());
            let moved: Vec<char> = all.drain(start..end).collect();
            let to = place(*to, all.len());
            all.splice(to..to, moved);
            let suffix = all.len() - end.max(to + end - start);
            *text = all.into_iter().collect();
            report(board, text, start.min(to), suffix);
        }
        Step::Own { at, keyword, id } => own(board, place(*at, board.sections().len() - 1), *keyword, id),
        Step::Append => {
            let last = board.sections().len() - 1;
            let mut whole = board.sections()[last].text.clone();
            let lead = if whole.is_empty() || whole.ends_with('\n') { "" } else { "\n" };
            whole.push_str(&format!("{lead}* PENDING new\n:PROPERTIES:\n:ID: n{}\n:END:\n", text.len()));
            board.splice(&Window { sections: last..last + 1, chars: 0..0 }, &whole);
        }
        Step::All => report(board, text, 0, 0),
    }
    if matches!(step, Step::Own { .. } | Step::Append) {
        *text = board.text();
    }
}

fn report(board: &mut Board, text: &str, prefix: usize, suffix: usize) {
    let all = chars(text);
    let window = board.window(prefix as u64, suffix as u64, all.len() as u64);
    let piece: String = all[window.chars.start as usize..window.chars.end as usize].iter().collect();
    board.splice(&window, &piece);
}

fn own(board: &mut Board, at: usize, keyword: bool, id: &str) {
    let mut draft = Draft::new(&board.sections()[at].text, board.settings());
    if keyword {
        draft.set_keyword("DONE");
    }
    draft.set_property("ID", id);
    draft.log("State", "State");
    let (expected, edits) = (draft.text().to_owned(), draft.into_edits());
    let mut applied = board.sections()[at].text.clone();
    apply_edits(&mut applied, &edits);
    assert_eq!(applied, expected);
    board.edit(at, &edits);
}

/// Everything but the uids, which a fresh reading cannot know.
fn same(board: &Board, text: &str) -> Result<(), TestCaseError> {
    let fresh = Board::read(text);
    prop_assert_eq!(&board.text(), text);
    prop_assert_eq!(&board.settings, &fresh.settings);
    prop_assert_eq!(&board.agents, &fresh.agents);
    prop_assert_eq!(board.sections.len(), fresh.sections.len());
    for (ours, theirs) in board.sections.iter().zip(&fresh.sections) {
        prop_assert_eq!(&ours.text, &theirs.text);
        prop_assert_eq!(&ours.heading, &theirs.heading);
        prop_assert_eq!(ours.state, theirs.state);
    }
    prop_assert_eq!(&board.chars, &fresh.chars);
    prop_assert_eq!(&board.newlines, &fresh.newlines);
    prop_assert_eq!(&board.ranks, &fresh.ranks);
    prop_assert_eq!(&board.parents, &fresh.parents);
    prop_assert_eq!(&board.names, &fresh.names);
    prop_assert_eq!(board.char_count(), text.chars().count() as u64);
    let uids: HashSet<u64> = board.sections.iter().map(|section| section.uid).collect();
    prop_assert_eq!(uids.len(), board.sections.len(), "every section has a uid of its own");
    prop_assert_eq!(board.places.len(), board.sections.len());
    for at in 0..board.sections.len() {
        prop_assert_eq!(board.index_of(board.sections[at].uid), Some(at));
        prop_assert_eq!(board.tags(at), fresh.tags(at));
        prop_assert_eq!(board.subtree(at), fresh.subtree(at));
        prop_assert_eq!(board.is_hidden(at), fresh.is_hidden(at));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn r13_a_spliced_board_is_the_board_that_reading_its_text_gives(first in text(), steps in prop::collection::vec(step(), 1..12)) {
        let mut text = first;
        let mut board = Board::read(&text);
        for step in &steps {
            take(&mut board, &mut text, step);
            same(&board, &text)?;
        }
    }

    #[test]
    fn r17_a_heading_with_an_id_keeps_its_uid_wherever_it_goes(first in text(), at in any::<u16>(), typed in text()) {
        let mut text = format!("{first}\n* PENDING The one\n:PROPERTIES:\n:ID: one\n:END:\n");
        let mut board = Board::read(&text);
        let uid = |board: &Board| board.with_id("one").next().map(|at| board.sections()[at].uid);
        let before = uid(&board);
        prop_assume!(before.is_some());
        let all = chars(&text);
        let start = place(at, first.chars().count());
        text = all[..start].iter().collect::<String>() + "\n" + &typed + "\n" + &all[start..].iter().collect::<String>();
        report(&mut board, &text, 0, 0);
        prop_assume!(uid(&board).is_some());
        prop_assert_eq!(uid(&board), before);
    }
}

#[test]
fn uids_follow_ids_then_names_then_places() {
    let board = |text: &str| Board::read(text);
    let id = |id: &str| format!("* PENDING t\n:PROPERTIES:\n:ID: {id}\n:END:\n");
    let uids = |board: &Board| board.sections()[1..].iter().map(|section| section.uid).collect::<Vec<_>>();
    let after = |from: &str, to: &str| {
        let mut board = board(from);
        let before = uids(&board);
        report(&mut board, to, 0, 0);
        uids(&board).into_iter().map(|uid| before.iter().position(|old| *old == uid)).collect::<Vec<_>>()
    };
    let (a, b) = (id("a"), id("b"));
    assert_eq!(after(&format!("{a}{b}"), &format!("{b}{a}")), [Some(1), Some(0)], "transposed");
    assert_eq!(after(&a, &b), [None], "a heading that was given another ID is another task");
    assert_eq!(after(&a, "* PENDING t\n"), [Some(0)], "one whose ID was deleted is the same still");
    assert_eq!(after("* PENDING t\n", &format!("* new\n{a}")), [None, Some(0)], "one that was given an ID is the same");
    assert_eq!(after("* PENDING x\n", "* PENDING xy\n"), [Some(0)], "a title that is being typed");
    assert_eq!(after("* a\n* b\n", "* a\n"), [Some(0)]);
    assert_eq!(after("* \n", "x\n* \n"), [Some(0)], "the text before the first heading is never a heading");
}

#[test]
fn r25_a_name_is_an_id_else_a_custom_id_else_a_leading_token_else_a_title() {
    let text = "* PENDING TASK-1 first
* PENDING second
:PROPERTIES:
:CUSTOM_ID: TASK-1
:END:
* PENDING third
:PROPERTIES:
:ID: TASK-2
:END:
* PENDING TASK-2 fourth
* PENDING TASK-3 x
* PENDING TASK-3 y
* PENDING same
* PENDING same
* TASK-4 no task
";
    let board = Board::read(text);
    for (name, expected) in [
        ("TASK-1", Ok(2)),
        ("TASK-2", Ok(3)),
        ("TASK-3", Err(Unresolved::Ambiguous(vec![5, 6]))),
        ("second", Ok(2)),
        ("same", Err(Unresolved::Ambiguous(vec![7, 8]))),
        ("TASK-4", Err(Unresolved::Unknown)),
        ("TASK-4 no task", Err(Unresolved::Unknown)),
        ("TASK-1 first", Ok(1)),
        ("task-1", Err(Unresolved::Unknown)),
    ] {
        assert_eq!(board.resolve(name), expected, "{name}");
    }
}
