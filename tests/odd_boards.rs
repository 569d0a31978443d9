//! Boards that are odd or broken: each has one outcome, and the daemon answers afterwards (DESIGN §5.8, R18–R20).

use crate::support::{
    daemon::Daemon,
    live::{BOARD, Live},
    process::{PATIENCE, run_within},
    sandbox::Sandbox,
};
use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

const TODO: &str = "#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)\n";

/// Serves `text`, claims `task`, and returns what was written to the file.
#[track_caller]
fn claimed(text: impl AsRef<[u8]>, task: &str) -> Vec<u8> {
    let sandbox = Sandbox::new();
    let board = sandbox.path(BOARD);
    fs::write(&board, text).expect("a board");
    let live = Live { sandbox: &sandbox, daemon: Daemon::serving(&sandbox, &board) };
    let claim = live.claim(task);
    assert!(claim.ok, "{:?}", claim.error);
    assert_eq!(claim.applied, Some(true));
    live.until("the claim is in the file", || live.status().unsaved == 0);
    assert_eq!(live.status().state, "ok");
    fs::read(board).expect("the board")
}

/// A daemon that serves nothing, with this checkout's Lisp.
fn idle(sandbox: &Sandbox) -> Daemon<'_> {
    let load = format!("(progn (add-to-list 'load-path {:?}) (require 'fleet))", crate::support::sandbox::lisp_dir());
    Daemon::bare(sandbox, &[&load])
}

/// The message with which `fleet-serve` refuses `file`; the daemon must not have kept anything of it.
#[track_caller]
fn refusal(daemon: &Daemon<'_>, file: &str) -> String {
    let form =
        format!("(condition-case error (progn (fleet-serve {file:?}) 'served) (fleet-error (format \"%S\" error)))");
    let error = daemon.eval(&form);
    assert_eq!(
        daemon.eval("(list (fleet--mod-is-open) fleet-board--path fleet-watch--buffer)"),
        "(nil nil nil)",
        "{error}"
    );
    error
}

#[test]
fn the_seeds_own_sample_is_claimed_as_it_stands() {
    let sample = include_str!("data/boards/seed.org");
    let file = String::from_utf8(claimed(sample, "Deploy auth service")).expect("UTF-8");
    assert!(
        file.starts_with("#+TITLE: Fleet dispatch\n\n* IN_PROGRESS Deploy auth service           :timmy:allegro:\n")
    );
    let rest = sample.split_once("  Deploy the new").expect("its body").1;
    assert!(file.ends_with(rest), "{file}");
    assert!(file.contains("  DEADLINE: <2026-04-15>\n"), "{file}");
}

#[test]
fn crlf_stays_crlf() {
    let file = claimed(format!("{TODO}* PENDING TASK-1 eels\nbody\n").replace('\n', "\r\n"), "TASK-1");
    let file = String::from_utf8(file).expect("UTF-8");
    assert_eq!(file.matches('\n').count(), file.matches("\r\n").count(), "{file:?}");
    assert!(file.contains("* IN_PROGRESS TASK-1 eels\r\n") && file.ends_with("body\r\n"), "{file:?}");
}

#[test]
fn a_byte_order_mark_stays() {
    let file = String::from_utf8(claimed(format!("\u{feff}* PENDING TASK-1 eels\n{TODO}"), "TASK-1")).expect("UTF-8");
    assert!(file.starts_with("\u{feff}* IN_PROGRESS TASK-1 eels\n"), "{file:?}");
    assert_eq!(file.matches('\u{feff}').count(), 1);
}

#[test]
fn a_mark_and_crlf_together_stay() {
    let board = format!("\u{feff}{TODO}* PENDING TASK-1 eels\n").replace('\n', "\r\n");
    let file = String::from_utf8(claimed(board, "TASK-1")).expect("UTF-8");
    assert!(file.starts_with("\u{feff}#+TODO") && !file.replace("\r\n", "").contains('\n'), "{file:?}");
}

#[test]
fn tabs_stay_tabs() {
    let file = claimed(
        format!("{TODO}* PENDING TASK-1 eels\t:timmy:\n\tDEADLINE: <2026-04-15 Wed>\n\tbody\ttext\n"),
        "TASK-1",
    );
    let file = String::from_utf8(file).expect("UTF-8");
    assert!(file.contains("* IN_PROGRESS TASK-1 eels\t:timmy:\n\tDEADLINE: <2026-04-15 Wed>\n"), "{file}");
    assert!(file.ends_with("\tbody\ttext\n"), "{file}");
}

