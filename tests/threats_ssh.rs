//! What somebody hostile, or merely odd, can do on the way to another host. Each test names its threat.

use crate::{
    ssh::Far,
    support::{
        fleet::Ran,
        process::{PATIENCE, run_within, stdout_of},
        sandbox::Sandbox,
        sshd::HOST,
    },
};
use fleet::core::code::Code;
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Text that a shell or Lisp would act on; each part would make the file `pwned`.
const NASTY: &str =
    r#"$(touch pwned) `touch pwned`; touch pwned & "x" 'y' \ * ? ~ {a,b} ") (shell-command "touch pwned"#;

/// Nothing in the sandbox was made by [`NASTY`].
#[track_caller]
fn assert_clean(sandbox: &Sandbox) {
    for place in ["pwned", "home/pwned", "far/pwned", "run/pwned"] {
        assert!(!sandbox.path(place).exists(), "{place} was made");
    }
}

#[track_caller]
fn ran(command: &mut Command) -> Ran {
    Ran::of(run_within(command, PATIENCE))
}

#[test]
fn threat_27_a_host_or_user_that_ssh_would_read_as_an_option_is_refused() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let hosts = ["-oProxyCommand=touch pwned", "-F/dev/null", "root@bezalel", "be zalel", "bezalel\n", "%h", "$(id)"];
    for host in hosts {
        let ran = ran(far.command(&["poll", "--json"]).env("BEZALEL_HOST", host));
        assert_eq!(ran.reason(Code::Config), "bad-config", "{host:?}");
        let peer = far.run(&["peer", "add", "--json", "--", host]);
        assert_eq!(peer.code, 2, "{host:?}: {peer:?}");
    }
    for user in ["-oProxyCommand=touch pwned", "root@x", "%r", "a b", "a;b"] {
        let ran = ran(far.command(&["poll", "--json"]).env("BEZALEL_USER", user));
        assert_eq!(ran.reason(Code::Config), "bad-config", "{user:?}");
    }
    assert_clean(&sandbox);
    assert_eq!(far.sshd.log(), "", "nobody connected");
}

#[test]
fn threat_28_names_and_texts_arrive_as_data() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    let socket = sandbox.path("run").join("s $(touch pwned); 'q' \" * &");
    symlink(sandbox.socket("s"), &socket).expect("linked");
    let run = |args: &[&str]| {
        let mut command = far.command(args);
        ran(command.env("EMACS_SOCKET", &socket).arg("--json"))
    };
    assert_eq!(run(&["claim", NASTY, "--agent", "crane"]).reason(Code::NotFound), "unknown-task");
    assert_eq!(run(&["claim", "T-1", "--agent", "crane"]).code, 0);
    assert_eq!(run(&["note", "T-1", NASTY, "--agent", "crane"]).code, 0);
    assert_eq!(run(&["done", "T-1", "--agent", "crane", "--result", NASTY]).code, 0);
    assert_eq!(run(&["show", "T-1"]).json()["task"]["result"], NASTY);
    let board = format!("/srv/{NASTY}");
    assert_eq!(run(&["poll", "--board", &board]).reason(Code::Config), "another-board");
    assert_eq!(run(&["eval", &format!("(length {NASTY:?})")]).json()["value"], NASTY.len().to_string());
    assert_clean(&sandbox);
}

#[test]
fn threat_28_a_socket_that_is_not_there_is_only_a_name() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    for socket in [NASTY, "-e", "--eval", "; touch pwned"] {
        let ran = ran(far.command(&["poll", "--json"]).env("EMACS_SOCKET", socket));
        assert_eq!(ran.reason(Code::Unreachable), "no-owner", "{socket:?}");
    }
    assert_clean(&sandbox);
}

/// A command that the host runs for this key, whatever was asked for; it writes down what was.
fn gate(sandbox: &Sandbox, body: &str) -> String {
    let log = sandbox.path("far/commands");
    let script = format!("#!/bin/sh\nprintf '%s\\0' \"$SSH_ORIGINAL_COMMAND\" >>'{}'\n{body}\n", log.display());
    let path = sandbox.write("far/gate", &script);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    format!("restrict,command=\"{}\"", path.display())
}

