//! What a help text shows can be typed as it stands, on the board of the examples.

use crate::support::{
    program::{Ran, Sandbox},
    sandbox::lisp_dir,
};
use std::{fs, path::Path};

/// Examples of these need an Emacs, which an offline board does not have, or another host; `live_doors.rs`, `attach.rs` and
/// `peer.rs`, `live_wait.rs` run those verbs.
const WITH_OTHERS: [&str; 5] = ["wait", "attach", "eval", "daemon", "peer"];
/// Options that wait for what others do: `live_wait.rs` and `log.rs` have them.
const WAITS: [&str; 2] = ["--wait", "--follow"];
/// What only the holder of a task may do: its examples follow the one of `claim`.
const OF_A_HOLDER: [&str; 5] = ["done", "fail", "renew", "release", "note"];

/// What needs a board that was served before.
const OF_A_SERVED_BOARD: [&str; 1] = ["verify"];

/// The examples at the end of a help text, without the program's name.
fn examples(help: &str) -> Vec<&str> {
    help.lines().filter_map(|line| line.strip_prefix("  fleet ")).collect()
}

/// The words of an example, as a shell would take them apart; double quotes hold blanks together.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split('"').enumerate();
    parts.flat_map(|(n, part)| if n % 2 == 0 { part.split_whitespace().collect() } else { vec![part] }).collect()
}

/// A sandbox with the board that the help texts speak of.
fn example_board() -> Sandbox {
    let sandbox = Sandbox::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/dispatch.org");
    fs::copy(example, sandbox.board()).expect("copied");
    sandbox
}

fn offline(sandbox: &Sandbox, example: &str) -> Ran {
    let args = [&["--offline"], words(example).as_slice()].concat();
    Ran::of(sandbox.command(&args).env("FLEET_LISP", lisp_dir()))
}

#[test]
fn every_example_of_a_help_text_works_as_typed() {
    let help = Sandbox::new().fleet(&["--help"]).stdout;
    let (_, listed) = help.split_once("Commands:\n").expect("a list of verbs");
    let names = listed.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    let verbs: Vec<&str> = names.filter(|name| *name != "help" && !WITH_OTHERS.contains(name)).collect();
    assert!(verbs.len() >= 14, "{verbs:?}");
    for verb in verbs {
        let help = Sandbox::new().fleet(&[verb, "--help"]).stdout;
        assert!(!examples(&help).is_empty(), "{verb}");
        for example in
            examples(&help).into_iter().filter(|example| !WAITS.iter().any(|option| example.contains(option)))
        {
            let sandbox = example_board();
            if OF_A_HOLDER.contains(&verb) {
                assert_eq!(offline(&sandbox, "claim TASK-001 --agent timmy").code, 0);
            }
            if OF_A_SERVED_BOARD.contains(&verb) {
                assert_eq!(offline(&sandbox, "status").code, 0);
            }
            let ran = offline(&sandbox, example);
            assert_eq!(ran.code, 0, "fleet {example}: {ran:?}");
        }
    }
}

#[test]
fn verbs_that_change_something_ask_for_the_agent_before_they_look_for_an_owner() {
    let sandbox = Sandbox::new();
    for verb in [&["add", "T"][..], &["append", "hello"], &["skip", "T"], &["requeue", "T"], &["done", "T"]] {
        let ran = sandbox.fleet(verb);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("--agent") && ran.stderr.contains("FLEET_AGENT"), "{ran:?}");
    }
}
