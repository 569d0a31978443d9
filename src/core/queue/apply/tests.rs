//! Every event on every heading: shown once, read back, and nothing else touched.

use super::*;
use crate::core::{
    edit::apply_edits,
    id::{AgentName, Token},
    org::{body_text, heads},
    queue::{
        board::Board,
        event::{Actor, Auth, Via},
    },
};
use proptest::prelude::*;

const LINES: &[&str] = &[
    "CLOSED: [2026-01-01 Thu 10:00] DEADLINE: <2026-04-15 Wed>",
    ":PROPERTIES:",
    ":ID: T",
    ":CLAIMED_BY: ezra",
    ":LOGGING: nil",
    ":END:",
    ":LOGBOOK:",
    "- State \"DONE\"       from \"PENDING\"    [2026-01-01 Thu 10:00] (#7)",
    "#+begin_src org",
    "#+end_src",
    "text é [1/2]",
    "",
    "\\begin{x}",
];

fn section() -> impl Strategy<Value = String> {
    let head = proptest::sample::select(vec!["PENDING", "IN_PROGRESS", "DONE", "FAILED", "SKIPPED"]);
    let lines = prop::collection::vec(proptest::sample::select(LINES), 0..12);
    (head, lines, any::<bool>()).prop_map(|(head, lines, last)| {
        format!("** {head} [#A] T é :a:\n{}{}", lines.join("\n"), if last { "\n" } else { "" })
    })
}

fn agent(name: &str) -> AgentName {
    AgentName::new(name).expect("a name")
}

fn event() -> impl Strategy<Value = Event> {
    let text = "[a-z* :#+()0-9-]{0,12}";
    (0..8usize, text).prop_map(|(kind, text)| {
        let text = crate::core::org::safe::line(&text);
        let (task, title, stamp, reason) = ("T".to_owned(), "T".to_owned(), kind % 2 == 0, Some(text.clone()));
        let (from, to) = (|word: &str| word.to_owned(), |word: &str| word.to_owned());
        let (pending, working) = (from("PENDING"), from("IN_PROGRESS"));
        let poison = || if text.len() > 6 { vec![agent("ezra"), agent("timmy")] } else { Vec::new() };
        let change = match kind {
            0 => Change::Claimed {
                task,
                from: pending,
                to: working,
                title,
                stamp,
                heading: String::new(),
                lease_secs: None,
            },
            1 => Change::Done { task, from: working, to: to("DONE"), result: reason, late: false, repeat: None },
            2 => Change::Failed {
                task,
                from: working,
                to: pending,
                attempts: 1,
                not_before: None,
                reason,
                late: false,
                poison: poison(),
            },
            7 => Change::Expired {
                task,
                from: working,
                to: to("FAILED"),
                agent: agent("ezra"),
                token: Token { epoch: 1, number: 1 },
                attempts: 3,
                not_before: None,
                poison: poison(),
            },
            3 => Change::Released { task, from: working, to: pending, reason },
            4 => Change::Skipped { task, from: pending, to: to("SKIPPED"), title, stamp, reason },
            5 => Change::Requeued { task, from: from("DONE"), to: pending, title, stamp, reason },
            _ => Change::Noted { task, text: text.clone() },
        };
        let by = Actor::Agent(AgentName::new("timmy").expect("a name"));
        Event { at: Stamp::new(1_795_168_800_000, 0), by, via: Via::Inside, auth: Auth::Label, request: None, change }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r15_an_event_is_shown_once_and_only_in_the_lines_of_its_heading(before in section(), event in event(), number in 1..30u64) {
        let settings = Settings::read(&before);
        let token = matches!(event.change, Change::Claimed { .. }).then(|| format!("1-{number}"));
        let edits = to_heading(&before, &settings, number, token.as_deref(), &event, Extent::Whole);
        let mut after = before.clone();
        apply_edits(&mut after, &edits);
        let again = to_heading(&after, &settings, number, token.as_deref(), &event, Extent::Whole);
        prop_assert_eq!(again, vec![], "twice changes nothing: {}", after);
        prop_assert_eq!(heads(&after).count(), 1);

        let (old, new) = (Board::read(&before), Board::read(&after));
        let (old, new) = (&old.sections()[1], &new.sections()[1]);
        prop_assert_eq!(old.title(), new.title());
        if let Some((from, to)) = event.change.transition() {
            let expected = if old.keyword() == Some(from) { Some(to) } else { old.keyword() };
            prop_assert_eq!(new.keyword(), expected);
        }
        if let Some(token) = &token {
            prop_assert_eq!(new.property("TOKEN"), Some(token.as_str()));
        }
        let body = |section: &Section| {
            section.heading.as_ref().map(|heading| body_text(&section.text, heading, &settings)).unwrap_or_default()
        };
        // What was cut off from a broken drawer may join the heading's own lines; nothing is lost or changed.
        prop_assert!(body(old).ends_with(&body(new)) || body(new).ends_with(&body(old)), "{}\n{}", before, after);
    }
}

#[test]
fn r10_a_report_lands_where_the_board_lost_the_keyword_that_it_found() {
    let shown = |keywords: &str, heading: &str| {
        let settings = Settings::read(keywords);
        let (task, from, to) = ("T".to_owned(), "IN_PROGRESS".to_owned(), "DONE".to_owned());
        let change = Change::Done { task, from, to, result: None, late: false, repeat: None };
        let by = Actor::Agent(agent("timmy"));
        let at = Stamp::new(1_795_168_800_000, 0);
        let event = Event { at, by, via: Via::Inside, auth: Auth::Label, request: None, change };
        let mut text = heading.to_owned();
        apply_edits(&mut text, &to_heading(heading, &settings, 7, None, &event, Extent::Whole));
        text.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(shown("#+TODO: PENDING WORK | DONE\n", "* PENDING One\n"), "* DONE One");
    let whole = "#+TODO: PENDING IN_PROGRESS | DONE\n";
    assert_eq!(shown(whole, "* PENDING One\n"), "* PENDING One", "there a person set it");
    assert_eq!(shown(whole, "* IN_PROGRESS One\n"), "* DONE One");
}
