//! The board's file through load and publish: what stays as it was, and what happens to the files of others (R19, R20).

use fleet::adapters::{
    board_file::{BoardFileError, Encoding, load, publish},
    owner::OwnerError,
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

fn board(bytes: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("dispatch.org");
    fs::write(&path, bytes).expect("a file can be written");
    (dir, path)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("it is a directory").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn encoding_mode_and_symlink_survive_a_publication() {
    let (dir, path) = board("\u{feff}* PENDING a\r\nö\r\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");
    let link = dir.path().join("link.org");
    symlink("dispatch.org", &link).expect("a link can be made");
    let loaded = load(&link).expect("it is a board");
    assert_eq!(loaded.text, "* PENDING a\nö\n");
    let published = publish(&link, "* DONE a\n", loaded.encoding, &loaded.identity).expect("it can be replaced");
    assert_eq!(published.foreign, None);
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "\u{feff}* DONE a\r\n");
    assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o7777, 0o640);
    assert_eq!(load(&path).expect("it is a board").identity, published.identity, "what was told is what is there");
    assert_eq!(names(dir.path()), ["dispatch.org", "link.org"]);
}

#[test]
fn r20_a_foreign_file_is_kept_aside_and_a_touched_one_is_not_foreign() {
    let (dir, path) = board("old");
    let loaded = load(&path).expect("it is a board");
    let swap = dir.path().join("swap");
    fs::write(&swap, "old").expect("it can be written");
    fs::rename(&swap, &path).expect("it can be replaced");
    let published = publish(&path, "new", loaded.encoding, &loaded.identity).expect("it can be replaced");
    assert_eq!(published.foreign, None, "another inode with the same text");
    fs::write(&path, "vi!").expect("it can be written");
    let published = publish(&path, "newer", loaded.encoding, &published.identity).expect("it can be replaced");
    let foreign = published.foreign.expect("someone else wrote it");
    assert_eq!(fs::read_to_string(&foreign).expect("it was kept"), "vi!");
    let state = fs::canonicalize(dir.path()).expect("it is there").join(".fleet/dispatch.org");
    assert_eq!(foreign.parent(), Some(state.as_path()));
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "newer");
    assert_eq!(names(dir.path()), [".fleet", "dispatch.org"]);
}

#[test]
fn a_reader_sees_a_whole_board_at_every_instant() {
    let texts = ["* a\n".repeat(50_000), "* b\n".repeat(40_000)];
    let (_dir, path) = board(&texts[0]);
    let mut identity = load(&path).expect("it is a board").identity;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !over.load(Ordering::Relaxed) {
                let seen = fs::read_to_string(&path).expect("there is always a board");
                assert!(texts.contains(&seen), "a torn board of {} bytes", seen.len());
                reads += 1;
            }
            reads
        });
        for text in texts.iter().cycle().take(40) {
            let published = publish(&path, text, Encoding::default(), &identity).expect("it can be replaced");
            assert_eq!(published.foreign, None);
            identity = published.identity;
        }
        over.store(true, Ordering::Relaxed);
        assert!(reader.join().expect("the reader saw whole boards") > 0);
    });
}

#[test]
fn a_read_only_board_is_refused_even_for_root() {
    let (dir, path) = board("old");
    let loaded = load(&path).expect("it is a board");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("it is ours");
    let error = publish(&path, "new", loaded.encoding, &loaded.identity).expect_err("it is read-only");
    assert!(matches!(error, BoardFileError::ReadOnly(_)) && error.hint().is_some());
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "old");
    assert_eq!(names(dir.path()), ["dispatch.org"]);
}

#[test]
fn a_missing_board_or_directory_is_named_and_never_made() {
    let (dir, path) = board("old");
    let loaded = load(&path).expect("it is a board");
    fs::remove_file(&path).expect("it is there");
    let missing = |path: &Path| publish(path, "new", loaded.encoding, &loaded.identity).expect_err("it is gone");
    assert!(matches!(missing(&path), BoardFileError::Place(OwnerError::Missing(_))));
    assert!(matches!(load(&path), Err(BoardFileError::Place(OwnerError::Missing(_)))));
    let below = dir.path().join("no/dispatch.org");
    assert!(matches!(missing(&below), BoardFileError::Place(OwnerError::MissingDirectory(_))));
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[test]
fn a_board_that_is_not_utf8_is_refused_with_its_line_and_the_way_out() {
    let (_dir, path) = board(b"* a\n* caf\xe9\n");
    let error = load(&path).expect_err("it is Latin-1");
    assert!(error.to_string().contains("line 2 is not UTF-8 (byte 9 of the file)"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("iconv")));
}

#[test]
fn what_dead_runs_left_is_cleared_away_but_unknown_text_is_kept() {
    let (dir, path) = board("board");
    // No process has this id: the kernel's limit is 2^22.
    let dead = |n: u32| dir.path().join(format!(".dispatch.org.fleet-4194305-{n}"));
    let alive = dir.path().join(".dispatch.org.fleet-1-0");
    for (file, text) in [(dead(0), "board"), (dead(1), ""), (dead(2), "an edit by hand"), (alive, "in the making")] {
        fs::write(file, text).expect("it can be written");
    }
    let leftovers = load(&path).expect("it is a board").leftovers;
    assert_eq!(leftovers.len(), 1);
    assert_eq!(fs::read_to_string(&leftovers[0]).expect("it was kept"), "an edit by hand");
    assert_eq!(names(dir.path()), [".dispatch.org.fleet-1-0", ".fleet", "dispatch.org"]);
}

const FULL_DISK: &str = "FLEET_TEST_FULL_DISK";

#[test]
fn a_full_disk_leaves_the_board_and_no_temporary_file() {
    let (dir, path) = board("old");
    let mut child = Command::new("sh");
    // The limit on file sizes stands in for the full disk: a write beyond it fails half way.
    child.args(["-c", r#"ulimit -f 8; trap "" XFSZ; exec "$0" "$@""#]);
    child.arg(std::env::current_exe().expect("a test has a program"));
    child.args(["--exact", "board_file::full_disk_child", "--ignored"]);
    let output = child.env(FULL_DISK, &path).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "old");
    assert_eq!(names(dir.path()), ["dispatch.org"]);
}

#[test]
#[ignore = "run by the test of full disks, in a process of its own"]
fn full_disk_child() {
    let Ok(path) = std::env::var(FULL_DISK).map(PathBuf::from) else { return };
    let loaded = load(&path).expect("it is a board");
    let error = publish(&path, &"new\n".repeat(50_000), loaded.encoding, &loaded.identity).expect_err("no room");
    assert!(matches!(error, BoardFileError::Io { action: "writing", .. }), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("make room")));
}
