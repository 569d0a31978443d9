//! `make demo` is what a newcomer sees first, so it is a test: it checks itself, and it leaves nothing running.

use crate::support::{
    process::{PATIENCE, run_within},
    sandbox::{Sandbox, module},
};
use std::{fs, path::Path};

/// The command lines of the processes whose environment mentions `place`.
fn living_below(place: &Path) -> Vec<String> {
    let place = place.to_str().expect("a UTF-8 path");
    let processes = fs::read_dir("/proc").expect("a proc file system").flatten().map(|entry| entry.path());
    let belongs = |process: &Path| {
        // A process that has ended meanwhile, or is another user's, has no environment for us.
        fs::read(process.join("environ")).is_ok_and(|env| String::from_utf8_lossy(&env).contains(place))
    };
    let words = |process: &Path| fs::read(process.join("cmdline")).unwrap_or_default();
    processes.filter(|p| belongs(p)).map(|p| String::from_utf8_lossy(&words(&p)).replace('\0', " ")).collect()
}

#[test]
fn the_demo_holds_what_it_says_and_leaves_nothing_behind() {
    module();
    let sandbox = Sandbox::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut demo = sandbox.command(root.join("scripts/demo.sh"));
    demo.env("PROGRAM", env!("CARGO_BIN_EXE_fleet"));
    for name in ["EMACS", "FLEET_MODULE"] {
        demo.envs(std::env::var_os(name).map(|value| (name, value)));
    }

    let output = run_within(&mut demo, PATIENCE);
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{said}\n{complained}", output.status);
    assert!(said.contains("exactly one of six claims"), "{said}");
    assert_eq!(living_below(&sandbox.path("")), [""; 0], "processes are left");
    assert_eq!(fs::read_dir(sandbox.path("tmp")).expect("its TMPDIR").count(), 0, "files are left");
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    module();
    let sandbox = Sandbox::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // An Emacs that is killed while the demo waits for its first answer: the demo fails, and cleans up all the same.
    let stand_in = sandbox.write("bin/emacs-that-hangs", "#!/bin/sh\nkill -TERM $DEMO\nexec sleep 1000\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&stand_in, executable).expect("an executable file");
    let mut demo = sandbox.command("/bin/sh");
    demo.args(["-c", "DEMO=$$ exec \"$0\""]).arg(root.join("scripts/demo.sh"));
    demo.env("PROGRAM", env!("CARGO_BIN_EXE_fleet")).env("EMACS", &stand_in);

    let output = run_within(&mut demo, PATIENCE);
    assert!(!output.status.success(), "{}", output.status);
    assert_eq!(living_below(&sandbox.path("")), [""; 0], "processes are left");
    assert_eq!(fs::read_dir(sandbox.path("tmp")).expect("its TMPDIR").count(), 0, "files are left");
}
