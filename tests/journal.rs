//! The journal on damaged bytes (R3), across restarts (R4) and through crashes.

use fleet::{
    adapters::journal::{JOURNAL_NAME, Journal, JournalError, Phase},
    core::frame::{self, Corrupt, Damage, Tail},
};
use proptest::prelude::*;
use std::{fs, ops::Range, os::unix::process::ExitStatusExt as _, path::Path, process::Command};

/// A journal in memory with the places of its parts.
struct Sample {
    bytes: Vec<u8>,
    header: usize,
    /// Line and batch (counted from 0) of each record.
    records: Vec<(Range<usize>, usize)>,
    batches: usize,
}

fn sample(batches: &[usize]) -> Sample {
    let (mut bytes, mut head) = frame::begin("dispatch.org", 1, None, &[]);
    let (header, mut records) = (bytes.len(), Vec::new());
    for (batch, &count) in batches.iter().enumerate() {
        let events: Vec<String> = (0..count).map(|i| event(batch, i)).collect();
        let written = frame::encode(&mut head, &events);
        let mut start = bytes.len();
        for line in written.split_inclusive(|&b| b == b'\n') {
            records.push((start..start + line.len(), batch));
            start += line.len();
        }
        bytes.extend(written);
    }
    Sample { bytes, header, records, batches: batches.len() }
}

fn event(batch: usize, i: usize) -> String {
    format!(r#"{{"b":{batch},"text":"{}"}}"#, "x".repeat((batch * 31 + i * 17) % 60))
}

/// 60 records in batches of 1 to 6.
fn sixty() -> Sample {
    sample(&[1, 2, 3, 4, 5, 6, 1, 6, 5, 4, 3, 2, 1, 6, 6, 1, 1, 3])
}

/// How many records are accepted, and how reading ended.
fn read(bytes: &[u8]) -> (usize, Result<Tail, Corrupt>) {
    let (mut count, mut last) = (0, 0);
    let end = frame::read(bytes, &mut |record| {
        assert_eq!(record.number, last + 1, "no record is skipped");
        (count, last) = (count + 1, record.number);
    });
    (count, end.map(|(head, tail)| (assert_eq!(head.last, last), tail).1))
}

#[test]
fn r3_every_truncation_keeps_every_whole_record() {
    let Sample { bytes, header, records, .. } = sixty();
    for length in 0..bytes.len() {
        let (count, end) = read(&bytes[..length]);
        if length < header {
            assert_eq!((count, end), (0, Err(Corrupt { offset: 0, what: Damage::Header })));
            continue;
        }
        let whole = records.iter().take_while(|(line, _)| line.end <= length).count();
        let offset = whole.checked_sub(1).map_or(header, |i| records[i].0.end);
        let tail = if offset == length { Tail::Clean } else { Tail::Torn { offset, len: length - offset } };
        assert_eq!((count, end), (whole, Ok(tail)), "cut at {length}");
    }
}

#[test]
fn r3_every_flipped_byte_is_a_torn_tail_in_the_last_batch_and_corruption_before_it() {
    let Sample { bytes, header, records, batches } = sixty();
    for place in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[place] ^= [0x01, 0x20, 0x80, 0xff][place % 4];
        let (count, end) = read(&bytes);
        if place < header {
            assert_eq!((count, end), (0, Err(Corrupt { offset: 0, what: Damage::Header })), "flipped {place}");
            continue;
        }
        let damaged = records.iter().position(|(line, _)| line.contains(&place)).expect("some record is hit");
        let offset = records[damaged].0.start;
        assert_eq!(count, damaged, "flipped {place}");
        match end {
            Ok(tail) => {
                assert_eq!(tail, Tail::Torn { offset, len: bytes.len() - offset });
                assert_eq!(records[damaged].1, batches - 1, "flipped {place}: nothing acknowledged was cut");
            }
            Err(corrupt) => {
                assert_eq!(corrupt.offset, offset);
                assert_ne!(records[damaged].1, batches - 1, "flipped {place}: a torn write is no corruption");
            }
        }
    }
}

#[test]
fn r3_a_record_taken_out_or_exchanged_is_corruption() {
    let Sample { bytes, records, .. } = sixty();
    for (i, (line, batch)) in records.iter().enumerate().take(records.len() - 3) {
        let without = [&bytes[..line.start], &bytes[line.end..]].concat();
        let (count, end) = read(&without);
        assert_eq!((count, end.expect_err("a record is missing").offset), (i, line.start), "without {i} of {batch}");
        let next = records[i + 1].0.clone();
        let swapped = [&bytes[..line.start], &bytes[next.clone()], &bytes[line.clone()], &bytes[next.end..]].concat();
        assert!(read(&swapped).1.is_err(), "{i} exchanged with its successor");
    }
}

#[test]
fn r3_a_zero_tail_is_the_end() {
    let Sample { mut bytes, records, .. } = sixty();
    let offset = bytes.len();
    bytes.resize(offset + 5000, 0);
    assert_eq!(read(&bytes), (records.len(), Ok(Tail::Zeros { offset, len: 5000 })));
}

