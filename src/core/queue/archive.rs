//! Where a closed task goes when it leaves the board, and what it looks like there: as Org itself would have it.
//!
//! Org keeps of a heading's surroundings what it would lose with them, as properties (`org-archive-save-context-info`),
//! and lifts the subtree to level 1 at the end of the archive file. Only a file beside the board is an archive here.

use crate::core::{
    org::{self, Draft},
    queue::board::{Board, Section},
    time::Stamp,
};
use sha2::{Digest, Sha256};

/// Where Org archives to when nothing says otherwise.
const LOCATION_DEFAULT: &str = "%s_archive::";

/// Why a heading's archive is none that can be written here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    /// Not of the form `FILE::`.
    #[error("the archive location `{0}` has no `::`")]
    Malformed(String),
    /// A heading is named behind the `::`.
    #[error("the archive location `{0}` names a heading; only whole files are supported")]
    Heading(String),
    /// No file is named, or the board itself.
    #[error("the archive location `{0}` is the board itself")]
    Board(String),
    /// The file lies elsewhere, or is of a kind that Emacs reads in its own way.
    #[error("the archive location `{0}` is no plain file in the board's directory")]
    Elsewhere(String),
}

/// The name of the file, in the board's directory, into which section `at` of the board called `name` goes.
pub fn file(board: &Board, at: usize, name: &str) -> Result<String, BadLocation> {
    let own = std::iter::once(&board.sections()[at]).chain(board.ancestors(at));
    let location = own.filter_map(|section| section.property("ARCHIVE")).next();
    let location = location.or(board.settings().archive.as_deref()).unwrap_or(LOCATION_DEFAULT).trim();
    let (file, heading) = location.split_once("::").ok_or_else(|| BadLocation::Malformed(location.to_owned()))?;
    if !heading.trim().is_empty() {
        return Err(BadLocation::Heading(location.to_owned()));
    }
    let file = file.strip_prefix("./").unwrap_or(file).replacen("%s", name, 1);
    if file.trim().is_empty() || file == name {
        return Err(BadLocation::Board(location.to_owned()));
    }
    let is_plain = !file.contains(['/', '%', '\0']) && !file.starts_with(['.', '~', '#']) && !file.ends_with(".gpg");
    if is_plain { Ok(file) } else { Err(BadLocation::Elsewhere(location.to_owned())) }
}

/// What a new archive begins with. `board` is the board's path.
pub fn header(board: &str) -> String {
    format!("#    -*- mode: org -*-\n\n\nArchived entries from file {board}\n\n")
}

