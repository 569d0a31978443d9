//! One headline and the metadata under it.

use super::blocks::{OpenLines, drawer_name, is_blank, line_end, next_line, trim};
use super::planning::{Drawer, Planning, read_drawer, read_planning};
use super::span::offset;
use super::{KeywordKind, Keywords, Settings, Span, log};
use memchr::memmem;

/// A headline, taken apart, with the planning line and the property drawer that belong to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    /// The number of stars; 0 for a preamble.
    pub level: u16,
    /// The headline without its newline.
    pub line: Span,
    /// The TODO keyword.
    pub keyword: Option<Span>,
    /// What the keyword says.
    pub kind: Option<KeywordKind>,
    /// The whole priority cookie, `[#A]`.
    pub priority: Option<Span>,
    /// Whether the heading is commented out.
    pub commented: bool,
    /// The title, without keyword, priority, `COMMENT` and tags; it may be empty.
    pub title: Span,
    /// The tags with their colons, `:a:b:`.
    pub tags: Option<Span>,
    /// The planning line.
    pub planning: Option<Planning>,
    /// The property drawer.
    pub drawer: Option<Drawer>,
    /// Where the text after planning and property drawer begins.
    pub body: u32,
}

/// The offsets at which the headlines of `text` begin.
pub fn heads(text: &str) -> impl Iterator<Item = usize> + '_ {
    let first = (!text.is_empty()).then_some(0);
    let others = memmem::find_iter(text.as_bytes(), b"\n*").map(|newline| newline + 1);
    first.into_iter().chain(others).filter(|&at| stars(&text[at..]).is_some())
}

/// The board in pieces that together are the whole text: the preamble, which may be empty, then each section.
pub fn sections(text: &str) -> impl Iterator<Item = &str> + '_ {
    let mut start = 0;
    heads(text).chain(std::iter::once(text.len())).map(move |end| &text[std::mem::replace(&mut start, end)..end])
}

/// The property `key` of the drawer that `preamble`, the text before the first headline, begins with. As in Org, only
/// comments and blank lines may stand before it.
pub fn file_property<'t>(preamble: &'t str, key: &str) -> Option<&'t str> {
    let is_passed = |line: &str| trim(line).is_empty() || trim(line) == "#" || trim(line).starts_with("# ");
    let mut at = 0;
    while at < preamble.len() && is_passed(&preamble[at..line_end(preamble, at)]) {
        at = next_line(preamble, at);
    }
    let drawer = read_drawer(preamble, at);
    Heading { drawer, ..Heading::default() }.property(preamble, key)
}

/// The number of stars of a headline.
fn stars(line: &str) -> Option<usize> {
    let count = line.bytes().take_while(|&b| b == b'*').count();
    (count > 0 && line.as_bytes().get(count) == Some(&b' ')).then_some(count)
}

impl Heading {
    /// Takes the first headline of `section` apart; a preamble gives a heading of level 0 that is all body.
    pub fn read(section: &str, keywords: &Keywords) -> Heading {
        let Some(level) = stars(section) else { return Heading::default() };
        let mut heading = read_headline(section, level, keywords);
        let mut at = next_line(section, 0);
        heading.planning = read_planning(section, at);
        if heading.planning.is_some() {
            at = next_line(section, at);
        }
        heading.drawer = read_drawer(section, at);
        heading.body = heading.drawer.as_ref().map_or(offset(at), |drawer| drawer.span.end);
        heading
    }

    /// The value of the first property named `key`, in whatever case; `KEY+` lines are not added to it.
    pub fn property<'a>(&self, section: &'a str, key: &str) -> Option<&'a str> {
        let mut entries = self.drawer.iter().flat_map(|drawer| &drawer.entries);
        entries.find(|entry| entry.key.of(section).eq_ignore_ascii_case(key)).map(|entry| entry.value.of(section))
    }

    /// The tags of this heading itself, without those that it inherits.
    pub fn own_tags<'a>(&self, section: &'a str) -> impl Iterator<Item = &'a str> {
        let tags = self.tags.map_or("", |tags| tags.of(section));
        tags.split(':').filter(|tag| !tag.is_empty())
    }

    /// The first word of the title when it looks like `TASK-001`, which then names the task.
    pub fn leading_token<'a>(&self, section: &'a str) -> Option<&'a str> {
        let title = self.title.of(section);
        let end = title.find(|c: char| c.is_whitespace() || c == ':').unwrap_or(title.len());
        let token = &title[..end];
        let (word, number) = token.rsplit_once('-')?;
        let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        let named = word.starts_with(|c: char| c.is_ascii_uppercase()) && word.bytes().all(upper);
        (named && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(token)
    }
}

