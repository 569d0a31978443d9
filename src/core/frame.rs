//! The record format of the journal and the rules for reading it (R3). Bytes in, records out; no file is touched here.
//!
//! A journal is lines of `crc32c SP length SP json LF`: eight lower-case hex digits over the JSON, its length in bytes
//! as a decimal number, the JSON. The first line is the header; every line after it is a record that carries its
//! number, the first number of its batch (the records that were written and synced together) and the SHA-256 of the
//! line before it. A framed line can be read with `cut -d' ' -f3- | jq`.
//!
//! What follows the last acceptable record is judged by one question: can a torn write explain it? A batch is written
//! only after the batch before it was synced, so a power cut damages the last batch alone. Damage that is followed by a
//! valid record of a later batch is therefore corruption; any other damage is a torn tail, in which nothing that was
//! acknowledged can have stood.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, io::Write as _};

/// The version of the format, `fleet_journal` in the header.
pub const JOURNAL_VERSION: u32 = 1;
/// The largest JSON of one line, in bytes; a claim carries its whole heading.
pub const RECORD_BYTES_MAX: usize = 64 << 20;
/// What the envelope adds to an event, at most.
const ENVELOPE_BYTES_MAX: usize = 256;
/// The largest event that fits into a record, in bytes of JSON.
pub const EVENT_BYTES_MAX: usize = RECORD_BYTES_MAX - ENVELOPE_BYTES_MAX;

/// The end of a journal: all that the next record depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the last record; before the first one, the number below the header's `first`.
    pub last: u64,
    /// The SHA-256 of the last line, its line feed included.
    pub hash: [u8; 32],
    /// The epoch that the header names.
    pub epoch: u32,
}

/// One record as it stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number.
    pub number: u64,
    /// The number of the first record that was written together with it.
    pub batch: u64,
    /// The byte offset of its line.
    pub offset: usize,
    /// The event, as JSON.
    pub event: &'a str,
}

/// What follows the last acceptable record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Clean,
    /// Nothing but zero bytes, as an interrupted write or a preallocation leaves them.
    Zeros {
        /// Where they begin.
        offset: usize,
        /// How many there are.
        len: usize,
    },
    /// What a write that was never acknowledged left behind.
    Torn {
        /// Where it begins.
        offset: usize,
        /// Its length in bytes.
        len: usize,
    },
}

/// The journal is damaged where no interrupted write can have damaged it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal is damaged at byte {offset}: {what}")]
pub struct Corrupt {
    /// Where the damage begins.
    pub offset: usize,
    /// What is wrong there.
    pub what: Damage,
}

