//! Archiving in a running daemon: killed at every step, beside a person, and with an archive that is being edited.

use crate::support::{
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS, Ran},
    live::Live,
    process::{Deadline, PATIENCE, run_within},
    sandbox::Sandbox,
};
use fleet::core::code::Code;
use rustix::{fs::inotify, io::Errno};
use std::{fs, mem::MaybeUninit, thread};

fn closed(number: usize) -> String {
    format!(
        "* DONE TASK-{number} Job\nCLOSED: [2026-04-14 Tue 10:12]\n:PROPERTIES:\n:ID: TASK-{number}\n:END:\nBody.\n"
    )
}

/// When the daemon dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// At this phase of its so-many-th commit: the first is the decision, the second announces the save.
    Commit(&'static str, u32),
    /// Once the archive has its new content.
    ArchiveWritten,
}

const DEATHS: [Death; 6] = [
    Death::Commit("before-write", 1),
    Death::Commit("after-write", 1),
    Death::Commit("after-sync", 1),
    Death::Commit("before-write", 2),
    Death::Commit("after-sync", 2),
    Death::ArchiveWritten,
];

#[test]
fn r2_r20_a_daemon_that_is_killed_at_any_step_archives_exactly_once() {
    let sandbox = Sandbox::new();
    let tasks: String = (0..DEATHS.len()).map(closed).collect();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{tasks}* PENDING LAST-1 Waits\n"));
    let mut daemon = Daemon::serving(&sandbox, fleet.board());
    let archive = fleet.board().with_file_name("dispatch.org_archive");
    for (number, death) in DEATHS.into_iter().enumerate() {
        let (task, id) = (format!("TASK-{number}"), format!("r{number}"));
        let args = ["archive", &task, "--agent", "crane", "--request-id", &id, "--timeout", "5", "--json"];
        if let Death::Commit(phase, count) = death {
            let form = format!("(fleet--mod-crash-at \"{phase}\" {count})");
            run_within(daemon.client().args(["-e", &form]), PATIENCE);
        }
        let written = watch(&archive);
        thread::scope(|scope| {
            let first = scope.spawn(|| Ran::of(run_within(&mut fleet.command(&args), PATIENCE)));
            match death {
                Death::Commit(..) => assert!(daemon.ends_within(None, PATIENCE), "{death:?}: it was to kill itself"),
                Death::ArchiveWritten => {
                    wait_for(&written, &archive);
                    daemon.kill9();
                }
            }
            drop(first.join());
        });
        daemon.restart();
        let again = Ran::of(run_within(&mut fleet.command(&args), PATIENCE));
        assert_eq!(again.code, 0, "{death:?}: {again:?}");
        let deadline = Deadline::after(PATIENCE);
        while fleet.text().contains(&format!("{task} ")) {
            assert!(deadline.left().is_some(), "{death:?}: the board is saved without it:\n{}", fleet.text());
            thread::sleep(std::time::Duration::from_millis(20));
        }
        let kept = fs::read_to_string(&archive).expect("there is an archive");
        assert_eq!(kept.matches(&format!("* DONE {task} Job")).count(), 1, "{death:?}:\n{kept}");
        assert_eq!(fleet.run(&["requeue", &task, "--agent", "crane", "--json"]).reason(Code::Conflict), "archived");
    }
    let kinds: Vec<String> = fleet.events().iter().map(|event| event["change"]["kind"].to_string()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "\"archived\"").count(), DEATHS.len(), "{kinds:?}");
    assert!(!kinds.iter().any(|kind| kind == "\"returned\""), "{kinds:?}");
    assert!(fleet.text().contains("LAST-1"));
    drop(daemon);
    sandbox.assert_deserted();
}

fn watch(file: &std::path::Path) -> rustix::fd::OwnedFd {
    let flags = inotify::CreateFlags::CLOEXEC;
    let events = inotify::init(flags).expect("an inotify descriptor");
    let what = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CREATE;
    inotify::add_watch(&events, file.parent().expect("a directory"), what).expect("a watch on the sandbox");
    events
}

/// Waits until something happens to the name of `file`.
fn wait_for(events: &rustix::fd::OwnedFd, file: &std::path::Path) {
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(events, &mut buffer);
    loop {
        match reader.next() {
            Ok(event) if event.file_name().is_some_and(|found| found.to_str() == Ok(name)) => return,
            Ok(_) | Err(Errno::INTR) => {}
            Err(err) => panic!("inotify: {err}"),
        }
    }
}

#[test]
fn r11_r16_a_sweep_leaves_out_where_a_person_is_and_keeps_their_place() {
    let sandbox = Sandbox::new();
    let tasks: String = (0..3).map(closed).collect();
    let live = Live::with(&sandbox, &format!("{KEYWORDS}{tasks}* PENDING LAST-1 Waits\n"));
    let mut person = live.person();
    live.types(&mut person, "C-s");
    live.types_text(&mut person, "TASK-1 Job");
    live.types(&mut person, "RET");
    let swept = live.fleet(&["archive", "--older-than", "1d", "--agent", "crane"]);
    let names: Vec<String> = swept.tasks.expect("tasks").into_iter().map(|task| task.name).collect();
    assert_eq!(names, ["TASK-0", "TASK-2"], "{:?}", swept.notices);
    assert_eq!(swept.notices.len(), 1);
    let text = live.text();
    assert!(text.contains("TASK-1 Job") && !text.contains("TASK-0") && !text.contains("TASK-2"), "{text}");
    let line = "(with-selected-window (get-buffer-window nil t) (buffer-substring (line-beginning-position) (point)))";
    assert_eq!(live.string(line), "* DONE TASK-1 Job", "point is where it was");
    let named = live.fleet(&["archive", "TASK-1", "--agent", "crane"]);
    assert!(named.ok, "who names it means it");
    live.until("it has left", || !live.text().contains("TASK-1"));
    live.until_saved();
    let archive = sandbox.read("board.org_archive");
    assert_eq!(archive.matches("* DONE TASK-").count(), 3, "{archive}");
}

#[test]
fn an_archive_with_unsaved_changes_in_emacs_is_not_written() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, &format!("{KEYWORDS}{}", closed(0)));
    let archive = sandbox.write("board.org_archive", "* DONE Old\n");
    live.daemon.eval(&format!(
        "(with-current-buffer (find-file-noselect {archive:?}) (setq create-lockfiles t) (goto-char (point-max)) \
         (insert \"typed\") t)"
    ));
    let refused = live.fleet(&["archive", "TASK-0", "--agent", "crane"]);
    assert_eq!(Live::refusal(refused), "archive-busy");
    assert!(live.text().contains("TASK-0"));
    live.daemon.eval(&format!("(with-current-buffer (find-buffer-visiting {archive:?}) (save-buffer) t)"));
    assert!(live.fleet(&["archive", "TASK-0", "--agent", "crane"]).ok);
    let text = sandbox.read("board.org_archive");
    assert!(text.starts_with("* DONE Old\ntyped") && text.contains("* DONE TASK-0"), "{text}");
}
