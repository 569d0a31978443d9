//! What must hold for any text: reading loses nothing, editing touches nothing else, and nothing panics.

use super::*;
use crate::core::edit::apply_edits;
use proptest::prelude::*;

/// Lines that mean something to org, and some that only look like it.
const LINES: &[&str] = &[
    "* PENDING [#A] TASK-001 Title :a:b:",
    "** DONE x",
    "* TODO",
    "*",
    "*\tx",
    "*** COMMENT c :t:",
    "CLOSED: [2026-01-01 Thu 10:00] DEADLINE: <2026-04-15 Wed +1w>",
    "  SCHEDULED: <2026-04-15>",
    "CLOSED: tbd",
    "CLOSED: [2026-01-01] note CLOSED: [2026-01-02]",
    ":PROPERTIES:",
    "  :properties:",
    ":ID: TASK-001",
    ":EMPTY:",
    ":LOG_INTO_DRAWER: nil",
    ":LOG_INTO_DRAWER: NOTES",
    ":LOGGING: nil",
    ":END:",
    ":LOGBOOK:",
    ":NOTES:",
    "- State \"DONE\"       from \"PENDING\"    [2026-01-01 Thu 10:00]",
    "  continued",
    "#+begin_src sh",
    "#+end_src",
    "#+TODO: A(a@/!) B | C",
    "#+STARTUP: nologdrawer",
    "\\begin{x}",
    "\\end{x}",
    "text [1/2] [50%] [#B] :x:",
    "",
    "   ",
    "é\u{200b}ß\r",
];

fn line() -> impl Strategy<Value = String> {
    prop_oneof![8 => proptest::sample::select(LINES).prop_map(str::to_owned), 1 => "[*:#A-Z <\\[\\]0-9-]{0,12}", 1 => "\\PC{0,20}"]
}

fn text() -> impl Strategy<Value = String> {
    (prop::collection::vec(line(), 0..14), any::<bool>())
        .prop_map(|(lines, last)| lines.join("\n") + if last { "\n" } else { "" })
}

/// A section: a headline and lines that do not begin another one.
fn section() -> impl Strategy<Value = String> {
    ("(\\*{1,3} (PENDING |DONE |TODO |DONE)?(\\[#A\\] )?(x [0/2] y [%]|TASK-1: é|)( :a:b:)?)", text()).prop_map(
        |(head, text)| sections(&format!("{head}\n{text}")).nth(1).expect("it begins with a headline").to_owned(),
    )
}

