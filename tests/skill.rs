//! `fleet skill`: the page is true. Its commands are run, and what it names exists.

use crate::{
    docs::pages::{Page, ticked},
    support::{
        daemon::Daemon,
        fleet::{Fleet, Ran},
        process::{PATIENCE, run_within},
        sandbox::Sandbox,
    },
};
use fleet::core::code::Code;
use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

/// The page for `agent`.
fn page(agent: &str) -> String {
    let sandbox = Sandbox::new();
    let ran = Ran::of(run_within(sandbox.fleet().args(["skill", "--agent", agent]), PATIENCE));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
}

/// The code blocks of the language `language`, without what they are indented by.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix(&format!("```{language}")) else { continue };
        let block = lines.by_ref().take_while(|line| line.trim() != "```");
        found.push(block.map(|line| format!("{}\n", line.strip_prefix(indent).unwrap_or(line))).collect());
    }
    found
}

/// The sample board, and `fleet-append` beside the program.
fn sample<'a>(sandbox: &'a Sandbox) -> Fleet<'a> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/dispatch.org");
    let fleet = Fleet::new(sandbox, "dispatch.org", &fs::read_to_string(sample).expect("the sample board"));
    symlink(env!("CARGO_BIN_EXE_fleet"), sandbox.path("bin/fleet-append")).expect("a link");
    fleet
}

/// Runs the shell script as an agent would: with `fleet` on its path and nothing else set.
fn shell(fleet: &Fleet, script: &str) -> Ran {
    let mut shell = fleet.command(&[]);
    let environment: Vec<_> = shell.get_envs().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect();
    shell = std::process::Command::new("bash");
    shell.env_clear().envs(environment).args(["-euo", "pipefail", "-c", script]);
    Ran::of(run_within(&mut shell, PATIENCE))
}

#[test]
fn every_command_of_the_skill_works_in_its_order_against_a_daemon() {
    let sandbox = Sandbox::new();
    let fleet = sample(&sandbox);
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let page = page("timmy");
    let scripts = blocks(&page, "sh");
    assert!(scripts.len() >= 10, "{scripts:?}");
    // The loop ends with a claim that found nothing; every other command must succeed, and none complains.
    let ran = shell(&fleet, &scripts.concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");

    let text = daemon.eval("(with-current-buffer (fleet-board-buffer) (buffer-string))");
    for trace in ["Merged PR #456", "tests are green", "what came out", "v2.3 to production", "Rotate the staging keys"]
    {
        assert!(text.contains(trace), "{trace} is not on the board:\n{text}");
    }
    assert_eq!(text.matches("nightly run finished").count(), 1, "one request id, one message:\n{text}");
    let cron = blocks(&page, "crontab").concat();
    let command = cron.splitn(6, ' ').nth(5).expect("five fields and a command");
    assert_eq!(shell(&fleet, command).code, 0, "{command}");
}

#[test]
fn every_verb_option_and_exit_code_that_the_skill_names_exists() {
    let text = page("timmy");
    let page = Page { path: "SKILL.md".into(), text: text.clone() };
    let sandbox = Sandbox::new();
    let help = |args: &[&str]| Ran::of(run_within(sandbox.fleet().args(args).arg("--help"), PATIENCE)).stdout;
    let listed = help(&[]);
    let (_, listed) = listed.split_once("Commands:\n").expect("a list of verbs");
    let verbs: BTreeSet<&str> = listed.lines().map_while(|line| line.split_whitespace().next()).collect();
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || "`$()".contains(c)).collect();
    // The product's own name stands before words that are no verbs: `fleet` the program is always in code.
    let spans = ticked(&text.replace("```", "")).into_iter().chain(blocks(&text, "sh")).collect::<Vec<_>>();
    let mut named = BTreeSet::new();
    for span in &spans {
        for line in span.lines() {
            let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_start_matches(['$', '('])).collect();
            let Some(at) = words.iter().position(|word| *word == "fleet" || word.ends_with("=$(fleet")) else {
                continue;
            };
            let Some(verb) = words.get(at + 1) else { continue };
            assert!(verbs.contains(verb), "there is no `fleet {verb}`: {line}");
            let help = help(&[verb]);
            for option in words[at..].iter().filter(|word| word.starts_with("--")) {
                assert!(help.contains(option.trim_end_matches([';', ')'])), "`fleet {verb}` has no {option}: {line}");
            }
            named.insert(*verb);
        }
    }
    for verb in ["poll", "claim", "note", "done", "fail", "release", "append", "report", "status"] {
        assert!(named.contains(verb), "{verb} is not told");
    }
    assert!(words.contains(&"--request-id"));
    let codes: Vec<String> = page.rows("exit").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(codes, Code::ALL.map(|code| code.exit().to_string()));
}

#[test]
fn the_front_matter_says_what_a_skill_must_say_and_the_page_speaks_to_its_agent() {
    let page = page("ezra");
    let (front, body) = page.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).expect("front matter");
    let keys: Vec<&str> =
        front.lines().filter(|line| !line.starts_with(' ')).filter_map(|l| l.split_once(':')).map(|(k, _)| k).collect();
    assert_eq!(keys, ["name", "description", "version", "author", "license", "metadata"]);
    assert!(front.contains(concat!("version: ", env!("CARGO_PKG_VERSION"), "\n")));
    assert!(
        front.contains("metadata:\n  hermes:\n    tags: [") && front.contains("\n    related_skills: ["),
        "{front}"
    );
    assert!(body.contains("FLEET_AGENT=ezra") && body.contains("--agent ezra --quiet"));
    assert!(!page.contains("{{") && !page.contains("timmy"), "everything is filled in");
    assert!(!front.contains("\t") && front.lines().all(|line| !line.ends_with(' ')));
}
