//! The harness's own proof: what is typed into a pseudo-terminal reaches Emacs, and what it shows reaches us.

use crate::support::{process::PATIENCE, pty::Pty, sandbox::Sandbox};
use std::time::Duration;

#[test]
fn typed_text_is_saved_by_emacs_in_a_terminal() {
    let sandbox = Sandbox::new();
    let mut emacs = sandbox.emacs();
    emacs.args(["-nw", "notes.txt"]);
    let mut terminal = Pty::spawn(&sandbox, &emacs);
    terminal.wait_for_text("notes.txt", PATIENCE);

    terminal.type_text("twelve ships\r");
    terminal.type_keys("and M-x insert-char RET GREEK SPC SMALL SPC LETTER SPC PI RET C-x C-s");
    terminal.wait_for_text("Wrote", PATIENCE);
    assert_eq!(sandbox.read("notes.txt"), "twelve ships\nandπ\n");

    terminal.type_keys("C-x C-c");
    assert!(terminal.ends_within(PATIENCE), "Emacs still shows\n{}", terminal.contents());
}

#[test]
#[should_panic(expected = "the program left its terminal showing\nbye")]
fn a_screen_that_can_never_come_is_not_waited_for() {
    let sandbox = Sandbox::new();
    let mut echo = sandbox.command("echo");
    echo.arg("bye");
    Pty::spawn(&sandbox, &echo).wait_for_text("hello", PATIENCE);
}

#[test]
fn the_terminal_is_the_controlling_one() {
    let sandbox = Sandbox::new();
    let mut shell = sandbox.command("sh");
    shell.args(["-c", "echo asked >/dev/tty; read -r line </dev/tty; echo \"heard $line\""]);
    let mut terminal = Pty::spawn(&sandbox, &shell);
    terminal.wait_for_text("asked", PATIENCE);
    terminal.type_keys("yes RET");
    terminal.wait_for_text("heard yes", PATIENCE);
    assert!(terminal.ends_within(Duration::from_secs(10)));
}