#[derive(Clone, Debug)]
enum Step {
    Keyword(&'static str),
    Property(&'static str, String),
    Remove(&'static str),
    Closed(Option<&'static str>),
    Log(String),
    Cookie(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || proptest::sample::select(vec!["ID", "TOKEN", "empty", "LOG_INTO_DRAWER"]);
    prop_oneof![
        proptest::sample::select(vec!["PENDING", "IN_PROGRESS", "DONE"]).prop_map(Step::Keyword),
        (key(), "\\PC{0,12}").prop_map(|(key, value)| Step::Property(key, value)),
        key().prop_map(Step::Remove),
        proptest::sample::select(vec![None, Some("[2026-11-20 Fri 10:00]"), Some("[2026-11-21 Sat]")])
            .prop_map(Step::Closed),
        "[a-z]{1,3}(\n[a-z :*]{0,9}){0,2}".prop_map(|entry| Step::Log(safe::text(&entry))),
        (0..3usize, 0..5usize).prop_map(|(done, total)| Step::Cookie(done, total)),
    ]
}

fn take(draft: &mut Draft, step: &Step) {
    match step {
        Step::Keyword(keyword) => draft.set_keyword(keyword),
        Step::Property(key, value) => draft.set_property(key, value),
        Step::Remove(key) => draft.remove_property(key),
        Step::Closed(stamp) => draft.set_closed(*stamp),
        Step::Log(entry) => draft.log(entry, entry.lines().next().unwrap_or("")),
        Step::Cookie(done, total) => draft.set_cookie(*done, *total),
    }
}

fn holds(draft: &Draft, step: &Step) -> bool {
    let (text, heading) = (draft.text(), draft.heading());
    match step {
        Step::Keyword(keyword) => heading.keyword.is_some_and(|span| span.of(text) == *keyword),
        Step::Property(key, value) => heading.property(text, key) == Some(value.trim()),
        Step::Remove(key) => heading.property(text, key).is_none(),
        Step::Closed(stamp) => {
            heading.planning.as_ref().and_then(|planning| planning.closed).map(|span| span.of(text)) == *stamp
        }
        Step::Log(entry) => {
            let first = entry.lines().next().unwrap_or("");
            log::is_silent(text, heading, &Settings::default()) || text[heading.body as usize..].contains(first)
        }
        Step::Cookie(done, total) => {
            let (exact, share) = (format!("[{done}/{total}]"), format!("[{}%]", done * 100 / (*total).max(1)));
            let title = heading.title.of(text);
            safe::cookies(title).all(|cookie| title[cookie.clone()] == exact || title[cookie] == share)
        }
    }
}

/// The text of a section that no edit may touch: all of it but headline, planning, drawer and log.
fn foreign(section: &str, settings: &Settings) -> String {
    let heading = Heading::read(section, &settings.keywords);
    let body = &section[heading.body as usize..];
    let own = |line: &&str| !(line.trim_start().starts_with("- ") || line.trim().is_empty());
    body.lines().filter(own).collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sections_together_are_the_whole_text(text in text()) {
        let pieces: Vec<&str> = sections(&text).collect();
        prop_assert_eq!(pieces.concat(), text.as_str());
        for piece in &pieces[1..] {
            prop_assert_eq!(heads(piece).collect::<Vec<_>>(), [0]);
        }
    }

    #[test]
    fn reading_never_panics_and_spans_lie_in_the_text(text in "\\PC{0,60}|[*:A-Z\n \\[\\]<>#+-]{0,80}") {
        let settings = Settings::read(&text);
        for piece in sections(&text) {
            let heading = Heading::read(piece, &settings.keywords);
            prop_assert!(heading.body as usize <= piece.len());
            body_text(piece, &heading, &settings);
        }
        timestamp::parse(&text);
        let (title, line, clean) = (safe::title(&text), safe::line(&text), safe::text(&text));
        prop_assert_eq!(safe::line(&line), line);
        prop_assert_eq!(safe::text(&clean), clean);
        if let Ok(title) = title {
            prop_assert_eq!(safe::title(&title), Ok(title));
        }
    }

    #[test]
    fn an_edit_is_read_back_and_its_repetition_records_nothing(section in section(), steps in prop::collection::vec(step(), 1..5)) {
        let settings = Settings::default();
        let mut draft = Draft::new(&section, &settings);
        for step in &steps {
            take(&mut draft, step);
            prop_assert!(holds(&draft, step), "{:?} in {:?}", step, draft.text());
            let before = draft.text().to_owned();
            take(&mut draft, step);
            prop_assert_eq!(draft.text(), before);
        }
        let (after, edits) = (draft.text().to_owned(), draft.into_edits());
        let mut applied = section.clone();
        apply_edits(&mut applied, &edits);
        prop_assert_eq!(&applied, &after);
        prop_assert_eq!(heads(&after).count(), 1);
    }

    #[test]
    fn keywords_properties_and_closed_stamps_leave_the_body_alone(section in section(), step in step()) {
        if matches!(step, Step::Log(_) | Step::Remove(_) | Step::Closed(None)) {
            return Ok(());
        }
        let settings = Settings::default();
        let body = Heading::read(&section, &settings.keywords).body as usize;
        let mut draft = Draft::new(&section, &settings);
        take(&mut draft, &step);
        prop_assert!(draft.text().ends_with(&section[body..]));
        prop_assert_eq!(&draft.text()[draft.heading().body as usize..], &section[body..]);
    }

    #[test]
    fn taking_metadata_away_leaves_the_body_alone(section in section(), key in "ID|empty|LOGGING") {
        let settings = Settings::default();
        let body = Heading::read(&section, &settings.keywords).body as usize;
        let mut draft = Draft::new(&section, &settings);
        draft.remove_property(&key);
        draft.set_closed(None);
        let left = foreign(draft.text(), &settings);
        // What moved up into the metadata of the heading is no longer body, but it is still there.
        prop_assert!(foreign(&section, &settings).ends_with(&left), "{:?}", section);
        prop_assert!(body <= section.len());
    }

    #[test]
    fn a_log_entry_adds_lines_and_changes_none(section in section(), entry in "[a-z]{3,9}(\n[a-z]{0,9}){0,2}") {
        let settings = Settings::default();
        let mut draft = Draft::new(&section, &settings);
        draft.log(&entry, &entry);
        let after = draft.text().to_owned();
        let mut rest = after.lines();
        for line in section.lines() {
            prop_assert!(rest.any(|found| found == line), "{:?} is missing in {:?}", line, after);
        }
    }

    #[test]
    fn clean_text_is_never_structure(title in "\\PC{1,20}|[A-Z\\[\\]#:<>0-9/% -]{1,24}", body in text(), note in text(), value in text()) {
        let settings = Settings::default();
        let Ok(title) = safe::title(&title) else { return Ok(()) };
        let (body, value) = (safe::text(&body), safe::line(&value));
        let section = format!("* PENDING {title} :timmy:\n{body}\n");
        let mut draft = Draft::new(&section, &settings);
        draft.set_property("RESULT", &value);
        draft.log(&safe::text(&format!("Note {note}")), "no such line");
        let (text, heading) = (draft.text(), draft.heading());
        prop_assert_eq!(heads(text).count(), 1);
        prop_assert_eq!(heading.title.of(text), &title);
        prop_assert_eq!(heading.own_tags(text).collect::<Vec<_>>(), ["timmy"]);
        prop_assert!(heading.planning.is_none() && heading.priority.is_none() && !heading.commented);
        prop_assert_eq!(heading.property(text, "RESULT"), Some(value.as_str()));
        prop_assert_eq!(heading.drawer.as_ref().map(|drawer| drawer.entries.len()), Some(1));
        let drawers = blocks::lines(text, heading.body as usize).filter_map(|line| blocks::drawer_name(&text[line]));
        prop_assert_eq!(drawers.collect::<Vec<_>>(), ["LOGBOOK", "END"]);
        prop_assert_eq!(body_text(text, heading, &settings), body);
        prop_assert_eq!(Settings::read(text), settings);
    }
}
