//! Text in, text out: what an edit makes of a section.

use super::*;

const STAMP: &str = "[2026-11-20 Fri 10:00]";

fn edited(section: &str, edit: impl Fn(&mut Draft)) -> String {
    let settings = Settings::default();
    let mut draft = Draft::new(section, &settings);
    edit(&mut draft);
    let (text, count) = (draft.text().to_owned(), draft.edits.len());
    edit(&mut draft);
    assert_eq!((draft.text(), draft.edits.len()), (text.as_str(), count), "repeating it changed something");
    text
}

#[test]
fn a_keyword_is_replaced_or_put_first() {
    for (section, after) in [
        ("* PENDING [#A] x :a:\n", "* DONE [#A] x :a:\n"),
        ("** x\n", "** DONE x\n"),
        ("*  x", "* DONE  x"),
        ("* ", "* DONE "),
        ("* PENDING", "* DONE "),
        ("* PENDING\nbody", "* DONE \nbody"),
        ("* TODO x", "* DONE TODO x"),
        ("preamble", "preamble"),
    ] {
        assert_eq!(edited(section, |draft| draft.set_keyword("DONE")), after);
        assert_eq!(edited(section, |draft| draft.set_keyword("NONESUCH")), section);
    }
}

#[test]
fn a_property_goes_into_the_drawer_under_the_planning_line() {
    for (section, after) in [
        ("* x\nbody\n", "* x\n:PROPERTIES:\n:ID: 1\n:END:\nbody\n"),
        ("* x", "* x\n:PROPERTIES:\n:ID: 1\n:END:\n"),
        (
            "* x\n  DEADLINE: <2026-04-15>\n  body\n",
            "* x\n  DEADLINE: <2026-04-15>\n  :PROPERTIES:\n  :ID: 1\n  :END:\n  body\n",
        ),
        ("* x\nDEADLINE: <2026-04-15>", "* x\nDEADLINE: <2026-04-15>\n:PROPERTIES:\n:ID: 1\n:END:\n"),
        ("* x\n :PROPERTIES:\n :A: b\n :END:\n", "* x\n :PROPERTIES:\n :A: b\n :ID: 1\n :END:\n"),
        ("* x\n:PROPERTIES:\n:END:", "* x\n:PROPERTIES:\n:ID: 1\n:END:"),
        ("* x\n:PROPERTIES:\n:id:   2  \n:Id: 3\n:END:\n", "* x\n:PROPERTIES:\n:id:   1  \n:Id: 3\n:END:\n"),
        ("* x\n:PROPERTIES:\n:ID:  \n:END:\n", "* x\n:PROPERTIES:\n:ID: 1\n:END:\n"),
        ("* x\n\n:PROPERTIES:\n:ID: 2\n:END:\n", "* x\n:PROPERTIES:\n:ID: 1\n:END:\n\n:PROPERTIES:\n:ID: 2\n:END:\n"),
        ("* x\n:PROPERTIES:\nno\n:END:\n", "* x\n:PROPERTIES:\n:ID: 1\n:END:\n:PROPERTIES:\nno\n:END:\n"),
    ] {
        assert_eq!(edited(section, |draft| draft.set_property("ID", "1")), after);
    }
    assert_eq!(
        edited("* x\n:PROPERTIES:\n:ID: 1\n:END:\n", |draft| draft.set_property("ID", "")),
        "* x\n:PROPERTIES:\n:ID:\n:END:\n"
    );
    assert_eq!(edited("* x\n", |draft| draft.set_property("a b", "1")), "* x\n");
    assert_eq!(edited("* x\n", |draft| draft.set_property("END", "")), "* x\n");
    assert_eq!(edited("* x", |draft| draft.set_property("A", "b\n:END:")), "* x\n:PROPERTIES:\n:A: b :END:\n:END:\n");
}

#[test]
fn a_removed_property_takes_only_an_empty_drawer_along() {
    for (section, after) in [
        ("* x\n:PROPERTIES:\n:ID: 1\n:END:\nbody", "* x\nbody"),
        ("* x\n:PROPERTIES:\n:ID: 1\n:id: 2\n:ID+: 3\n:END:\nbody", "* x\n:PROPERTIES:\n:ID+: 3\n:END:\nbody"),
        ("* x\n:PROPERTIES:\n:END:\nbody", "* x\n:PROPERTIES:\n:END:\nbody"),
        ("* x\n:PROPERTIES:\n:A: 1\n:END:\nbody", "* x\n:PROPERTIES:\n:A: 1\n:END:\nbody"),
    ] {
        assert_eq!(edited(section, |draft| draft.remove_property("ID")), after);
    }
}

