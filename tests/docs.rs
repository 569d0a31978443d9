//! The documents say what the code does, no more and no less.
//!
//! Each test holds one page against the sources, and then shows that it would have seen a word that is wrong.

mod code;
pub(crate) mod pages;

use crate::tidy::tree::Sources;
use fleet::core::{
    code::Code,
    config::{ConfigOption, Kind, OPTIONS},
};
use pages::{Page, ticked};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

const PROTOCOL: &str = "src/PROTOCOL.md";
const README: &str = "README.md";
const ARCHITECTURE: &str = "src/ARCHITECTURE.md";

/// What is wrong, in words.
type Findings = Vec<String>;
type Words = BTreeSet<String>;

/// Shows that `rule` holds for `page`, and fails once each `from` in it reads `to`.
#[track_caller]
fn holds(rule: impl Fn(&Page) -> Findings, page: &Page, doctored: &[(&str, &str)]) {
    let found = rule(page);
    assert!(found.is_empty(), "{}:\n{}", page.path, found.join("\n"));
    for (from, to) in doctored {
        assert!(!rule(&page.doctored(from, to)).is_empty(), "{}: nobody sees {to:?}", page.path);
    }
}

/// What only one of the two sides has.
fn compare(what: &str, code: &Words, page: &Words) -> Findings {
    let missing = code.difference(page).map(|word| format!("{what} `{word}` is not documented"));
    let invented = page.difference(code).map(|word| format!("{what} `{word}` is documented, but does not exist"));
    missing.chain(invented).collect()
}