/// The kinds of damage that stop a board.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The first line is none.
    #[error("it does not begin with a journal header")]
    Header,
    /// The header was written by a later program.
    #[error("its format is version {0}, this program reads up to version {JOURNAL_VERSION}")]
    Version(u32),
    /// A record of the snapshot is missing.
    #[error("record {0} of the snapshot that it began with is missing or unreadable")]
    Snapshot(u64),
    /// A record is unreadable or out of order, and acknowledged ones follow.
    #[error(
        "record {expected} is unreadable or out of order, but record {found} of a later batch follows at byte {at}"
    )]
    Record {
        /// The number that had to come.
        expected: u64,
        /// The valid record that proves that this is not the end.
        found: u64,
        /// Where that record stands.
        at: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    fleet_journal: u32,
    epoch: u32,
    #[serde(borrow)]
    board: std::borrow::Cow<'a, str>,
    first: u64,
    /// The last record of the snapshot that the journal began with.
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<u64>,
    prev: Option<&'a str>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    n: u64,
    batch: u64,
    /// The last number before the batch; written only where that is not `batch - 1` (R9: numbers may have gaps).
    after: Option<u64>,
    prev: &'a str,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// A new journal for the board `board`: its header and, as its first batch, `snapshot`. Returns the bytes and their end.
///
/// `before` is the end of the journal that this one continues. The bytes become a journal whole or not at all; so damage
/// in the snapshot is never taken for a torn write.
pub fn begin(board: &str, epoch: u32, before: Option<&Head>, snapshot: &[String]) -> (Vec<u8>, Head) {
    let prev = before.map(|head| hex(&head.hash));
    let last = before.map_or(0, |head| head.last);
    let header = Header {
        fleet_journal: JOURNAL_VERSION,
        epoch,
        board: board.into(),
        first: last + 1,
        whole: (!snapshot.is_empty()).then_some(last + snapshot.len() as u64),
        prev: prev.as_deref(),
    };
    let json = serde_json::to_string(&header).expect("a header of plain fields serializes");
    let mut bytes = Vec::new();
    let hash = push_line(&mut bytes, &json);
    let mut head = Head { last, hash, epoch };
    bytes.extend(encode(&mut head, snapshot));
    (bytes, head)
}

/// One batch as the bytes of one write: numbers the events from `head.last + 1`, chains them and moves `head` on.
///
/// An event is one JSON value without line feeds and of at most [`EVENT_BYTES_MAX`] bytes.
pub fn encode(head: &mut Head, events: &[String]) -> Vec<u8> {
    encode_from(head, head.last + 1, events)
}

/// Like [`encode`], for numbers that come from elsewhere and may leave a gap after `head.last`.
pub fn encode_from(head: &mut Head, first: u64, events: &[String]) -> Vec<u8> {
    assert!(first > head.last, "numbers never go back");
    let after = head.last;
    let gap = if first == after + 1 { String::new() } else { format!(r#""after":{after},"#) };
    let mut bytes = Vec::with_capacity(events.iter().map(|event| event.len() + ENVELOPE_BYTES_MAX).sum());
    let mut json = String::new();
    for (number, event) in (first..).zip(events) {
        assert!(event.len() <= EVENT_BYTES_MAX && !event.contains('\n'), "an event is one short line of JSON");
        json.clear();
        let prev = hex(&head.hash);
        write!(json, r#"{{"n":{number},"batch":{first},{gap}"prev":"{prev}","event":{event}}}"#)
            .expect("writing to a String does not fail");
        head.hash = push_line(&mut bytes, &json);
        head.last = number;
    }
    bytes
}

/// Reads a whole journal: every acceptable record goes to `each`, in order, and the end is judged by R3.
///
/// On corruption the records before it have been handed out, so that a board can still be shown read-only.
pub fn read<'a>(bytes: &'a [u8], each: &mut dyn FnMut(Record<'a>)) -> Result<(Head, Tail), Corrupt> {
    let Start { head, whole, mut offset } = read_header(bytes)?;
    let mut chain = Chain::new(head);
    while let Some((record, line)) = chain.accept(bytes, offset) {
        each(record);
        offset += line.len();
    }
    if chain.head.last < whole {
        return Err(Corrupt { offset, what: Damage::Snapshot(chain.head.last + 1) });
    }
    let tail = judge(bytes, offset, chain.head.last)?;
    Ok((chain.head, tail))
}

/// The number and the event of the one record that `line` is, unchained: for looking up what was read as a whole before.
pub fn read_one(line: &[u8]) -> Option<(u64, &str)> {
    let (_, envelope) = record_line(line)?;
    Some((envelope.n, envelope.event.get()))
}

/// A SHA-256 as lower-case hex digits.
pub fn hex(hash: &[u8; 32]) -> String {
    hex_array(hash).iter().copied().map(char::from).collect()
}

/// What has been accepted so far.
struct Chain {
    head: Head,
    /// `hash` as the next record has to name it.
    prev: [u8; 64],
    batch: Option<(u64, u64)>,
}

impl Chain {
    fn new(head: Head) -> Self {
        Self { prev: hex_array(&head.hash), head, batch: None }
    }

    /// The record at `offset` and its line, if it continues the chain.
    fn accept<'a>(&mut self, bytes: &'a [u8], offset: usize) -> Option<(Record<'a>, &'a [u8])> {
        let (line, envelope) = record_line(&bytes[offset..])?;
        let Envelope { n: number, batch, prev, event, .. } = envelope;
        let after = envelope.last_before_batch();
        let goes_on = self.batch == Some((batch, after)) && Some(number) == self.head.last.checked_add(1);
        let begins = number == batch && after == self.head.last && number > after;
        if prev.as_bytes() != self.prev || !(goes_on || begins) {
            return None;
        }
        self.head.last = number;
        self.head.hash = Sha256::digest(line).into();
        self.prev = hex_array(&self.head.hash);
        self.batch = Some((batch, after));
        Some((Record { number, batch, offset, event: event.get() }, line))
    }
}

impl Envelope<'_> {
    fn last_before_batch(&self) -> u64 {
        self.after.unwrap_or(self.batch.saturating_sub(1))
    }
}

/// What the header says, and where it ends.
struct Start {
    head: Head,
    whole: u64,
    offset: usize,
}

fn read_header(bytes: &[u8]) -> Result<Start, Corrupt> {
    let corrupt = |what| Corrupt { offset: 0, what };
    let (line, json) = line_at(bytes).ok_or(corrupt(Damage::Header))?;
    let header: Header<'_> = serde_json::from_slice(json).map_err(|_| corrupt(Damage::Header))?;
    if header.fleet_journal > JOURNAL_VERSION {
        return Err(corrupt(Damage::Version(header.fleet_journal)));
    }
    let last = header.first.checked_sub(1).ok_or(corrupt(Damage::Header))?;
    let head = Head { last, hash: Sha256::digest(line).into(), epoch: header.epoch };
    Ok(Start { head, whole: header.whole.unwrap_or(last), offset: line.len() })
}

/// What the unacceptable bytes from `offset` on are, when `last` is the last number before them.
///
/// The first record that is missing there is number `last + 1` or the first one of a batch after `last`; either way its
/// batch was begun when nothing after `last` was synced. A valid record whose batch was begun later than that proves
/// that the missing one had been acknowledged.
fn judge(bytes: &[u8], offset: usize, last: u64) -> Result<Tail, Corrupt> {
    let len = bytes.len() - offset;
    if len == 0 {
        return Ok(Tail::Clean);
    }
    if bytes[offset..].iter().all(|&b| b == 0) {
        return Ok(Tail::Zeros { offset, len });
    }
    let mut at = offset;
    while at < bytes.len() {
        at += match record_line(&bytes[at..]) {
            Some((_, envelope)) if envelope.last_before_batch() > last => {
                let what = Damage::Record { expected: last.saturating_add(1), found: envelope.n, at };
                return Err(Corrupt { offset, what });
            }
            Some((line, _)) => line.len(),
            None => memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len() - at, |end| end + 1),
        };
    }
    Ok(Tail::Torn { offset, len })
}

fn record_line(bytes: &[u8]) -> Option<(&[u8], Envelope<'_>)> {
    let (line, json) = line_at(bytes)?;
    Some((line, serde_json::from_slice(json).ok()?))
}

/// The framed line at the start of `bytes`, with its JSON. There is exactly one way to write a line.
fn line_at(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (crc, rest) = bytes.split_first_chunk::<8>()?;
    let rest = rest.strip_prefix(b" ")?;
    let digits = rest.iter().take(9).take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 || rest[0] == b'0' {
        return None;
    }
    let len = rest[..digits].iter().fold(0, |len, digit| len * 10 + usize::from(digit - b'0'));
    let json = rest[digits..].strip_prefix(b" ")?;
    if len > RECORD_BYTES_MAX || json.get(len) != Some(&b'\n') || hex_u32(crc)? != crc32c::crc32c(&json[..len]) {
        return None;
    }
    Some((&bytes[..8 + 1 + digits + 1 + len + 1], &json[..len]))
}

fn hex_u32(digits: &[u8; 8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u32::from(digit))
    })
}