#[test]
fn r3_text_inside_an_event_that_looks_like_a_record_is_no_resync_point() {
    let Sample { bytes, records, .. } = sample(&[1, 1, 1]);
    let inner = String::from_utf8(bytes[records[2].0.clone()].to_vec()).expect("it is text");
    let (mut torn, mut head) = frame::begin("dispatch.org", 1, None, &[]);
    let text = serde_json::to_string(&inner).expect("a string serializes");
    let start = torn.len();
    torn.extend(frame::encode(&mut head, &[format!(r#"{{"text":{text}}}"#)]));
    torn[start] ^= 1;
    assert_eq!(read(&torn), (0, Ok(Tail::Torn { offset: start, len: torn.len() - start })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What a power cut during the last write can leave: any of its blocks missing (zero), the size grown to any block.
    #[test]
    fn r3_torn_group_commits_are_never_corruption(
        batches in prop::collection::vec(1usize..12, 1..6),
        last in 1usize..60,
        holes in prop::collection::vec(any::<bool>(), 64),
        kept in 0.0f64..=1.0,
    ) {
        let counts: Vec<usize> = batches.iter().copied().chain([last]).collect();
        let Sample { mut bytes, records, .. } = sample(&counts);
        let acknowledged: usize = batches.iter().sum();
        let start = records[acknowledged].0.start;
        let blocks = start / 512..bytes.len().div_ceil(512);
        for (block, hole) in blocks.zip(holes.iter().cycle()) {
            let range = (block * 512).max(start)..((block + 1) * 512).min(bytes.len());
            if *hole {
                bytes[range].fill(0);
            }
        }
        let length = start + ((bytes.len() - start) as f64 * kept) as usize;
        bytes.truncate(if length == bytes.len() { length } else { (length / 512 * 512).max(start) });
        let (count, end) = read(&bytes);
        prop_assert!(end.is_ok(), "{end:?}");
        prop_assert!(count >= acknowledged);
    }

    #[test]
    fn reading_arbitrary_bytes_never_panics(noise in prop::collection::vec(any::<u8>(), 0..400), at in 0usize..2000) {
        let Sample { mut bytes, .. } = sample(&[2, 3, 2]);
        let at = at.min(bytes.len());
        bytes.splice(at..(at + noise.len() / 2).min(bytes.len()), noise);
        let _ = read(&bytes);
    }
}

fn open(dir: &Path) -> (Journal, Vec<String>) {
    let (journal, replay) = Journal::open(dir, "dispatch.org", 1).expect("the journal opens");
    let events = replay.records().map(|record| record.event.to_owned()).collect();
    (journal, events)
}

fn batch(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!(r#"{{"e":"{name}"}}"#)).collect()
}

#[test]
fn r4_what_was_appended_is_replayed_and_numbers_go_on() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (mut journal, events) = open(dir.path());
    assert!(events.is_empty());
    assert_eq!(journal.append(&batch(&["a", "b"])).expect("it is durable"), 1);
    assert_eq!(journal.append(&batch(&["c"])).expect("it is durable"), 3);
    let head = journal.head().clone();
    drop(journal);
    let (mut journal, replay) = Journal::open(dir.path(), "dispatch.org", 9).expect("it opens");
    let seen: Vec<_> = replay.records().map(|r| (r.number, r.batch, r.event.to_owned())).collect();
    let [a, b, c] = ["a", "b", "c"].map(|name| format!(r#"{{"e":"{name}"}}"#));
    assert_eq!(seen, [(1, 1, a), (2, 1, b), (3, 3, c)]);
    assert_eq!((journal.head(), journal.epoch()), (&head, 1), "the epoch is the file's, not the caller's");
    assert_eq!(journal.append(&batch(&["d"])).expect("it is durable"), 4);
}

#[test]
fn r3_a_torn_tail_is_kept_aside_and_the_journal_goes_on() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join(JOURNAL_NAME);
    for (round, torn) in [&b"1234 torn"[..], b"\0\0torn\n\0"].into_iter().enumerate() {
        open(dir.path()).0.append(&batch(&["a"])).expect("it is durable");
        let whole = fs::read(&path).expect("it is there");
        fs::write(&path, [&whole, torn].concat()).expect("it can be written");
        let (journal, replay) = Journal::open(dir.path(), "dispatch.org", 1).expect("it is repaired");
        let kept = replay.torn.as_ref().expect("something was cut");
        assert_eq!(kept.file_name().expect("it has one"), format!("journal.torn-{}", round + 1).as_str());
        assert_eq!(fs::read(kept).expect("it was kept"), torn);
        assert_eq!((fs::read(&path).expect("it is there"), replay.records().len()), (whole, round + 1));
        assert_eq!(journal.head().last, round as u64 + 1);
    }
}

#[test]
fn r3_a_damaged_journal_is_refused_with_its_offset_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join(JOURNAL_NAME);
    let (mut journal, _) = open(dir.path());
    let end_of_header = journal.bytes() as usize;
    journal.append(&batch(&["a"])).expect("it is durable");
    journal.append(&batch(&["b"])).expect("it is durable");
    drop(journal);
    let mut bytes = fs::read(&path).expect("it is there");
    bytes[end_of_header + 30] ^= 4;
    fs::write(&path, &bytes).expect("it can be written");
    match Journal::open(dir.path(), "dispatch.org", 1) {
        Err(JournalError::Corrupt { source, .. }) => assert_eq!(source.offset, end_of_header),
        other => panic!("opened a damaged journal: {other:?}"),
    }
    assert_eq!(fs::read(&path).expect("it is there"), bytes);
    assert_eq!(fs::read_dir(dir.path()).expect("it is a directory").count(), 1);
}

#[test]
fn the_log_is_read_in_pages_while_the_journal_grows() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (mut journal, _) = open(dir.path());
    let reader = journal.reader();
    for i in 0..30 {
        // One line is longer than what is read at a time.
        let padding = if i == 7 { 700_000 } else { 3 };
        let events: Vec<String> = (0..100).map(|_| format!("\"{}\"", "y".repeat(padding))).collect();
        journal.append(if i == 7 { &events[..1] } else { &events }).expect("it is durable");
    }
    let last = journal.head().last;
    for reader in [reader, open(dir.path()).0.reader()] {
        let (mut seen, mut after) = (0, 0);
        loop {
            let page = reader.read_after(after, 250).expect("it can be read");
            let Some(end) = page.last() else { break };
            assert!(page.len() <= 250 && page.iter().zip(after + 1..).all(|(logged, n)| logged.number == n));
            (seen, after) = (seen + page.len() as u64, end.number);
        }
        assert_eq!((seen, after), (last, last));
        assert_eq!(reader.read_after(last - 2, 10).expect("it can be read").len(), 2);
        assert_eq!(reader.read_after(u64::MAX, 10).expect("it can be read").len(), 0);
    }
}

#[test]
fn r5_a_rotated_journal_continues_the_chain_and_keeps_the_old_file() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (mut journal, _) = open(dir.path());
    journal.append(&batch(&["a", "b"])).expect("it is durable");
    let (before, old) = (fs::read(journal.path()).expect("it is there"), journal.reader());
    let old_hash = frame::hex(&journal.head().hash);
    let archive = journal.rotate("dispatch.org", 2, &batch(&["snapshot"])).expect("it can be rotated");
    assert_eq!(fs::read(archive).expect("it was kept"), before);
    assert_eq!(journal.append(&batch(&["c"])).expect("it is durable"), 4);
    assert_eq!(old.read_after(0, 10).expect("it can be read").len(), 2);
    assert_eq!(journal.read_after(3, 10).expect("it can be read").len(), 1);
    let (again, events) = open(dir.path());
    assert_eq!(events, batch(&["snapshot", "c"]));
    assert_eq!((again.head(), again.epoch()), (journal.head(), 2));
    assert!(
        fs::read_to_string(again.path()).expect("it is text").lines().next().is_some_and(|l| l.contains(&old_hash))
    );
}

const CRASH_DIR: &str = "FLEET_TEST_CRASH_DIR";
const CRASH_PHASE: &str = "FLEET_TEST_CRASH_PHASE";

#[test]
fn a_kill_at_any_phase_loses_nothing_acknowledged_and_invents_nothing() {
    for (phase, survives) in [("BeforeWrite", false), ("AfterWrite", true), ("AfterSync", true)] {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let mut child = Command::new(std::env::current_exe().expect("a test has a program"));
        child.args(["--exact", "journal::crash_child", "--ignored", "--nocapture"]);
        let status = child.env(CRASH_DIR, dir.path()).env(CRASH_PHASE, phase).output().expect("it runs").status;
        assert_eq!(status.signal(), Some(9), "the child was killed in {phase}");
        let (mut journal, events) = open(dir.path());
        let asked_for = [batch(&["acknowledged"]), batch(&["a", "b"])].concat();
        assert_eq!(events, asked_for[..if survives { 3 } else { 1 }], "{phase}");
        journal.append(&batch(&["after"])).expect("it is durable");
    }
}

#[test]
#[ignore = "run by the test of crashes, in a process of its own"]
fn crash_child() {
    let Ok(dir) = std::env::var(CRASH_DIR) else { return };
    let (mut journal, _) = open(Path::new(&dir));
    journal.append(&batch(&["acknowledged"])).expect("it is durable");
    journal.set_observer(|phase: Phase| {
        if std::env::var(CRASH_PHASE).is_ok_and(|wanted| wanted == format!("{phase:?}")) {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).expect("a process may kill itself");
        }
    });
    journal.append(&batch(&["a", "b"])).expect("it never gets here");
}