/// The headline of `section`, in the order in which org looks: keyword, priority, `COMMENT`, tags, and what is left.
fn read_headline(section: &str, level: usize, keywords: &Keywords) -> Heading {
    let line = &section[..line_end(section, 0)];
    let mut heading = Heading {
        level: u16::try_from(level).unwrap_or(u16::MAX),
        line: Span::new(0, line.len()),
        ..Heading::default()
    };
    let skip = |at: usize| line.len() - line[at..].trim_start_matches(is_blank).len();
    let mut at = skip(level);
    let word = line[at..].split(is_blank).next().unwrap_or("");
    let word_end = at + word.len();
    // A tab after the keyword makes it an ordinary word in every Org version.
    if !line[word_end..].starts_with('\t') {
        heading.kind = keywords.kind(word);
    }
    if heading.kind.is_some() {
        heading.keyword = Some(Span::new(at, word_end));
        at = skip(word_end);
    }
    if let Some(length) = priority_length(&line[at..]) {
        heading.priority = Some(Span::new(at, at + length));
        at = skip(at + length);
    }
    if is_commented(&line[at..]) {
        heading.commented = true;
        at += "COMMENT".len();
    }
    let mut end = line.len();
    if let Some(tags) = trailing_tags(line, at) {
        heading.tags = Some(tags);
        end = tags.start as usize;
    }
    let title = line[at..end].trim_start_matches(is_trimmed);
    let start = end - title.len();
    heading.title = Span::new(start, start + title.trim_end_matches(is_trimmed).len());
    heading
}

/// What org cuts from both ends of a title.
fn is_trimmed(c: char) -> bool {
    is_blank(c) || c == '\r'
}

/// The length of the priority cookie that `text` begins with: any single character, or a number up to 64.
fn priority_length(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("[#")?;
    let first = inner.chars().next()?.len_utf8();
    if inner[first..].starts_with(']') {
        return Some(2 + first + 1);
    }
    let number = inner.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_digit()) && *two <= "64")?;
    inner[number.len()..].starts_with(']').then_some(5)
}

fn is_commented(text: &str) -> bool {
    text.strip_prefix("COMMENT").is_some_and(|rest| rest.is_empty() || rest.starts_with(is_blank))
}

/// The last word of the headline where it is a group of tags, at or after `from`.
fn trailing_tags(line: &str, from: usize) -> Option<Span> {
    let end = line.trim_end_matches(is_blank).len();
    let start = line[..end].rfind(is_blank)? + 1;
    let group = &line[start..end];
    let inner = group.strip_prefix(':')?.strip_suffix(':')?;
    let tagged = !inner.is_empty() && inner.chars().all(|c| c == ':' || is_tag_char(c));
    (start >= from && tagged).then(|| Span::new(start, end))
}

/// What org allows in a tag. Emacs counts letters and marks, but not superscripts and fractions, as alphanumeric.
fn is_tag_char(c: char) -> bool {
    match c {
        '_' | '@' | '#' | '%' => true,
        _ if c.is_ascii() => c.is_ascii_alphanumeric(),
        _ => c.is_alphabetic() || ('\u{300}'..='\u{36f}').contains(&c),
    }
}

/// The text of a task for those who work on it: without planning, property drawer and log drawer.
pub fn body_text(section: &str, heading: &Heading, settings: &Settings) -> String {
    let body = heading.body as usize;
    let name = log::drawer(section, heading, settings);
    let mut text = String::new();
    let mut kept = body;
    let mut lines = OpenLines::new(section, body);
    while let Some(line) = lines.next() {
        let Some(found) = drawer_name(&section[line.clone()]) else { continue };
        let Some(end) = lines.skip_drawer(&line) else { continue };
        if name.is_some_and(|name| name.eq_ignore_ascii_case(found))
            || found.eq_ignore_ascii_case(super::settings::LOG_DRAWER)
        {
            text.push_str(&section[kept..line.start]);
            kept = next_line(section, end.start);
        }
    }
    text.push_str(&section[kept..]);
    without_outer_blank_lines(&text).to_owned()
}