#[test]
fn threat_29_a_restricted_key_gets_no_terminal_and_no_forwarding() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    far.sshd.restrict_key(&gate(&sandbox, "echo only this"));
    let ssh = |args: &[&str]| {
        let mut command = sandbox.command("ssh");
        command.arg("-F").arg(sandbox.path("home/.ssh/config")).arg("-i").arg(far.sshd.key());
        let known = format!("UserKnownHostsFile={}", far.sshd.known_hosts().display());
        command.args(["-o", &known, "-o", "BatchMode=yes", "-o", &format!("HostKeyAlias={HOST}")]).args(args);
        run_within(&mut command, PATIENCE)
    };
    assert_eq!(stdout_of(&ssh(&[HOST, "rm -rf /nowhere"])), "only this\n", "the key's own command runs instead");
    let terminal = ssh(&["-tt", HOST]);
    let said = String::from_utf8_lossy(&terminal.stderr).into_owned();
    assert!(said.contains("PTY allocation request failed"), "{said}");
    let port = far.sshd.port();
    let forward = format!("127.0.0.1:{port}");
    assert!(!ssh(&["-W", &forward, HOST]).status.success(), "forwarding to a port of the host");
    let back = format!("0:{forward}");
    assert!(!ssh(&["-N", "-o", "ExitOnForwardFailure=yes", "-R", &back, HOST]).status.success(), "and back");
}

#[test]
fn threat_30_a_forced_command_is_never_gone_round() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    for (body, word) in [
        ("echo 'gate: emacsclient is not a verb' >&2; exit 64", "not a verb"),
        ("echo hello", "hello"),
        ("exit 0", "ended before it answered"),
        ("exit 1", "failed"),
    ] {
        far.sshd.restrict_key(&gate(&sandbox, body));
        let before = far.sshd.commands().len();
        let ran = far.run(&["claim", "T-1", "--agent", "crane", "--json"]);
        assert_eq!(ran.code, 6, "{body}: {ran:?}");
        assert!(ran.stdout.contains(word), "{body}: {ran:?}");
        let asked = &far.sshd.commands()[before..];
        let socket = sandbox.socket("s");
        let fixed = format!("emacsclient -a false -s {} -e '(fleet-rpc \"", socket.display());
        assert!(!asked.is_empty() && asked.iter().all(|command| command.starts_with(&fixed)), "{asked:?}");
        assert!(asked.iter().all(|command| command.ends_with("\")'")), "{asked:?}");
        // The options of a key count from the login on.
        far.sshd.disconnect();
    }
    assert!(far.fleet.events().iter().all(|event| event["change"]["kind"] != "claimed"), "nothing was done");
}

#[test]
fn threat_31_what_the_far_shell_prints_is_never_taken_for_a_reply() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    let noise = "echo Welcome; printf '\\033]0;title\\007\\033[2J\\n'; echo '\"eyJ2IjoxfQ==\"'; echo '*ERROR*: no'\n";
    sandbox.write("far/before", noise);
    sandbox.write("far/after", "echo bye; echo careful >&2\n");
    assert_eq!(far.said(&["claim", "T-1", "--agent", "crane", "--json"]).lines().count(), 1);
    assert_eq!(far.said(&["eval", "(+ 40 2)"]), "42\n");
    // On the line of the reply itself, noise cannot be told from it.
    sandbox.write("far/before", "printf 'Welcome: '\n");
    let spoiled = far.run(&["claim", "T-2", "--agent", "crane", "--json"]);
    assert_eq!(spoiled.reason(Code::Unreachable), "outcome-unknown");
    assert!(spoiled.stdout.contains("Welcome: "), "{spoiled:?}");
    assert_eq!(far.run(&["eval", "1", "--json"]).reason(Code::Unreachable), "outcome-unknown");
    assert_eq!(far.run(&["poll", "--json"]).reason(Code::Unreachable), "no-answer");
}

