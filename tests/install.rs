//! `make install` and `make uninstall` of what was built: what is installed works by itself, and all of it can be removed.

use crate::support::{
    fleet::{KEYWORDS, Ran},
    process::{PATIENCE, run_within},
    sandbox::{Sandbox, module},
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

/// What stands before the paths below.
const LISP: &str = "share/emacs/site-lisp/fleet";

/// Runs `make TARGET` with what is built already, and the settings.
#[track_caller]
fn make(sandbox: &Sandbox, target: &str, settings: &[String]) -> String {
    let mut make = sandbox.command("make");
    // Under sudo nothing is built; that is what we want here too.
    make.current_dir(env!("CARGO_MANIFEST_DIR")).env("SUDO_USER", "somebody").arg(target).args(settings);
    make.arg(format!("PROGRAM={}", env!("CARGO_BIN_EXE_fleet"))).arg(format!("MODULE={}", module().display()));
    let output = run_within(&mut make, PATIENCE);
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "make {target}: {said}{complained}");
    format!("{said}{complained}")
}

/// Everything below `root`, directories with a slash at the end.
fn tree(root: &Path) -> BTreeSet<String> {
    let mut open = vec![root.to_owned()];
    let mut found = BTreeSet::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a directory").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).expect("it lies below").display().to_string();
            if entry.file_type().expect("a type").is_dir() {
                found.insert(format!("{name}/"));
                open.push(path);
            } else {
                found.insert(name);
            }
        }
    }
    found
}

/// The installed program by its path, with nothing but the board and the socket in its environment.
fn installed(sandbox: &Sandbox, program: &Path) -> Command {
    let mut command = sandbox.command(program);
    command.env("DISPATCH_FILE", sandbox.path("dispatch.org")).env("EMACS_SOCKET", sandbox.socket("s"));
    command.env("PATH", "/usr/bin:/bin").env("LOGNAME", "timmy");
    if let Some(emacs) = std::env::var_os("EMACS") {
        command.env("FLEET_EMACS", emacs);
    }
    command
}

fn foreign(prefix: &Path) {
    for (dir, name) in [("share/man/man1", "other.1"), (LISP, "mine.el"), ("bin", "other")] {
        fs::create_dir_all(prefix.join(dir)).expect("a directory");
        fs::write(prefix.join(dir).join(name), "not Fleet's\n").expect("a file");
    }
}

#[test]
fn an_installed_fleet_works_by_itself_survives_an_upgrade_and_is_removed_whole() {
    let sandbox = Sandbox::new();
    let prefix = sandbox.path("prefix");
    foreign(&prefix);
    let before = tree(&prefix);
    let settings = [format!("PREFIX={}", prefix.display())];
    make(&sandbox, "install", &settings);
    sandbox.write("dispatch.org", KEYWORDS);
    let run = |name: &str, args: &[&str]| {
        Ran::of(run_within(installed(&sandbox, &prefix.join("bin").join(name)).args(args), PATIENCE))
    };

    // It finds its own Lisp and module.
    let started = run("fleet", &["daemon", "start", "--json"]);
    assert_eq!(started.code, 0, "{started:?}");
    let places = run("fleet", &["eval", "(list (locate-library \"fleet\") (fleet-module-file))"]).stdout;
    let lisp = prefix.join(LISP);
    let expected = format!("({:?} {:?})\n", lisp.join("fleet.elc"), lisp.join(module().file_name().expect("a name")));
    assert_eq!(places, expected);
    assert_eq!(run("fleet-append", &["hello", "there"]).code, 0);
    assert!(run("fleet", &["log"]).stdout.contains("hello there"));

    upgrade_leaves_the_daemon_alone(&sandbox, &prefix, &settings, || {
        run("fleet", &["append", "on", "--agent", "timmy"])
    });
    assert_eq!(run("fleet", &["daemon", "stop"]).code, 0);
    sandbox.assert_deserted();

    make(&sandbox, "uninstall", &settings);
    assert_eq!(tree(&prefix), before, "what is left is what was there before");
    assert!(make(&sandbox, "uninstall", &settings).contains("nothing was installed"), "a second time is harmless");
}

