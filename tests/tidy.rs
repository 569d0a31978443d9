//! The rules of the house that a reader cannot be asked to check by hand.
//!
//! Each test first shows its rule a text that breaks it and one that does not, then the whole tree:
//! a rule that can no longer see anything fails.

pub(crate) mod tree;

use tree::{Source, Sources, code_lines, contains_word, segments_under};

/// The most lines a source file may have; most have 100 to 400.
const FILE_LINES_MAX: usize = 600;

/// Modules of std through which a value could depend on more than its arguments.
const IMPURE_STD: [&str; 5] = ["fs", "net", "process", "env", "thread"];
/// Words that print, ask a clock, draw lots or reach for the system.
const IMPURE_WORDS: [&str; 12] = [
    "SystemTime",
    "Instant",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "Timestamp::now",
    "Zoned::now",
    "rustix",
    "tokio",
    "tempfile",
    "getrandom",
];

/// Paths that a source document sets as a default and that are therefore facts of the product: (file, text).
const PATHS_ALLOWED: &[(&str, &str)] = &[];

/// What is wrong and where: `path:line: what`.
type Findings = Vec<String>;

fn findings<'a>(source: &'a Source, wrong: impl Fn(&'a str) -> Option<String>) -> Findings {
    code_lines(source)
        .filter_map(|(line, text)| wrong(text).map(|what| format!("{}:{line}: {what}", source.path)))
        .collect()
}

/// Which module paths below `prefix` (`crate::`, `std::`) the file uses although `banned` says no.
fn banned_imports(source: &Source, prefix: &str, banned: &[&str]) -> Findings {
    segments_under(source, prefix)
        .filter(|(_, segment)| banned.contains(&segment.as_str()))
        .map(|(line, segment)| format!("{}:{line}: {prefix}{segment}", source.path))
        .collect()
}

/// Shows that `rule` sees each of `bad` and leaves each of `good`, as if they stood in `path`.
#[track_caller]
fn proves(rule: fn(&Source) -> Findings, path: &str, bad: &[&str], good: &[&str]) {
    for text in bad {
        assert!(!rule(&Source::new(path, text)).is_empty(), "the rule does not see {text:?} in {path}");
    }
    for text in good {
        let found = rule(&Source::new(path, text));
        assert!(found.is_empty(), "the rule objects to {text:?} in {path}: {found:?}");
    }
}