/// The digest by which a subtree is recognised: 16 hex digits.
pub fn digest(subtree: &str) -> String {
    Sha256::digest(subtree)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of section `at` and what is below it, `subtree`, as it stands in the archive.
///
/// `id` is written if the heading has none; `path` is the board's.
pub fn entry(board: &Board, at: usize, subtree: &str, id: &str, time: Stamp, path: &str) -> String {
    let root = &board.sections()[at];
    let mut draft = Draft::new(&root.text[..root.text.len().min(subtree.len())], board.settings());
    if root.id().is_none() {
        draft.set_property("ID", id);
    }
    for (key, value) in context(board, at, time, path) {
        if !value.trim().is_empty() {
            draft.set_property(key, &value);
        }
    }
    let mut text = draft.text().to_owned();
    text.push_str(&subtree[root.text.len().min(subtree.len())..]);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let level = root.heading.as_ref().map_or(1, |heading| usize::from(heading.level));
    lifted(&text, level - 1)
}

/// What Org's default `org-archive-save-context-info` keeps, in its order.
fn context(board: &Board, at: usize, time: Stamp, path: &str) -> [(&'static str, String); 6] {
    let time = time.org_inactive();
    let root = &board.sections()[at];
    let mut above: Vec<_> = board.ancestors(at).map(|section| outline_title(section.title())).collect();
    above.reverse();
    [
        ("ARCHIVE_TIME", time.trim_matches(['[', ']']).to_owned()),
        ("ARCHIVE_FILE", path.to_owned()),
        ("ARCHIVE_OLPATH", above.join("/")),
        ("ARCHIVE_CATEGORY", category(board, at, path)),
        ("ARCHIVE_TODO", root.keyword().unwrap_or_default().to_owned()),
        ("ARCHIVE_ITAGS", inherited(board, at).join(" ")),
    ]
}

fn category(board: &Board, at: usize, path: &str) -> String {
    let own = std::iter::once(&board.sections()[at]).chain(board.ancestors(at));
    let named = own.filter_map(|section| section.property("CATEGORY")).next().or(board.settings().category.as_deref());
    let file = path.rsplit('/').next().unwrap_or(path);
    named.unwrap_or_else(|| file.rsplit_once('.').map_or(file, |(stem, _)| stem)).to_owned()
}

/// The tags that the heading inherits, outermost first.
fn inherited(board: &Board, at: usize) -> Vec<&str> {
    let own: Vec<&str> = own_tags(&board.sections()[at]).collect();
    let above: Vec<_> = board.ancestors(at).collect();
    let mut found: Vec<&str> = Vec::new();
    let of_file = board.settings().filetags.iter().map(String::as_str);
    for tag in of_file.chain(above.into_iter().rev().flat_map(own_tags)) {
        if !own.contains(&tag) && !found.contains(&tag) {
            found.push(tag);
        }
    }
    found
}

fn own_tags(section: &Section) -> impl Iterator<Item = &str> {
    section.heading.iter().flat_map(|heading| heading.own_tags(&section.text))
}

/// A title as it stands in an outline path: without statistics, and of links what a reader sees.
fn outline_title(title: &str) -> String {
    let mut text = title.to_owned();
    let cookies: Vec<_> = org::safe::cookies(title).collect();
    cookies.into_iter().rev().for_each(|cookie| text.replace_range(cookie, ""));
    while let Some(start) = text.find("[[") {
        let Some(end) = text[start..].find("]]").map(|end| start + end) else { break };
        let inner = &text[start + 2..end];
        let shown = inner.split_once("][").map_or(inner, |(_, description)| description).to_owned();
        text.replace_range(start..end + 2, &shown);
    }
    text.trim().to_owned()
}

/// `subtree` with `levels` stars less in each headline.
fn lifted(subtree: &str, levels: usize) -> String {
    let mut text = String::with_capacity(subtree.len());
    for section in org::sections(subtree) {
        let stars = section.bytes().take_while(|&b| b == b'*').count();
        text.push_str(&section[if stars > levels { levels } else { 0 }..]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const BOARD: &str = "#+CATEGORY: work\n#+FILETAGS: :all:\n* Project [1/2] [[x][of *ours*]] :one:\n\
        ** DONE T-1 Ship it :two:\nCLOSED: [2026-04-14 Tue 10:12]\n:PROPERTIES:\n:ID: T-1\n:END:\nBody.\n\
        *** Notes\n** PENDING Other\n";

    fn at(board: &Board, title: &str) -> usize {
        board.sections().iter().position(|section| section.title() == title).expect("it is there")
    }

    #[test]
    fn an_entry_keeps_what_it_would_lose_with_its_surroundings() {
        let board = Board::read(BOARD);
        let root = at(&board, "T-1 Ship it");
        let subtree: String = board.subtree(root).map(|at| board.sections()[at].text.as_str()).collect();
        expect![[r#"
            * DONE T-1 Ship it :two:
            CLOSED: [2026-04-14 Tue 10:12]
            :PROPERTIES:
            :ID: T-1
            :ARCHIVE_TIME: 1970-01-01 Thu 00:00
            :ARCHIVE_FILE: /x/dispatch.org
            :ARCHIVE_OLPATH: Project  of *ours*
            :ARCHIVE_CATEGORY: work
            :ARCHIVE_TODO: DONE
            :ARCHIVE_ITAGS: all one
            :END:
            Body.
            ** Notes
        "#]]
        .assert_eq(&entry(&board, root, &subtree, "T-1", Stamp::new(0, 0), "/x/dispatch.org"));
    }

    #[test]
    fn only_a_file_beside_the_board_is_an_archive() {
        let of = |line: &str, property: &str| {
            let drawer = if property.is_empty() {
                String::new()
            } else {
                format!(":PROPERTIES:\n:ARCHIVE: {property}\n:END:\n")
            };
            let board = Board::read(&format!("{line}* Above\n{drawer}** DONE One\n"));
            file(&board, 2, "dispatch.org")
        };
        assert_eq!(of("", ""), Ok("dispatch.org_archive".into()));
        assert_eq!(of("#+ARCHIVE: old.org::\n#+ARCHIVE: second.org::\n", ""), Ok("old.org".into()), "the first counts");
        assert_eq!(of("#+ARCHIVE: old.org::\n", "%s.old::"), Ok("dispatch.org.old".into()), "the heading's own wins");
        assert_eq!(of("", "./near.org::"), Ok("near.org".into()));
        for (location, why) in [
            ("nowhere.org", BadLocation::Malformed as fn(String) -> BadLocation),
            ("old.org::* Finished", BadLocation::Heading),
            ("old.org::datetree/", BadLocation::Heading),
            ("::", BadLocation::Board),
            ("%s::", BadLocation::Board),
            ("../old.org::", BadLocation::Elsewhere),
            ("/tmp/old.org::", BadLocation::Elsewhere),
            ("~/old.org::", BadLocation::Elsewhere),
            ("old.org.gpg::", BadLocation::Elsewhere),
            ("%s%s::", BadLocation::Elsewhere),
        ] {
            assert_eq!(of("", location), Err(why(location.into())), "{location}");
        }
    }
}