/// Installs again over what a board is served with.
#[track_caller]
fn upgrade_leaves_the_daemon_alone(sandbox: &Sandbox, prefix: &Path, settings: &[String], verb: impl Fn() -> Ran) {
    // Left by an earlier version.
    let [stale, old_module] = ["fleet-gone.el", "fleet-module-0.0.9.so"].map(|name| format!("{LISP}/{name}"));
    let list = prefix.join("share/fleet/installed");
    let listed = fs::read_to_string(&list).expect("the list");
    fs::write(&list, format!("{listed}{stale}\n{old_module}\n")).expect("the list");
    for file in [&stale, &old_module] {
        fs::write(prefix.join(file), "old\n").expect("a file");
    }
    let name = format!("{LISP}/{}", module().file_name().expect("a name").display());
    let inode = |name: &str| fs::metadata(prefix.join(name)).expect("installed").ino();
    let old = [inode("bin/fleet"), inode(&name)];
    make(sandbox, "install", settings);
    assert_ne!(old[0], inode("bin/fleet"), "replaced, not written into");
    assert_ne!(old[1], inode(&name), "replaced, not written into");
    assert_eq!(verb().code, 0, "the daemon goes on");
    assert!(!prefix.join(&stale).exists(), "Lisp that is gone is not left to be loaded");
    assert!(prefix.join(&old_module).exists(), "an Emacs may ask for it yet");
}

#[test]
fn destdir_stands_before_everything_and_in_nothing() {
    let sandbox = Sandbox::new();
    let dest = sandbox.path("dest");
    let settings = [format!("DESTDIR={}", dest.display()), "PREFIX=/opt/fleet".to_owned()];
    let said = make(&sandbox, "install", &settings);
    assert!(!Path::new("/opt/fleet").exists());
    assert!(said.contains("\"/opt/fleet/share/emacs/site-lisp/fleet\""), "{said}");
    let root = dest.join("opt/fleet");
    let unit = fs::read_to_string(root.join("share/systemd/user/fleet-daemon.service")).expect("the unit");
    assert!(unit.contains("\nExecStart=/opt/fleet/bin/fleet daemon run\n"), "{unit}");
    let names = tree(&root);
    let man =
        ["fleet", "fleet-claim", "fleet-daemon-start", "fleet-report"].map(|name| format!("share/man/man1/{name}.1"));
    let rest = [
        "share/bash-completion/completions/fleet",
        "share/zsh/site-functions/_fleet",
        "share/fish/vendor_completions.d/fleet.fish",
        "share/fleet/examples/dispatch.org",
        "bin/fleet-append",
    ];
    for name in man.iter().map(String::as_str).chain(rest) {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    assert_eq!(fs::read_link(root.join("bin/fleet-append")).expect("a link"), PathBuf::from("fleet"));
    let leaks = names.iter().filter(|name| !name.ends_with('/') && !name.ends_with(".so") && *name != "bin/fleet");
    for name in leaks.filter(|name| !name.ends_with(".elc")) {
        let text = fs::read_to_string(root.join(name)).unwrap_or_default();
        assert!(!text.contains(dest.to_str().expect("UTF-8")), "{name} names the packager's directory");
    }
    make(&sandbox, "uninstall", &settings);
    assert_eq!(tree(&root), BTreeSet::new());
}

#[test]
fn an_installation_that_failed_half_way_can_be_taken_away() {
    let sandbox = Sandbox::new();
    let prefix = sandbox.path("prefix");
    fs::create_dir_all(prefix.join("share")).expect("a directory");
    // A file where a directory should be.
    fs::write(prefix.join("share/man"), "in the way\n").expect("a file");
    let before = tree(&prefix);
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/install.sh");
    let run = |what: &str| {
        let mut script = sandbox.command(&install);
        script.arg(what).env("PREFIX", &prefix).env("PROGRAM", env!("CARGO_BIN_EXE_fleet")).env("MODULE", module());
        run_within(&mut script, PATIENCE).status.success()
    };
    assert!(!run("install"), "there is no place for the manual pages");
    assert!(prefix.join("bin/fleet").exists());
    assert!(run("uninstall"));
    assert_eq!(tree(&prefix), before);
}
