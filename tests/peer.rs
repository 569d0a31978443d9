//! Which hosts are trusted, and who says so.

use crate::{
    ssh::Far,
    support::{process::PATIENCE, pty::Pty, sandbox::Sandbox, sshd::HOST},
};
use fleet::core::code::Code;
use std::{fs, os::unix::fs::PermissionsExt as _};

#[test]
fn a_host_is_trusted_when_its_fingerprint_is_right_and_reached_from_then_on() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    fs::remove_file(far.sshd.known_hosts()).expect("removed");
    let wrong = far.run(&["peer", "add", HOST, "--fingerprint", "SHA256:wrong", "--json"]);
    assert_eq!(wrong.reason(Code::Denied), "fingerprint-mismatch");
    assert!(wrong.stdout.contains(&far.sshd.fingerprint()), "{wrong:?}");
    let unasked = far.run(&["peer", "add", HOST, "--json"]);
    assert_eq!(unasked.reason(Code::Usage), "no-fingerprint");
    assert!(!far.sshd.known_hosts().exists());

    let fingerprint = far.sshd.fingerprint();
    assert!(far.said(&["peer", "add", HOST, "--fingerprint", &fingerprint]).contains(&fingerprint));
    let mode = fs::metadata(far.sshd.known_hosts()).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    far.said(&["status"]);
    assert!(far.said(&["peer", "add", HOST]).contains("already"), "nobody needs to be asked");
    assert_eq!(far.said(&["peer", "list"]), format!("{HOST}  ssh-ed25519  {fingerprint}\n"));
}

#[test]
fn a_host_that_shows_another_key_changes_nothing_and_both_are_told() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let (old, before) = (far.sshd.fingerprint(), fs::read(far.sshd.known_hosts()).expect("known"));
    far.sshd.change_key();
    let new = far.sshd.fingerprint();
    for args in [&["peer", "add", HOST][..], &["peer", "add", HOST, "--fingerprint", &new]] {
        let changed = far.run(&[args, &["--json"]].concat());
        assert_eq!(changed.reason(Code::Denied), "host-key-changed");
        assert!(changed.stdout.contains(&old) && changed.stdout.contains(&new), "{changed:?}");
    }
    assert_eq!(fs::read(far.sshd.known_hosts()).expect("known"), before);
}

#[test]
fn a_person_at_a_terminal_is_shown_the_fingerprint_and_asked() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    for (answer, is_added) in [("n", false), ("yes", true)] {
        let _ = fs::remove_file(far.sshd.known_hosts());
        let mut person =
            Pty::spawn(&sandbox, &far.command(&["peer", "add", "127.0.0.1", "--port", &far.sshd.port().to_string()]));
        person.wait_for_text("[y/N]", PATIENCE);
        person.type_text(&format!("{answer}\r"));
        person.wait_for_text(if is_added { "trusted from now on" } else { "nothing was added" }, PATIENCE);
        assert_eq!(far.sshd.known_hosts().exists(), is_added, "{answer}");
    }
    let known = fs::read_to_string(far.sshd.known_hosts()).expect("made");
    assert!(known.starts_with(&format!("[127.0.0.1]:{} ssh-ed25519 ", far.sshd.port())), "{known}");
}

#[test]
fn a_host_that_is_not_there_or_behind_another_has_no_key_to_show() {
    let sandbox = Sandbox::new();
    let mut far = Far::new(&sandbox);
    far.sshd.write_ssh_config("  ProxyJump other\n");
    let behind = far.run(&["peer", "add", HOST, "--json"]);
    assert_eq!(behind.reason(Code::Config), "host-behind-another");
    far.sshd.write_ssh_config("");
    far.sshd.fall_silent();
    let mute = far.run(&["peer", "add", HOST, "--timeout", "2", "--json"]);
    assert_eq!(mute.reason(Code::Unreachable), "host-unreachable");
    far.sshd.stop();
    let gone = far.run(&["peer", "add", HOST, "--json"]);
    assert_eq!(gone.reason(Code::Unreachable), "host-unreachable");
}