#[test]
fn text_beyond_ascii_is_counted_in_characters() {
    let before = "* PENDING Ångström — 漢字 🦀\nκείμενο e\u{301} 👩‍🚀\n";
    let file = claimed(format!("{TODO}{before}* PENDING TASK-1 Überführung 🦀 nötig\nнастоящий\n"), "TASK-1");
    let file = String::from_utf8(file).expect("UTF-8");
    assert!(file.contains(before), "{file}");
    assert!(file.contains("* IN_PROGRESS TASK-1 Überführung 🦀 nötig\n") && file.ends_with("настоящий\n"), "{file}");
}

#[test]
fn ten_thousand_tasks_are_a_board() {
    let mut board = String::from(TODO);
    for n in 0..10_000 {
        let _ = writeln!(board, "* PENDING TASK-{n} sound the bar\nat low water {n}");
    }
    let file = String::from_utf8(claimed(&board, "TASK-9998")).expect("UTF-8");
    assert!(file.contains("* IN_PROGRESS TASK-9998 sound the bar\n"));
    assert_eq!(file.matches("* PENDING ").count(), 9_999);
}

#[test]
fn an_empty_board_takes_its_first_task() {
    for empty in ["", "\n", "#+TITLE: Fleet\n", "no heading"] {
        let sandbox = Sandbox::new();
        let live = Live::with(&sandbox, empty);
        let added = live.fleet(&["add", "the first", "--agent", "timmy"]);
        assert!(added.ok && added.applied == Some(true), "{empty:?}: {added:?}");
        assert!(live.claim("the first").ok);
        live.until_saved();
        let file = live.file();
        assert!(
            file.starts_with(empty) && file.contains("\n* IN_PROGRESS the first\n") || empty.is_empty(),
            "{file:?}"
        );
    }
}

#[test]
fn what_cannot_be_a_board_is_refused_with_the_reason_and_left_alone() {
    let sandbox = Sandbox::new();
    let daemon = idle(&sandbox);
    let latin1 = sandbox.path("latin1.org");
    fs::write(&latin1, b"* PENDING one\nab\xe4\n").expect("a file");
    fs::create_dir(sandbox.path("dir.org")).expect("a directory");
    let name = |name: &str| sandbox.path(name).to_str().expect("UTF-8").to_owned();

    let error = refusal(&daemon, &name("latin1.org"));
    assert!(error.contains("line 2") && error.contains(":hint"), "{error}");
    assert_eq!(fs::read(&latin1).expect("still there"), b"* PENDING one\nab\xe4\n");
    let error = refusal(&daemon, &name("missing.org"));
    assert!(error.contains("missing.org"), "{error}");
    assert!(!sandbox.path("missing.org").exists() && !sandbox.path(".fleet/missing.org").exists());
    let error = refusal(&daemon, &name("dir.org"));
    assert!(error.contains("directory"), "{error}");
    let error = refusal(&daemon, "/ssh:host:/board.org");
    assert!(error.contains("remote") && error.contains(":hint"), "{error}");
    let error = refusal(&daemon, &name("secret.org.gpg"));
    assert!(error.contains("secret.org.gpg"), "{error}");

    // None of that is in the way of a good one.
    let board = sandbox.write(BOARD, "* PENDING TASK-1 eels\n");
    daemon.eval(&format!("(fleet-serve {board:?})"));
    let live = Live { sandbox: &sandbox, daemon };
    assert!(live.claim("TASK-1").ok);
}

#[test]
fn a_second_board_is_refused_and_the_first_goes_on() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, "* PENDING TASK-1 eels\n");
    let other = sandbox.write("other.org", "* PENDING TASK-2 eels\n");
    let error = live
        .daemon
        .eval(&format!("(condition-case error (fleet-serve {other:?}) (fleet-error (format \"%S\" error)))"));
    assert!(error.contains("board.org"), "{error}");
    assert!(live.claim("TASK-1").ok);
    // Serving the same one again is harmless.
    live.daemon.eval(&format!("(fleet-serve {:?})", sandbox.path(BOARD)));
    assert_eq!(Live::refusal(live.claim("TASK-1")), "held-by-you");
}

