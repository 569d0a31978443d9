//! Many programs let go at the same moment.

use super::process::{PATIENCE, finish_within};
use std::{
    ffi::OsStr,
    io::{Read, pipe},
    os::unix::process::CommandExt,
    process::{Child, Command, Output, Stdio},
    thread,
};

/// Says one byte, waits until the gate (standard input) is shut, and becomes the program.
const WAIT_AT_GATE: &str = r#"printf .; read -r _; exec "$@" </dev/null"#;

/// Starts `n` programs, lets them go at once when all of them wait, and returns what they answered, in order.
/// The commands must come from a sandbox: only the variables that they name are passed on.
#[track_caller]
pub fn race(n: usize, command: impl Fn(usize) -> Command) -> Vec<Output> {
    let (gate, opener) = pipe().expect("a pipe");
    let mut children: Vec<Child> =
        (0..n).map(|i| waiting(&command(i), gate.try_clone().expect("another descriptor of the gate"))).collect();
    for child in &mut children {
        let mut ready = [0];
        child.stdout.as_mut().expect("a piped output").read_exact(&mut ready).expect("a shell that waits at the gate");
    }
    drop(opener);
    let readers: Vec<_> = children.into_iter().map(|child| thread::spawn(|| finish_within(child, PATIENCE))).collect();
    let outputs = readers.into_iter().map(|reader| reader.join().expect("a reader that does not panic"));
    outputs.enumerate().map(|(i, output)| output.unwrap_or_else(|| panic!("client {i} did not end"))).collect()
}

/// A shell that will become `command`.
fn waiting(command: &Command, gate: impl Into<Stdio>) -> Child {
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().args(["-c", WAIT_AT_GATE, "sh"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        shell.env(key, value.unwrap_or(OsStr::new("")));
    }
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    shell.process_group(0).stdin(gate).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.spawn().expect("a shell")
}