/// Applies `rule` to the files of `sources`, of which there must be some.
#[track_caller]
fn holds(rule: fn(&Source) -> Findings, sources: Sources) {
    assert!(!sources.is_empty(), "the rule was shown no file");
    let found: Findings = sources.iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn core_is_pure(source: &Source) -> Findings {
    if !source.path.starts_with("src/core/") {
        return Vec::new();
    }
    let word = |text: &str| IMPURE_WORDS.iter().find(|w| contains_word(text, w)).map(|w| (*w).to_owned());
    let mut found = banned_imports(source, "std::", &IMPURE_STD);
    found.extend(findings(source, word));
    found
}

#[test]
fn core_reads_no_file_clock_or_environment_and_prints_nothing() {
    let bad = [
        "use std::fs;",
        "use std::{collections::BTreeMap, env};",
        "use std::{\n    fmt,\n    thread::{self, JoinHandle},\n};",
        "let now = std::time::SystemTime::now();",
        "fn since(start: Instant) {}",
        "println!(\"held\");",
        "let now = jiff::Timestamp::now();",
        "#[cfg(test)]\nmod tests;\nuse std::net::TcpStream;",
    ];
    let good = [
        "//! Never touches std::fs.\nuse std::{fmt, time::Duration};",
        "use crate::core::env_like;",
        "struct Instantly;",
        "fn pure() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}",
    ];
    proves(core_is_pure, "src/core/queue/claim.rs", &bad, &good);
    holds(core_is_pure, Sources::rust("src/core"));
}

fn arrows_point_inwards(source: &Source) -> Findings {
    let banned: &[&str] = match source.path.split('/').nth(1) {
        Some("core") => &["engine", "adapters", "module", "cli"],
        Some("adapters") => &["engine", "module", "cli"],
        Some("engine") => &["module", "cli"],
        Some("module") => &["cli"],
        Some("cli") => &["module"],
        _ => &[],
    };
    banned_imports(source, "crate::", banned)
}

#[test]
fn layers_import_only_what_lies_further_in() {
    proves(
        arrows_point_inwards,
        "src/core/id.rs",
        &["use crate::engine::log;", "use crate::{core::id, adapters};", "fn f(x: &crate::cli::Ui) {}"],
        &["use crate::core::engine;", "use crate::core::{cli, module};", "/// See crate::engine.\nfn f() {}"],
    );
    proves(arrows_point_inwards, "src/engine/mod.rs", &["use crate::{core::code, module::x};"], &["use crate::core;"]);
    proves(arrows_point_inwards, "src/adapters/ssh.rs", &["use crate::engine::log;"], &["use crate::core::wire;"]);
    proves(arrows_point_inwards, "src/module/mod.rs", &["use crate::cli::ui;"], &["use crate::adapters::socket;"]);
    proves(arrows_point_inwards, "src/cli/ui.rs", &["use crate::{\n    module::init,\n};"], &["use crate::cli::fail;"]);
    holds(arrows_point_inwards, Sources::rust("src"));
}

fn faces_stay_outside(source: &Source) -> Findings {
    let layer = source.path.split('/').nth(1).unwrap_or_default();
    let banned: &[&str] = match layer {
        "core" | "engine" | "adapters" => &["emacs::", "use emacs", "clap::", "use clap"],
        "cli" => &["emacs::", "use emacs"],
        "module" => &["clap::", "use clap"],
        _ => &[],
    };
    findings(source, |text| banned.iter().find(|b| contains_word(text, b)).map(|b| format!("{b} in {layer}")))
}

#[test]
fn emacs_is_known_to_the_module_alone_and_clap_to_the_cli_alone() {
    let bad = ["use emacs::Env;", "fn f(env: &emacs::Env) {}", "use clap::Parser;", "use emacs;"];
    proves(faces_stay_outside, "src/engine/mod.rs", &bad, &["mod emacsclient;", "use crate::adapters::emacsclient;"]);
    proves(faces_stay_outside, "src/module/mod.rs", &["use clap::Args;"], &["use emacs::defun;"]);
    proves(faces_stay_outside, "src/cli/mod.rs", &["use emacs::Value;"], &["use clap::Args;"]);
    holds(faces_stay_outside, Sources::rust("src"));
}

fn begins_with_why(source: &Source) -> Findings {
    if source.text.starts_with("//! ") { Vec::new() } else { vec![format!("{}:1: no `//!` line", source.path)] }
}

#[test]
fn source_files_begin_by_saying_why_they_exist() {
    proves(begins_with_why, "src/a.rs", &["use std::fmt;\n//! Late.", "//!\n", "// Why.\n", ""], &["//! Why.\n"]);
    holds(begins_with_why, Sources::rust("src"));
    holds(begins_with_why, Sources::rust("tests"));
}

fn is_short_enough(source: &Source) -> Findings {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES_MAX { Vec::new() } else { vec![format!("{}: {lines} lines", source.path)] }
}

#[test]
fn files_end_before_their_reader_does() {
    let line = "x\n";
    let (long, short) = (line.repeat(FILE_LINES_MAX + 1), line.repeat(FILE_LINES_MAX));
    proves(is_short_enough, "src/a.rs", &[&long], &[&short]);
    holds(is_short_enough, Sources::code());
}

fn never_unwraps(source: &Source) -> Findings {
    findings(source, |text| text.contains(".unwrap()").then(|| text.trim().to_owned()))
}

#[test]
fn shipped_code_says_why_a_value_must_be_there() {
    let bad = ["let x = map.get(1).unwrap();", "fn f() {\n    y\n        .unwrap();\n}"];
    let good =
        ["y.unwrap_or(3);", "// .unwrap() is banned", "#[cfg(test)]\nmod tests {\n    fn f() { x.unwrap(); }\n}"];
    proves(never_unwraps, "src/a.rs", &bad, &good);
    proves(never_unwraps, "src/core/queue/tests.rs", &[], &["x.unwrap();"]);
    holds(never_unwraps, Sources::rust("src"));
}

fn is_finished(source: &Source) -> Findings {
    let marks = [concat!("to", "do!"), concat!("unimple", "mented!"), concat!("FIX", "ME"), concat!("db", "g!")];
    let seen = |text: &str| marks.into_iter().find(|mark| contains_word(text, mark));
    let lines = source.text.lines().enumerate();
    lines.filter_map(|(at, text)| seen(text).map(|mark| format!("{}:{}: {mark}", source.path, at + 1))).collect()
}

#[test]
fn nothing_is_left_for_later_in_the_source() {
    let bad = [concat!("to", "do!()"), concat!("// FIX", "ME: later"), concat!(";; FIX", "ME")];
    proves(is_finished, "src/a.rs", &bad, &["Todo!", "* TODO write", "fix me"]);
    holds(is_finished, Sources::everything());
}

fn knows_no_machine(source: &Source) -> Findings {
    let roots = [concat!("/wo", "rk"), concat!("/ro", "ot"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
    let allowed = |text: &str| PATHS_ALLOWED.iter().any(|(path, part)| *path == source.path && text.contains(part));
    let seen = |text: &str| roots.into_iter().find(|root| !allowed(text) && contains_word(text, root));
    let lines = source.text.lines().enumerate();
    lines.filter_map(|(at, text)| seen(text).map(|root| format!("{}:{}: {root}", source.path, at + 1))).collect()
}

#[test]
fn no_file_names_a_path_of_the_machine_it_was_written_on() {
    let bad = [
        concat!("let p = \"/wo", "rk/x\";"),
        concat!("see (/ro", "ot/.fleet)"),
        concat!("HOME=/ho", "me/bee"),
        concat!("cd /wo", "rk"),
    ];
    let good = ["a frame/working", "/workspace", "src/work", "the chroot/root", "$HOME/bee"];
    proves(knows_no_machine, "src/a.rs", &bad, &good);
    holds(knows_no_machine, Sources::everything());
}

/// The files in `names` that `it` does not compile.
fn forgotten<'a>(it: &str, names: &[&'a str]) -> Vec<&'a str> {
    let modded = |name: &str| it.lines().any(|line| line.trim_start_matches("pub ") == format!("mod {name};"));
    names.iter().filter(|name| **name != "it" && !modded(name)).copied().collect()
}

#[test]
fn every_test_file_is_part_of_the_test_binary() {
    assert_eq!(forgotten("mod tidy;\n// mod gone;\n", &["it", "tidy", "gone", "lost"]), ["gone", "lost"]);

    let sources = Sources::rust("tests");
    let it = sources.iter().find(|source| source.path == "tests/it.rs").expect("tests/it.rs is what runs this test");
    let top = |source: &'_ Source| source.path.strip_prefix("tests/")?.strip_suffix(".rs").map(str::to_owned);
    let stems: Vec<String> = sources.iter().filter_map(top).filter(|stem| !stem.contains('/')).collect();
    let stems: Vec<&str> = stems.iter().map(String::as_str).collect();
    assert_eq!(forgotten(&it.text, &stems), Vec::<&str>::new(), "add `mod NAME;` to tests/it.rs");
}