fn hex_array(hash: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    digits
}

/// Appends the framed `json` and returns the hash of its line.
fn push_line(bytes: &mut Vec<u8>, json: &str) -> [u8; 32] {
    let start = bytes.len();
    writeln!(bytes, "{:08x} {} {json}", crc32c::crc32c(json.as_bytes()), json.len())
        .expect("writing to a Vec does not fail");
    Sha256::digest(&bytes[start..]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| format!(r#"{{"e":"{name}"}}"#)).collect()
    }

    #[test]
    fn a_journal_reads_back_as_it_was_written() {
        let (mut bytes, mut head) = begin("dispatch.org", 7, None, &[]);
        bytes.extend(encode(&mut head, &events(&["a", "b"])));
        bytes.extend(encode(&mut head, &events(&["c"])));
        let mut seen = Vec::new();
        let (end, tail) = read(&bytes, &mut |r| seen.push((r.number, r.batch, r.event))).expect("it is whole");
        assert_eq!(seen, [(1, 1, r#"{"e":"a"}"#), (2, 1, r#"{"e":"b"}"#), (3, 3, r#"{"e":"c"}"#)]);
        assert_eq!((end, tail), (head, Tail::Clean));
    }

    #[test]
    fn the_format_does_not_change_unnoticed() {
        let (mut bytes, mut head) = begin("dispatch.org", 1, None, &[]);
        bytes.extend(encode(&mut head, &events(&["a"])));
        expect_test::expect![[r#"
            d12def1f 74 {"fleet_journal":1,"epoch":1,"board":"dispatch.org","first":1,"prev":null}
            86f7b0f6 109 {"n":1,"batch":1,"prev":"2b2dee3b3d4b27a58c8db5222576c0222e85a543a5a1cf367363ac50407755fe","event":{"e":"a"}}
        "#]].assert_eq(&String::from_utf8(bytes).expect("it is text"));
    }

    #[test]
    fn a_journal_that_continues_another_names_its_end() {
        let (_, mut first) = begin("dispatch.org", 1, None, &[]);
        encode(&mut first, &events(&["a", "b"]));
        let (bytes, head) = begin("dispatch.org", 2, Some(&first), &[]);
        assert!(String::from_utf8(bytes.clone()).expect("it is text").contains(&hex(&first.hash)));
        let (read, _) = read(&bytes, &mut |_| ()).expect("it is whole");
        assert_eq!((&read, read.last, read.epoch), (&head, 2, 2));
    }

    #[test]
    fn r9_numbers_may_leave_gaps_and_a_torn_batch_after_a_gap_is_no_corruption() {
        let (mut bytes, mut head) = begin("dispatch.org", 1, None, &[]);
        bytes.extend(encode(&mut head, &events(&["a"])));
        let end = bytes.len();
        bytes.extend(encode_from(&mut head, 40, &events(&["b", "c"])));
        assert_eq!(read(&bytes, &mut |_| ()).expect("it is whole"), (head, Tail::Clean));
        bytes[end + 20] ^= 1;
        let torn = read(&bytes, &mut |_| ()).expect("a write was torn").1;
        assert_eq!(torn, Tail::Torn { offset: end, len: bytes.len() - end });
    }

    #[test]
    fn r5_damage_in_a_snapshot_is_corruption_even_when_nothing_follows() {
        let (bytes, head) = begin("dispatch.org", 1, None, &events(&["a", "b"]));
        assert_eq!(read(&bytes, &mut |_| ()), Ok((head, Tail::Clean)));
        let second = bytes.len() - 1 - bytes.iter().rev().skip(1).position(|&b| b == b'\n').expect("it has lines");
        let missing = Err(Corrupt { offset: second, what: Damage::Snapshot(2) });
        assert_eq!(read(&bytes[..second], &mut |_| ()), missing);
        assert_eq!(read(&bytes[..second + 30], &mut |_| ()), missing);
    }

    #[test]
    fn a_later_format_is_refused_by_its_version() {
        let mut bytes = Vec::new();
        push_line(&mut bytes, r#"{"fleet_journal":2,"epoch":1,"board":"a","first":1,"prev":null}"#);
        let refused = read(&bytes, &mut |_| ());
        assert_eq!(refused, Err(Corrupt { offset: 0, what: Damage::Version(2) }));
    }
}