fn words(text: &[&str]) -> Words {
    text.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn every_verb_and_argument_is_documented() {
    let wire = code::file(&Sources::rust("src"), "src/core/wire.rs");
    let calls = code::variants(&wire, "pub enum Call {");
    let rule = |page: &Page| {
        let (_, verbs) = page.sections(2).into_iter().find(|(title, _)| title == "Verbs").expect("a section of verbs");
        let sections = verbs.sections(3);
        let named = sections.iter().map(|(title, _)| title.clone()).collect();
        let mut found = compare("the verb", &calls.keys().cloned().collect(), &named);
        for (verb, section) in &sections {
            if let Some(arguments) = calls.get(verb) {
                found.extend(compare(&format!("the argument of {verb}"), arguments, &section.keys("argument")));
            }
        }
        found
    };
    let wrong = [("### `skip`", "### `skipp`"), ("| `resume` |", "| `resumed` |"), ("### `status`", "### `state`")];
    holds(rule, &Page::read(PROTOCOL), &wrong);
}

#[test]
fn every_field_of_a_reply_is_documented() {
    let sources = Sources::rust("src");
    let structs = [
        ("src/core/wire.rs", "pub struct Request {", "field"),
        ("src/core/wire.rs", "pub struct Reply {", "reply"),
        ("src/core/wire.rs", "pub struct Failure {", "error"),
        ("src/core/wire.rs", "pub struct TaskInfo {", "task"),
        ("src/core/wire.rs", "pub struct FailureInfo {", "failure"),
        ("src/core/wire.rs", "pub struct Why {", "why"),
        ("src/core/wire.rs", "pub struct StatusInfo {", "status"),
        ("src/engine/verify.rs", "pub struct Report {", "verify"),
        ("src/core/frame.rs", "struct Header<'a> {", "header"),
        ("src/core/frame.rs", "struct Envelope<'a> {", "record"),
        ("src/core/queue/event.rs", "pub struct Event {", "event"),
        ("src/adapters/owner.rs", "pub struct OwnerInfo {", "owner"),
        ("src/cli/commands/daemon/info.rs", "pub struct DaemonInfo {", "daemon"),
        ("src/cli/commands/report.rs", "pub struct ReportInfo<'a> {", "report"),
    ];
    let rule = |page: &Page| {
        let compared = structs.iter().flat_map(|(path, head, table)| {
            compare(&format!("the {table} field"), &code::fields(&code::file(&sources, path), head), &page.keys(table))
        });
        compared.collect()
    };
    let wrong = [
        ("| `fenced` |", "| `fence` |"),
        ("| `boot_id` |", "| `boot` |"),
        ("| `batch` |", "| `batches` |"),
        ("| `up_secs` |", "| `up` |"),
    ];
    holds(rule, &Page::read(PROTOCOL), &wrong);
}

#[test]
fn every_kind_of_event_is_documented_with_its_fields() {
    let event = code::file(&Sources::rust("src"), "src/core/queue/event.rs");
    let kinds = code::variants(&event, "pub enum Change {");
    let rule = |page: &Page| {
        let mut found = compare("the event", &kinds.keys().cloned().collect(), &page.keys("kind"));
        for (kind, fields) in &kinds {
            let told = page.row("kind", kind).map(|row| ticked(&row[1]).into_iter().collect()).unwrap_or_default();
            found.extend(compare(&format!("the field of {kind}"), fields, &told));
        }
        found
    };
    let wrong = [
        ("| `returned` |", "| `back` |"),
        ("| `hash`, `covers`, `without`, `replaces` |", "| `hash`, `without`, `replaces` |"),
        ("| `text` | `append`", "| `words` | `append`"),
    ];
    holds(rule, &Page::read(PROTOCOL), &wrong);
}

#[test]
fn every_word_that_a_field_can_hold_is_documented() {
    let sources = Sources::rust("src");
    let enums = [
        ("src/core/queue/state.rs", "pub enum State {", "task", "state"),
        ("src/core/queue/event.rs", "pub enum Via {", "event", "via"),
        ("src/core/queue/event.rs", "pub enum Auth {", "event", "auth"),
        ("src/core/queue/event.rs", "pub enum Field {", "kind", "edited"),
        ("src/adapters/owner.rs", "pub enum OwnerKind {", "owner", "kind"),
        ("src/cli/commands/daemon/info.rs", "pub enum What {", "daemon", "what"),
    ];
    let rule = |page: &Page| {
        let mut found = Findings::new();
        for (path, head, table, key) in enums {
            let known: Words = code::variants(&code::file(&sources, path), head).into_keys().collect();
            let row = page.row(table, key).unwrap_or_default().join(" ");
            let told: Words = ticked(&row).into_iter().collect();
            found.extend(known.difference(&told).map(|word| format!("`{word}` of {table} {key} is not documented")));
        }
        found
    };
    holds(
        rule,
        &Page::read(PROTOCOL),
        &[("`other-closed` |", "`closed` |"), ("`offline`, or `inside`", "or `inside`"), ("`terminated`", "`killed`")],
    );
}

/// Whether the table `exit` of a page is the list of [`Code`].
fn exit_codes(page: &Page) -> Findings {
    let rows = page.rows("exit");
    let told: Words = rows.iter().map(|row| row[..3].join(" ").replace('`', "").trim().to_owned()).collect();
    let line = |code: Code| format!("{} {} {}", code.exit(), code.name(), code.symbol().unwrap_or_default());
    compare("the outcome", &Code::ALL.into_iter().map(|code| line(code).trim().to_owned()).collect(), &told)
}

#[test]
fn every_exit_code_is_documented() {
    let wrong =
        [("| 5 | `halt` |", "| 10 | `halt` |"), ("`fleet-denied`", "`fleet-forbidden`"), ("`corrupt`", "`broken`")];
    holds(exit_codes, &Page::read(PROTOCOL), &wrong);
    holds(exit_codes, &Page::read(README), &wrong);
}

#[test]
fn every_reason_of_a_refusal_is_documented() {
    let reasons = code::reasons(&Sources::code().keep(|path| path.starts_with("src/") || path.starts_with("lisp/")));
    assert!(reasons.len() > 50, "only these reasons were found: {reasons:?}");
    let rule = |page: &Page| {
        let mut told = page.keys("reason");
        told.extend(page.keys("word"));
        let mut found = compare("the reason", &reasons.keys().cloned().collect(), &told);
        for (reason, exits) in &reasons {
            let Some(row) = page.row("reason", reason) else { continue };
            let named: BTreeSet<u8> =
                row[1].split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            found.extend(exits.difference(&named).map(|exit| format!("`{reason}` also ends with code {exit}")));
        }
        found
    };
    let wrong = [
        ("| `stale-token` |", "| `old-token` |"),
        ("| `bad-socket` | 9 |", "| `bad-socket` | 8 |"),
        ("| `unsaved-edits` |", "| `unsaved` |"),
        ("| `already-served` |", "| `served` |"),
        ("| `body-file` |", "| `body` |"),
    ];
    holds(rule, &Page::read(PROTOCOL), &wrong);
}

#[test]
fn every_reason_named_in_the_verbs_is_in_the_table() {
    let rule = |page: &Page| {
        let mut known = page.keys("reason");
        known.extend(page.keys("word"));
        let refused = page.text.split("Refused: ").skip(1).filter_map(|rest| rest.split("\n\n").next());
        let names: Words = refused.flat_map(ticked).collect();
        let not_reasons = words(&["done"]);
        let verbs: Words = page.rows("verb").iter().flat_map(|row| ticked(&row[4])).collect();
        names.union(&verbs).filter(|name| !known.contains(*name) && !not_reasons.contains(*name)).cloned().collect()
    };
    holds(
        rule,
        &Page::read(PROTOCOL),
        &[("Refused: `bad-text`, ", "Refused: `bad-words`, "), ("| `held`, `wrong-state` |", "| `taken` |")],
    );
}

#[test]
fn every_bound_is_documented_with_its_value() {
    let bounds = code::bounds(&Sources::code().keep(|path| path.starts_with("src/") || path.starts_with("lisp/")));
    assert!(bounds.len() > 40, "only these bounds were found: {bounds:?}");
    let rule = |page: &Page| {
        let mut found = compare("the bound", &bounds.keys().cloned().collect(), &page.keys("bound"));
        for (name, value) in &bounds {
            let told = page.row("bound", name).and_then(|row| row[1].replace(',', "").parse::<f64>().ok());
            if value.is_some() && told.is_some() && told != *value {
                found.push(format!("`{name}` is {}, not {}", value.unwrap_or_default(), told.unwrap_or_default()));
            }
        }
        found
    };
    let wrong = [
        ("| `SETTLE_MS` | 3,000 |", "| `SETTLE_MS` | 3,001 |"),
        ("| `EVENT_BYTES_MAX` | 67,108,608 |", "| `EVENT_BYTES_MAX` | 67,108,864 |"),
        ("| `INBOX_MAX` |", "| `INBOX_SIZE` |"),
        ("| `fleet-rpc-bytes-max` | 1,048,576 |", "| `fleet-rpc-bytes-max` | 1 |"),
    ];
    holds(rule, &Page::read(PROTOCOL), &wrong);
}

/// The commands of the program with their own options, as its help tells them; the first is the program itself.
fn commands() -> BTreeMap<String, Words> {
    let mut found = BTreeMap::new();
    let mut open = vec![Vec::new()];
    while let Some(words) = open.pop() {
        let help = Command::new(env!("CARGO_BIN_EXE_fleet")).args(&words).arg("--help").output().expect("it runs");
        let help = String::from_utf8(help.stdout).expect("text");
        let (own, shared) = help.split_once("Options of every verb:").expect("every verb has them");
        let part = if words.is_empty() { shared } else { own };
        let is_option = |word: &&str| word.starts_with("--") && *word != "--help";
        let options = part.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let options = options.flat_map(|line| line.split([' ', ','])).filter(is_option).map(str::to_owned).collect();
        found.insert(
            ["fleet"].into_iter().chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" "),
            options,
        );
        let listed = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
        let names =
            listed.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
        open.extend(names.filter(|name| *name != "help").map(|name| [&words[..], &[name.to_owned()]].concat()));
    }
    found
}