#[test]
fn local_variables_that_evaluate_are_not_evaluated() {
    let sandbox = Sandbox::new();
    let proof = sandbox.path("evaluated");
    let footer = format!(
        "# Local Variables:\n# eval: (write-region \"\" nil {proof:?})\n# fill-column: 66\n# org-log-done: (error \"unsafe\")\n# End:\n"
    );
    let live = Live::with(&sandbox, &format!("{TODO}* PENDING TASK-1 eels\n{footer}"));
    assert!(live.claim("TASK-1").ok);
    assert!(live.fleet(&["add", "another", "--agent", "timmy"]).ok);
    live.until_saved();
    assert!(!proof.exists(), "the board's Lisp was run");
    assert_eq!(live.lisp("(list fill-column org-log-done)"), "(66 nil)");
    assert!(live.file().ends_with(&format!(
        "* PENDING another\n:PROPERTIES:\n{}",
        live.file().split_once("another\n:PROPERTIES:\n").expect("it").1
    )));
    assert!(live.file().ends_with(&footer), "{}", live.file());
}

#[test]
fn a_read_only_file_is_claimed_from_and_says_that_it_is_not_saved() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, "* PENDING TASK-1 eels\n* PENDING TASK-2 eels\n");
    fs::set_permissions(sandbox.path(BOARD), Permissions::from_mode(0o444)).expect("our own file");
    assert!(live.claim("TASK-1").ok);
    if nothing_is_forbidden(&sandbox.path(BOARD)) {
        eprintln!("skipped: this user may write read-only files");
        return;
    }
    live.until("status says so", || live.status().state == "save-paused");
    assert!(live.status().detail.expect("a reason").contains("read-only"));
    fs::set_permissions(sandbox.path(BOARD), Permissions::from_mode(0o644)).expect("our own file");
    assert!(live.claim("TASK-2").ok);
    live.until_saved();
    assert_eq!(live.status().state, "ok");
}

/// Whether the tests run as somebody whom modes do not bind.
fn nothing_is_forbidden(file: &Path) -> bool {
    fs::OpenOptions::new().append(true).open(file).is_ok()
}

#[test]
fn another_emacs_that_edits_the_file_pauses_saving_and_nothing_asks() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, "* PENDING TASK-1 eels\n* PENDING TASK-2 eels\n");
    let lock = sandbox.path(".#board.org");
    std::os::unix::fs::symlink("ezra@elsewhere.4711", &lock).expect("a lock");
    assert!(live.claim("TASK-1").ok);
    live.until("status names who it is", || live.status().detail.is_some_and(|why| why.contains("ezra")));
    assert_eq!(live.status().state, "save-paused");
    assert_eq!(live.lisp("(substring-no-properties fleet-mode-line)"), "\":not-saved\"");
    assert!(!live.file().contains("IN_PROGRESS"));
    assert_eq!(fs::read_link(&lock).expect("still theirs"), Path::new("ezra@elsewhere.4711"));
    fs::remove_file(&lock).expect("they let go");
    live.until_saved();
    assert_eq!(live.lisp("fleet-mode-line"), "nil");
    assert_eq!(live.status().state, "ok");
}

#[test]
fn a_file_changed_under_a_clean_buffer_is_followed() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, "* PENDING TASK-1 eels\n* PENDING TASK-2 eels\n");
    assert!(live.claim("TASK-1").ok);
    live.until_saved();
    sandbox.write(BOARD, &(live.file().replace("PENDING TASK-2", "DONE TASK-2") + "* PENDING TASK-3 from vi\n"));
    assert_eq!(Live::refusal(live.claim("TASK-2")), "wrong-state");
    assert!(live.claim("TASK-3").ok);
    assert_eq!(Live::refusal(live.claim("TASK-1")), "held-by-you");
    live.until_saved();
    assert!(live.file().contains("* DONE TASK-2") && live.file().contains("* IN_PROGRESS TASK-3 from vi"));
}