#[test]
fn the_closed_stamp_goes_first_and_leaves_the_others_alone() {
    for (section, closed, reopened) in [
        ("* x\nb", "* x\nCLOSED: S\nb", "* x\nb"),
        ("* x", "* x\nCLOSED: S\n", "* x"),
        (
            "* x\n  DEADLINE: <2026-04-15 Wed +1w>  \n",
            "* x\n  CLOSED: S DEADLINE: <2026-04-15 Wed +1w>  \n",
            "* x\n  DEADLINE: <2026-04-15 Wed +1w>  \n",
        ),
        (
            "* x\nCLOSED: [2026-01-01] SCHEDULED: <2026-04-15>\n",
            "* x\nCLOSED: S SCHEDULED: <2026-04-15>\n",
            "* x\nSCHEDULED: <2026-04-15>\n",
        ),
        (
            "* x\nSCHEDULED: <2026-04-15> CLOSED: [2026-01-01]\n",
            "* x\nSCHEDULED: <2026-04-15> CLOSED: S\n",
            "* x\nSCHEDULED: <2026-04-15>\n",
        ),
        ("* x\nCLOSED: [2026-01-01]\nb", "* x\nCLOSED: S\nb", "* x\nb"),
        ("* x\nCLOSED: tbd\nb", "* x\nCLOSED: S\nb", "* x\nb"),
        ("* x\n :PROPERTIES:\n :END:\n", "* x\n CLOSED: S\n :PROPERTIES:\n :END:\n", "* x\n :PROPERTIES:\n :END:\n"),
    ] {
        assert_eq!(edited(section, |draft| draft.set_closed(Some(STAMP))).replace(STAMP, "S"), closed);
        assert_eq!(edited(section, |draft| draft.set_closed(None)), reopened);
        assert_eq!(edited(section, |draft| draft.set_closed(Some("[2026-01-01\n]"))), section);
    }
}

#[test]
fn the_log_is_newest_first_and_notes_nothing_twice() {
    for (section, after) in [
        ("* x\n", "* x\n:LOGBOOK:\n- new\n  more\n:END:\n"),
        ("* x", "* x\n:LOGBOOK:\n- new\n  more\n:END:\n"),
        (
            "* x\n  DEADLINE: <2026-04-15>\n  b\n",
            "* x\n  DEADLINE: <2026-04-15>\n  :LOGBOOK:\n  - new\n    more\n  :END:\n  b\n",
        ),
        ("* x\nb\n :LOGBOOK:\n  - old\n :END:\n", "* x\nb\n :LOGBOOK:\n  - new\n    more\n  - old\n :END:\n"),
        ("* x\n:LOGBOOK:\n- old and new\n:END:\n", "* x\n:LOGBOOK:\n- old and new\n:END:\n"),
        (
            "* x\n#+begin_example\n:LOGBOOK:\n:END:\n#+end_example\n",
            "* x\n:LOGBOOK:\n- new\n  more\n:END:\n#+begin_example\n:LOGBOOK:\n:END:\n#+end_example\n",
        ),
        ("* x\n:LOGBOOK:\n- a\n", "* x\n:LOGBOOK:\n- new\n  more\n:END:\n:LOGBOOK:\n- a\n"),
        ("* x\n:PROPERTIES:\n:LOGGING: nil\n:END:\n", "* x\n:PROPERTIES:\n:LOGGING: nil\n:END:\n"),
        (
            "* x\n:PROPERTIES:\n:LOG_INTO_DRAWER: NOTES\n:END:\n",
            "* x\n:PROPERTIES:\n:LOG_INTO_DRAWER: NOTES\n:END:\n:NOTES:\n- new\n  more\n:END:\n",
        ),
        (
            "* x\n:PROPERTIES:\n:LOG_INTO_DRAWER: a b\n:END:\n",
            "* x\n:PROPERTIES:\n:LOG_INTO_DRAWER: a b\n:END:\n:LOGBOOK:\n- new\n  more\n:END:\n",
        ),
        (
            "* x\n:PROPERTIES:\n:LOG_INTO_DRAWER: nil\n:END:\n\n  b\n",
            "* x\n:PROPERTIES:\n:LOG_INTO_DRAWER: nil\n:END:\n\n  - new\n    more\n  b\n",
        ),
    ] {
        assert_eq!(edited(section, |draft| draft.log("new\nmore", "new")), after);
    }
}

#[test]
fn cookies_in_the_title_are_counted_and_nothing_else() {
    let set = |section: &str| edited(section, |draft| draft.set_cookie(1, 3));
    assert_eq!(set("* x [0/2] [%] [a/b] :t:\n[0/2]\n"), "* x [1/3] [33%] [a/b] :t:\n[0/2]\n");
    assert_eq!(set("* [/] x"), "* [1/3] x");
    assert_eq!(edited("* x [%]", |draft| draft.set_cookie(0, 0)), "* x [0%]");
}

#[test]
fn edits_are_minimal() {
    let settings = Settings::default();
    let mut draft = Draft::new("* PENDING x\nDEADLINE: <2026-04-15>\n", &settings);
    draft.set_keyword("DONE");
    draft.set_closed(Some(STAMP));
    let closed = format!("CLOSED: {STAMP} ");
    assert_eq!(draft.into_edits(), [TextEdit::replace(2..9, "DONE"), TextEdit::insert(9, closed)]);
}

#[test]
fn a_state_change_has_the_shape_that_org_reads() {
    assert_eq!(
        state_change("DONE", "IN_PROGRESS", STAMP),
        "State \"DONE\"       from \"IN_PROGRESS\" [2026-11-20 Fri 10:00]"
    );
    assert_eq!(
        state_change("IN_PROGRESS", "PENDING", STAMP),
        "State \"IN_PROGRESS\" from \"PENDING\"    [2026-11-20 Fri 10:00]"
    );
}