#[test]
fn every_command_and_option_of_the_program_is_documented() {
    let commands = commands();
    let rule = |page: &Page| {
        let mut found = compare("the command", &commands.keys().cloned().collect(), &page.keys("command"));
        for (command, options) in &commands {
            let row = page.row("command", command).unwrap_or_default();
            let told = row.get(1).map(|cell| ticked(cell).into_iter().collect()).unwrap_or_default();
            found.extend(compare(&format!("the option of `{command}`"), options, &told));
        }
        found
    };
    let wrong =
        [("`--body-file`", "`--file`"), ("| `fleet daemon logs` |", "| `fleet logs` |"), ("`--via`", "`--by-way-of`")];
    holds(rule, &Page::read(README), &wrong);
}

#[test]
fn every_option_of_the_configuration_is_documented_with_variable_unit_and_default() {
    let unit_of = |kind: Kind| match kind {
        Kind::Agent => "name".to_owned(),
        Kind::Path => "path".into(),
        Kind::Program => "program".into(),
        Kind::PathOrNone => "path, none".into(),
        Kind::Host => "host".into(),
        Kind::User => "name".into(),
        Kind::Number { unit: "", .. } => "number".into(),
        Kind::Number { unit, .. } => unit.into(),
        Kind::Switch => "true, false".into(),
        Kind::Choice(words) => words.join(", "),
    };
    let row = |option: &ConfigOption| {
        let ConfigOption { name, variable, kind, default, meaning, .. } = option;
        format!("{name} | {variable} | {} | {default} | {}", unit_of(*kind), meaning.replace('`', ""))
    };
    let options: Words = OPTIONS.iter().map(row).collect();
    let rule = |page: &Page| {
        let told = page.rows("option").iter().map(|row| row.join(" | ").replace('`', "")).collect();
        compare("the option", &options, &told)
    };
    let wrong = [("| `remote.host` |", "| `remote.name` |"), ("| `600` |", "| `60` |"), ("| seconds |", "| minutes |")];
    holds(rule, &Page::read(README), &wrong);
}