#[test]
fn threat_32_an_unknown_or_changed_host_key_ends_the_matter() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let known = far.sshd.known_hosts();
    let before = fs::read(&known).expect("known");
    far.sshd.change_key();
    let changed = far.run(&["poll", "--json"]);
    assert_eq!(changed.reason(Code::Denied), "host-key-changed");
    let hint = changed.json()["error"]["hint"].to_string();
    assert!(hint.contains("ask its owner") && !hint.contains("remove") && !hint.contains("ssh-keygen"), "{hint}");
    assert_eq!(fs::read(&known).expect("known"), before);
    fs::remove_file(&known).expect("removed");
    let unknown = far.run(&["poll", "--json"]);
    assert_eq!(unknown.reason(Code::Denied), "host-key-unknown");
    assert!(unknown.json()["error"]["hint"].to_string().contains("fleet peer add bezalel"), "{unknown:?}");
    // What the person trusts elsewhere, or configured as harmless, does not count.
    let (elsewhere, line) = (sandbox.path("home/.ssh/known"), format!("{HOST} {}", sandbox.read("far/host.pub")));
    fs::write(&elsewhere, line).expect("written");
    let lax = format!("  StrictHostKeyChecking no\n  GlobalKnownHostsFile {}\n", elsewhere.display());
    far.sshd.write_ssh_config(&lax);
    assert_eq!(far.run(&["poll", "--json"]).reason(Code::Denied), "host-key-unknown");
    assert!(!known.exists());
    assert_eq!(far.sshd.commands(), Vec::<String>::new());
}

#[test]
fn threat_33_a_directory_for_connections_that_others_can_use_is_refused() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let dir = sandbox.path("run/fleet");
    let refused = |what: &str| {
        let ran = far.run(&["poll", "--json"]);
        assert_eq!(ran.reason(Code::Denied), "untrusted-directory", "{what}");
    };
    fs::create_dir(&dir).expect("made");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o770)).expect("ours");
    refused("for a group");
    fs::remove_dir(&dir).expect("empty");
    symlink(sandbox.path("home"), &dir).expect("linked");
    refused("a link");
    assert_eq!(far.sshd.log(), "", "nobody connected");
}

#[test]
fn threat_34_a_connection_that_froze_costs_the_time_that_was_given_and_no_more() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    far.said(&["status"]);
    far.sshd.freeze();
    let started = Instant::now();
    let ran = far.run(&["claim", "T-1", "--agent", "crane", "--timeout", "2", "--json"]);
    assert_eq!(ran.reason(Code::Unreachable), "outcome-unknown");
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
}

#[test]
fn threat_35_what_comes_from_the_other_host_is_printed_harmless() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let board = format!("{}* PENDING T-9 Red \u{1b}[2Jpaint\u{7}\n", far.fleet.text());
    fs::write(far.fleet.board(), board).expect("written");
    let _daemon = far.daemon();
    let listed = far.said(&["list"]);
    assert!(listed.contains("paint"), "{listed:?}");
    let steers = |text: &str| text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    assert!(!steers(&listed), "{listed:?}");
    assert!(!steers(&far.said(&["list", "--json"])), "JSON escapes it");
    sandbox.write("far/before", "printf '\\033[2Jemacsclient: bad\\n' >&2; exit 3\n");
    let failed = far.run(&["poll"]);
    assert!(failed.code == 6 && failed.stderr.contains("bad") && !steers(&failed.stderr), "{failed:?}");
}

#[test]
fn a_person_s_own_configuration_of_ssh_cannot_run_commands_or_open_ways_back() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    far.sshd.write_ssh_config(
        "  PermitLocalCommand yes\n  LocalCommand touch pwned\n  RemoteCommand touch pwned\n  ForwardAgent yes\n  \
         RemoteForward 0 127.0.0.1:1\n  RequestTTY force\n  BatchMode no\n  ControlPath none\n",
    );
    far.said(&["status"]);
    far.said(&["status"]);
    assert_clean(&sandbox);
    assert!(!Path::new("pwned").exists());
    assert_eq!(far.sshd.logins(), 1);
    assert!(!far.sshd.log().contains("forward"), "{}", far.sshd.log());
}