#[test]
fn a_file_changed_under_an_edited_buffer_waits_for_the_person() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, "* PENDING TASK-1 eels\n* PENDING TASK-2 eels\n");
    live.lisp("(save-excursion (goto-char (point-max)) (insert \"typed by hand\\n\"))");
    let foreign = "* PENDING TASK-1 eels\n* PENDING TASK-2 eels\nfrom vi\n";
    sandbox.write(BOARD, foreign);
    assert!(live.claim("TASK-1").ok);
    live.until("status says so", || live.status().state == "save-paused");
    assert!(live.status().detail.expect("a reason").contains("changed on disk"));
    assert_eq!(live.file(), foreign, "nothing is written over it");
    assert!(live.text().contains("typed by hand"), "nothing is read over it");
    // The way out that the message names.
    live.lisp("(revert-buffer t t)");
    assert!(live.text().contains("from vi") && !live.text().contains("typed by hand"), "{}", live.text());
    live.until("the claim is shown again", || live.text().contains("* IN_PROGRESS TASK-1"));
    live.until_saved();
    assert_eq!(live.status().state, "ok");
}

#[test]
fn a_file_that_is_gone_is_reported_and_not_made_again_unasked() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, "* PENDING TASK-1 eels\n");
    fs::remove_file(sandbox.path(BOARD)).expect("a board");
    assert!(live.claim("TASK-1").ok);
    live.until("status says so", || live.status().state == "file-missing");
    assert!(!sandbox.path(BOARD).exists());
    live.lisp("(save-buffer)");
    assert!(live.file().contains("* IN_PROGRESS TASK-1"));
    assert_eq!(live.status().state, "ok");
}

/// A directory that has `kib` KiB and no more; `None` where none can be had.
fn small_disk(sandbox: &Sandbox, kib: usize) -> Option<SmallDisk> {
    let path = sandbox.path("disk");
    fs::create_dir(&path).expect("a directory");
    let mut mount = sandbox.command("mount");
    mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"]).arg(&path);
    run_within(&mut mount, PATIENCE).status.success().then_some(SmallDisk { path })
}

struct SmallDisk {
    path: PathBuf,
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let sandbox = Sandbox::new();
    let Some(disk) = small_disk(&sandbox, 512) else {
        eprintln!("skipped: this user may not mount a small disk");
        return;
    };
    let board = disk.path.join(BOARD);
    fs::write(&board, format!("{TODO}* PENDING TASK-1 eels\n* PENDING TASK-2 eels\n{}", "ballast\n".repeat(4_000)))
        .expect("a board");
    std::os::unix::fs::symlink(&board, sandbox.path(BOARD)).expect("a link to it");
    let mut live = Live { sandbox: &sandbox, daemon: Daemon::serving(&sandbox, &board) };
    assert!(live.claim("TASK-1").ok);
    live.until("the claim is in the file", || live.status().unsaved == 0);

    // The board does not fit twice, the journal has a little room left.
    let fill = |leave: usize| {
        let _ = fs::remove_file(disk.path.join("fill"));
        let stat = rustix::fs::statvfs(&disk.path).expect("a disk");
        let free = (stat.f_bavail * stat.f_frsize) as usize;
        fs::write(disk.path.join("fill"), vec![0; free.saturating_sub(leave)]).expect("room that was free");
    };
    fill(16 << 10);
    let done = live.fleet(&["done", "TASK-1", "--agent", "timmy"]);
    assert!(done.ok, "the journal had room: {:?}", done.error);
    live.until("status says so", || live.status().state == "save-paused");
    let detail = live.status().detail.expect("a reason");
    assert!(detail.contains("No space left"), "{detail}");
    assert!(fs::read_to_string(&board).expect("whole").contains("* IN_PROGRESS TASK-1"), "the old board is whole");

    // No room for the journal either: the outcome is unknown, and nothing is decided any more.
    fill(0);
    let claim = live.claim("TASK-2");
    let error = claim.error.expect("no room");
    assert!(["outcome-unknown", "journal-stopped"].contains(&error.reason.as_str()), "{error:?}");
    let status = live.status();
    assert_eq!(status.state, "stopped");
    assert!(status.detail.expect("a reason").contains("restart"));

    fs::remove_file(disk.path.join("fill")).expect("room is made");
    live.daemon.restart();
    live.until("everything is saved", || live.status().unsaved == 0);
    assert!(fs::read_to_string(&board).expect("a board").contains("* DONE TASK-1"));
    assert_eq!(Live::refusal(live.claim("TASK-1")), "wrong-state");
    assert!(live.claim("TASK-2").ok);
}