#[test]
fn every_check_of_the_doctor_is_documented() {
    let sources = Sources::rust("src").keep(|path| path.starts_with("src/cli/commands/doctor/"));
    let heads = ["fine(", "warning(", "broken(", "of_failure("].map(|verdict| format!("Finding::{verdict}"));
    let name = |rest: &str| Some(rest.trim_start().strip_prefix('"')?.split('"').next()?.to_owned());
    let named =
        |text: &str| -> Words { heads.iter().flat_map(|head| text.split(head).skip(1)).filter_map(name).collect() };
    let checks: Words = sources.iter().flat_map(|source| named(&source.text)).collect();
    assert!(checks.len() > 15, "only these checks were found: {checks:?}");
    let rule = |page: &Page| compare("the check", &checks, &page.keys("check"));
    holds(rule, &Page::read(README), &[("| `autosave`,", "| `auto-save`,"), ("| `queue`,", "| `tasks`,")]);
}

/// What the program prints to an agent that goes the way of the tour, line by line.
fn tour() -> Words {
    let dir = tempfile::tempdir().expect("a directory");
    let board = dir.path().join("dispatch.org");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/dispatch.org"), &board).expect("copied");
    let steps: [&[&str]; 4] = [
        &["poll", "--agent", "timmy"],
        &["claim", "TASK-001", "--agent", "timmy", "--json"],
        &["claim", "TASK-001", "--agent", "allegro"],
        &["done", "TASK-001", "--agent", "timmy", "--result", "Merged PR #456"],
    ];
    let mut said = Words::new();
    for step in steps {
        let mut fleet = Command::new(env!("CARGO_BIN_EXE_fleet"));
        fleet.env_clear().env("HOME", dir.path()).args(["--offline", "--board"]).arg(&board).args(step);
        let out = fleet.output().expect("it runs");
        let text = String::from_utf8([out.stdout, out.stderr].concat()).expect("text");
        said.extend(text.lines().filter(|line| !line.starts_with('{')).map(str::to_owned));
    }
    said
}

