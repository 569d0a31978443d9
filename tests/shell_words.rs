//! What shells and man(1) are given: completions that complete in a real shell, pages that man can read.

use crate::support::{
    fleet::Ran,
    process::{PATIENCE, run_within},
    sandbox::Sandbox,
};
use fleet::core::{code::Code, config::OPTIONS};
use std::{collections::BTreeSet, fs, path::Path};

fn fleet(sandbox: &Sandbox, args: &[&str]) -> Ran {
    Ran::of(run_within(sandbox.fleet().args(args), PATIENCE))
}

/// Whether `program` is there; without it the rest of a test is not done, and says so.
fn is_there(sandbox: &Sandbox, program: &str) -> bool {
    let found = sandbox.command("sh").args(["-c", &format!("command -v {program}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("not checked by {program}: it is not installed here");
    }
    found
}

/// What bash offers for the words of a command line whose last one is being typed.
fn offered(sandbox: &Sandbox, script: &Path, line: &str) -> Vec<String> {
    let words = line.split(' ').map(|word| format!("{word:?}")).collect::<Vec<_>>();
    let (last, before) = (words.last().expect("a word"), words.len().checked_sub(2).map_or("", |at| &words[at]));
    let typed = format!(
        "set -eu; . {script:?}; complete -p fleet >&2; COMP_WORDS=({}); COMP_CWORD={}; \
         _fleet fleet {last} {before}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words.len() - 1,
    );
    let ran = Ran::of(run_within(sandbox.command("bash").args(["--norc", "-c", &typed]), PATIENCE));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("_fleet"), "the shell knows who completes: {ran:?}");
    ran.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_options_and_their_values() {
    let sandbox = Sandbox::new();
    let script = sandbox.write("fleet.bash", &fleet(&sandbox, &["completions", "bash"]).stdout);
    assert_eq!(offered(&sandbox, &script, "fleet rel"), ["release"]);
    assert_eq!(offered(&sandbox, &script, "fleet daemon st"), ["start", "stop", "status"]);
    assert_eq!(offered(&sandbox, &script, "fleet claim --re"), ["--resume", "--request-id"]);
    assert_eq!(offered(&sandbox, &script, "fleet status --via so"), ["socket"]);
}

#[test]
fn every_shell_gets_completions_that_name_every_verb_and_others_are_refused() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = fleet(&sandbox, &["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        // Not all shells' scripts write the dashes.
        for word in ["poll", "claim", "report", "attach", "completions", "result", "request-id"] {
            assert!(ran.stdout.contains(word), "{shell} does not complete {word}");
        }
        if is_there(&sandbox, shell) && ["bash", "zsh", "fish"].contains(&shell) {
            let script = sandbox.write("script", &ran.stdout);
            let check = run_within(sandbox.command(shell).arg("-n").arg(script), PATIENCE);
            assert!(check.status.success(), "{shell}: {}", String::from_utf8_lossy(&check.stderr));
        }
    }
    assert_eq!(fleet(&sandbox, &["completions", "tcsh"]).code, 2);
}

/// The names of all commands, as their help tells them: `fleet`, `fleet-poll`, `fleet-daemon-start`, …
fn commands(sandbox: &Sandbox) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<Vec<String>> = vec![vec![]];
    while let Some(words) = open.pop() {
        let help = Ran::of(run_within(sandbox.fleet().args(&words).arg("--help"), PATIENCE)).stdout;
        let listed = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
        let names = listed.lines().map_while(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        open.extend(names.map(|name| [&words[..], &[name.to_owned()]].concat()));
        found.insert([&["fleet".to_owned()], &words[..]].concat().join("-"));
    }
    found
}

#[test]
fn every_command_has_a_manual_page_with_every_section_that_man_can_read() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("man");
    let ran = fleet(&sandbox, &["man", dir.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let pages: BTreeSet<String> = fs::read_dir(&dir)
        .expect("pages")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().trim_end_matches(".1").to_owned())
        .collect();
    assert_eq!(pages, commands(&sandbox));
    assert_eq!(ran.stdout.lines().count(), pages.len(), "each page is named");
    let can_read = [is_there(&sandbox, "man"), is_there(&sandbox, "lexgrog")];
    for name in &pages {
        let path = dir.join(format!("{name}.1"));
        let page = fs::read_to_string(&path).expect("text");
        structure(name, &page);
        if can_read[0] {
            let mut man = sandbox.command("man");
            man.args(["--warnings=w", "-E", "UTF-8", "-l", "-Tutf8"]).arg(&path);
            let read = run_within(&mut man, PATIENCE);
            assert!(
                read.status.success() && read.stderr.is_empty(),
                "{name}: {}",
                String::from_utf8_lossy(&read.stderr)
            );
        }
        if can_read[1] {
            let read = run_within(sandbox.command("lexgrog").arg(&path), PATIENCE);
            let said = String::from_utf8_lossy(&read.stdout);
            assert!(said.contains(&format!(": \"{name} - ")), "{said}");
        }
    }
    assert_eq!(fleet(&sandbox, &["man"]).stdout, fs::read_to_string(dir.join("fleet.1")).expect("text"));
}

/// The sections in their order, and in them every exit code, variable and example.
#[track_caller]
fn structure(name: &str, page: &str) {
    let parts: Vec<(&str, &str)> =
        page.split("\n.SH ").skip(1).map(|part| part.split_once('\n').expect("a line")).collect();
    let has =
        ["NAME", "SYNOPSIS", "DESCRIPTION", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES", "EXAMPLES", "\"SEE ALSO\""];
    let order: Vec<&str> = parts.iter().map(|(title, _)| *title).filter(|title| has.contains(title)).collect();
    assert_eq!(order, has, "{name}");
    let part = |wanted: &str| parts.iter().find(|(title, _)| *title == wanted).map_or("", |(_, text)| *text);
    let exits: Vec<&str> =
        part("\"EXIT STATUS\"").lines().filter_map(|line| line.strip_prefix("\\fB")?.strip_suffix("\\fR")).collect();
    assert_eq!(exits, Code::ALL.map(|code| code.exit().to_string()), "{name}");
    for option in &OPTIONS {
        assert!(part("ENVIRONMENT").contains(option.variable), "{name} does not tell {}", option.variable);
    }
    let example = name.replace('-', " ");
    assert!(part("EXAMPLES").replace("\\-", "-").contains(&format!("  {example}")), "{name}: {}", part("EXAMPLES"));
}

#[test]
fn pages_that_cannot_be_written_are_an_error_that_names_the_place() {
    let sandbox = Sandbox::new();
    let in_the_way = sandbox.write("man", "");
    let ran = fleet(&sandbox, &["man", in_the_way.to_str().expect("UTF-8"), "--json"]);
    assert_eq!(ran.reason(Code::General), "cannot-write");
    assert!(ran.stdout.contains(in_the_way.to_str().expect("UTF-8")));
}