fn without_outer_blank_lines(text: &str) -> &str {
    let mut start = 0;
    while start < text.len() && trim(&text[start..line_end(text, start)]).is_empty() {
        start = next_line(text, start);
    }
    text[start..].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const BOARD: &str = "\
* PENDING [#A] TASK-001: Deploy  :timmy:allegro:
  DEADLINE: <2026-04-15 Wed +1w> SCHEDULED: <2026-04-14>
  :PROPERTIES:
  :ID: TASK-001
  :EMPTY:
  :END:

Body.
:LOGBOOK:
- State
:END:
More.
#+begin_example
:LOGBOOK:
:END:
#+end_example

";

    fn show(section: &str) -> String {
        let heading = Heading::read(section, &Keywords::fleet());
        let of = |span: Option<Span>| span.map(|span| span.of(section));
        let planning = heading.planning.clone().unwrap_or_default();
        let entries = heading.drawer.iter().flat_map(|drawer| &drawer.entries);
        let properties: Vec<_> = entries.map(|entry| (entry.key.of(section), entry.value.of(section))).collect();
        format!(
            "{} {:?} {:?} {:?} {:?} {:?}\n{:?} {:?} {:?}\n{properties:?}\n",
            heading.level,
            of(heading.keyword),
            of(heading.priority),
            heading.commented,
            heading.title.of(section),
            heading.own_tags(section).collect::<Vec<_>>(),
            of(planning.closed),
            of(planning.deadline),
            of(planning.scheduled),
        )
    }

    #[test]
    fn a_heading_is_taken_apart() {
        expect![[r#"
            1 Some("PENDING") Some("[#A]") false "TASK-001: Deploy" ["timmy", "allegro"]
            None Some("<2026-04-15 Wed +1w>") Some("<2026-04-14>")
            [("ID", "TASK-001"), ("EMPTY", "")]
        "#]]
        .assert_eq(&show(BOARD));
    }

    #[test]
    fn agents_get_the_text_without_metadata_and_log() {
        let settings = Settings::default();
        let heading = Heading::read(BOARD, &settings.keywords);
        expect![[r#"
            Body.
            More.
            #+begin_example
            :LOGBOOK:
            :END:
            #+end_example"#]]
        .assert_eq(&body_text(BOARD, &heading, &settings));
        assert_eq!(body_text("* x", &Heading::read("* x", &settings.keywords), &settings), "");
    }

    #[test]
    fn properties_are_found_in_any_case() {
        let heading = Heading::read(BOARD, &Keywords::fleet());
        assert_eq!(heading.property(BOARD, "id"), Some("TASK-001"));
        assert_eq!(heading.property(BOARD, "empty"), Some(""));
        assert_eq!(heading.property(BOARD, "ID+"), None);
    }

    #[test]
    fn only_a_token_names_a_task() {
        let token = |title: &str| {
            let section = format!("* PENDING {title}\n");
            Heading::read(&section, &Keywords::fleet()).leading_token(&section).map(str::to_owned)
        };
        for good in ["TASK-001", "TASK-001 x", "TASK-001: x", "A_1-0\u{a0}x"] {
            assert!(token(good).is_some(), "{good}");
        }
        for bad in ["", "Task-1", "TASK-", "TASK-1a", "TASK_1", "1TASK-1", "A-B-1", "x TASK-1", "TASK-1, x"] {
            assert_eq!(token(bad), None, "{bad}");
        }
    }

    #[test]
    fn headlines_begin_at_line_starts_with_stars_and_a_space() {
        let text = "* a\n ** no\n**no\n*\tno\n** b\n*\n*** ";
        assert_eq!(heads(text).collect::<Vec<_>>(), [0, 21, 28]);
        assert_eq!(heads("").count(), 0);
        assert_eq!(sections("").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn a_huge_hostile_section_is_read_in_one_pass() {
        let n = 40_000;
        for line in
            ["#+begin_src\n", ":X:\n", "\\begin{a}\n", "#+TODO: A(", "[", "<1", ":a:", "*", "CLOSED: [x ", " #+"]
        {
            let section = format!("* {}\n{0}\n:PROPERTIES:\n{0}", line.repeat(n));
            let settings = Settings::read(&section);
            let heading = Heading::read(&section, &settings.keywords);
            body_text(&section, &heading, &settings);
            super::super::safe::text(&section);
            assert_eq!(sections(&section).map(str::len).sum::<usize>(), section.len());
        }
    }
}
