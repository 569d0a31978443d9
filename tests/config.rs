//! `fleet.toml`, the environment and the command line, through the program and in a daemon.

use crate::support::{
    fleet::{Fleet, KEYWORDS},
    program::{Ran, Sandbox},
    sandbox,
};
use fleet::core::code::Code;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Writes the person's own configuration file.
fn configure(home: &Path, text: &str) -> PathBuf {
    let file = home.join(".config/fleet/fleet.toml");
    fs::create_dir_all(file.parent().expect("a directory")).expect("made");
    fs::write(&file, text).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("its mode is set");
    file
}

/// Value and source of the option `name`, as `fleet config show` tells them.
#[track_caller]
fn shown(ran: &Ran, name: &str) -> (String, String) {
    let json = ran.json();
    let option = json["options"].as_array().expect("options").iter().find(|option| option["name"] == name);
    let option = option.unwrap_or_else(|| panic!("no {name} in {json}"));
    let text = |key: &str| option[key].as_str().unwrap_or("none").to_owned();
    (text("value"), text("origin"))
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let sandbox = Sandbox::new();
    let file = configure(&sandbox.path(""), "agent = \"file\"\n\n[emacs]\nsocket = \"~/file.sock\"\n");
    let file = file.display();
    let show = |args: &[&str], agent: &str| {
        let args = [&["config", "show", "--json"], args].concat();
        let mut command = sandbox.command(&args);
        Ran::of(if agent.is_empty() { &mut command } else { command.env("FLEET_AGENT", agent) })
    };
    assert_eq!(shown(&show(&[], ""), "agent"), ("file".into(), format!("{file}:1")));
    assert_eq!(shown(&show(&[], ""), "emacs.socket"), ("~/file.sock".into(), format!("{file}:4")));
    assert_eq!(shown(&show(&[], "env"), "agent"), ("env".into(), "environment FLEET_AGENT".into()));
    assert_eq!(shown(&show(&["--agent", "line"], "env"), "agent"), ("line".into(), "option --agent".into()));
    assert_eq!(shown(&show(&[], ""), "timeout-secs"), ("15".into(), "default".into()));
    assert_eq!(shown(&show(&[], ""), "remote.host"), ("none".into(), "none".into()));
}

#[test]
fn a_named_file_replaces_the_usual_one_and_must_exist() {
    let sandbox = Sandbox::new();
    configure(&sandbox.path(""), "agent = \"usual\"\n");
    let other = sandbox.path("other.toml");
    fs::write(&other, "timeout-secs = 7\n").expect("written");
    let other = other.to_str().expect("text");
    for ran in [
        sandbox.fleet(&["config", "show", "--json", "--config", other]),
        Ran::of(sandbox.command(&["config", "show", "--json"]).env("FLEET_CONFIG", other)),
    ] {
        assert_eq!(shown(&ran, "timeout-secs"), ("7".into(), format!("{other}:1")));
        assert_eq!(shown(&ran, "agent").0, "none", "one file counts, not both");
    }
    let missing = sandbox.fleet(&["poll", "--config", "/nowhere/fleet.toml"]);
    assert_eq!(missing.code, 9, "{missing:?}");
    assert!(missing.stderr.contains("/nowhere/fleet.toml"), "{missing:?}");
}

#[test]
fn a_wrong_file_stops_every_verb_with_its_line_and_the_nearest_name() {
    let sandbox = Sandbox::new();
    let file = configure(&sandbox.path(""), "[remote]\n\nhots = \"bezalel\"\n");
    for verb in [&["poll"][..], &["daemon", "start"], &["config", "show"], &["status", "--offline"]] {
        let ran = sandbox.fleet(verb);
        assert_eq!((ran.code, ran.stdout.as_str()), (9, ""), "{verb:?}");
        let expected = format!(
            "fleet: {}:3: there is no option `remote.hots`\nhint: did you mean `remote.host`?\n",
            file.display()
        );
        assert_eq!(ran.stderr, expected);
    }
    let template = sandbox.fleet(&["config", "template", "--config", "/dev/null"]);
    assert_eq!(template.code, 0, "{template:?}");
    fs::write(&file, template.stdout).expect("written");
    assert_eq!(sandbox.fleet(&["config", "show"]).code, 0, "the template can be used as it is");
}

#[test]
fn a_file_that_others_could_write_is_not_trusted() {
    let sandbox = Sandbox::new();
    let file = configure(&sandbox.path(""), "agent = \"timmy\"\n");
    for mode in [0o666, 0o664, 0o646] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("its mode is set");
        let ran = sandbox.fleet(&["config", "show"]);
        assert_eq!(ran.code, 9, "{ran:?}");
        assert!(ran.stderr.contains(&format!("{mode:o}")) && ran.stderr.contains("chmod"), "{ran:?}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode is set");
    assert_eq!(sandbox.fleet(&["config", "show"]).code, 0);
}

#[test]
fn a_daemon_started_with_a_file_keeps_the_policy_in_it() {
    let sandbox = sandbox::Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}* PENDING TASK-001 One\n"));
    let file = sandbox.write("strict.toml", "[policy]\nrequire-token = true\n");
    let file = file.to_str().expect("text");
    let claimed = fleet.json(&["claim", "TASK-001", "--agent", "timmy", "--offline"]);
    let strict_offline = fleet.run(&["done", "TASK-001", "--agent", "timmy", "--offline", "--config", file, "--json"]);
    assert_eq!(strict_offline.reason(Code::Denied), "token-required");

    assert_eq!(fleet.run(&["daemon", "start", "--config", file]).code, 0);
    // The daemon's owner decides: what this caller's own configuration says does not matter.
    let without = fleet.run(&["done", "TASK-001", "--agent", "timmy", "--json"]);
    let token = claimed["task"]["token"].as_str().expect("a token");
    let with = fleet.run(&["done", "TASK-001", "--agent", "timmy", "--token", token]);
    let stopped = fleet.run(&["daemon", "stop"]);
    assert_eq!(without.reason(Code::Denied), "token-required");
    assert_eq!(with.code, 0, "{with:?}");
    assert_eq!(stopped.code, 0, "{stopped:?}");
    sandbox.assert_deserted();
}