#[test]
fn the_tour_prints_what_the_readme_shows() {
    let said = tour();
    assert_eq!(said.len(), 7, "{said:?}");
    let rule = |page: &Page| {
        let shown: Words = page.text.lines().map(|line| line.trim().to_owned()).collect();
        said.difference(&shown).map(|line| format!("the README does not show: {line}")).collect()
    };
    let wrong = [
        ("→ Fix payment webhook", "→ Fix the webhook"),
        ("is held by `timmy`", "belongs to `timmy`"),
        ("is now DONE", "is done"),
    ];
    holds(rule, &Page::read(README), &wrong);
}

#[test]
fn every_lisp_name_in_the_documents_is_defined() {
    let symbols = code::lisp_symbols(&Sources::code());
    let rule = |page: &Page| {
        let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_name = |word: &&str| {
            word.starts_with("fleet-")
                && !word.ends_with('-')
                && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        };
        let named: Words = page.text.split(|c| !inside(c)).filter(is_name).map(str::to_owned).collect();
        named.difference(&symbols).map(|name| format!("Lisp does not define `{name}`")).collect()
    };
    holds(
        rule,
        &Page::read(README),
        &[("(fleet-serve ", "(fleet-server "), ("`M-x fleet-resolve`", "`M-x fleet-accept`")],
    );
    holds(rule, &Page::read(PROTOCOL), &[("(fleet-rpc ", "(fleet-call-rpc ")]);
    holds(rule, &Page::read(ARCHITECTURE), &[("`fleet-board--process`", "`fleet-board--handle`")]);
}

#[test]
fn every_link_leads_somewhere() {
    let rule = |page: &Page| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(&page.path);
        let anchors = page.anchors();
        let broken = |link: &&&str| match link.strip_prefix('#') {
            Some(anchor) => !anchors.contains(anchor),
            None => !here.with_file_name(link.split('#').next().unwrap_or_default()).exists(),
        };
        page.links()
            .iter()
            .filter(|link| !link.contains("://"))
            .filter(broken)
            .map(|link| format!("{link} leads nowhere"))
            .collect()
    };
    holds(rule, &Page::read(PROTOCOL), &[("](#readiness)", "](#ready)")]);
    holds(rule, &Page::read(README), &[("](src/PROTOCOL.md", "](PROTOCOL.md")]);
    holds(rule, &Page::read(ARCHITECTURE), &[("](PROTOCOL.md", "](docs/PROTOCOL.md")]);
}

#[test]
fn every_source_file_has_its_place_on_the_map() {
    let (everything, is_shipped) =
        (Sources::code(), |path: &str| path.starts_with("src/") || path.starts_with("lisp/"));
    // Verbs have one file each, named after them; `mod.rs` is its directory, `tests.rs` belongs to the file above it.
    let is_own =
        |path: &&str| !path.contains("/commands/") && !path.ends_with("/mod.rs") && !path.ends_with("tests.rs");
    let files: Vec<&str> =
        everything.iter().map(|source| source.path.as_str()).filter(|path| is_shipped(path)).filter(is_own).collect();
    let rule = |page: &Page| {
        let told: Words = ticked(&page.text).into_iter().collect();
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let names: Words = files.iter().map(|path| name(path)).collect();
        let is_file = |word: &&String| word.ends_with(".rs") || word.ends_with(".el");
        let exists =
            |word: &&String| everything.iter().any(|source| format!("/{}", source.path).ends_with(&format!("/{word}")));
        let mut found: Findings = names.difference(&told).map(|file| format!("`{file}` is not on the map")).collect();
        found.extend(
            told.iter().filter(is_file).filter(|word| !exists(word)).map(|file| format!("there is no `{file}`")),
        );
        found
    };
    holds(rule, &Page::read(ARCHITECTURE), &[("`ledger.rs`", "`book.rs`"), ("`fleet-watch.el`", "watch")]);
}
