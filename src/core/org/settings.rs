//! What a board says about itself in its `#+KEY:` lines.
//!
//! Read the way org collects them: anywhere in the file, in any case, not inside literal blocks. `#+SETUPFILE` is not
//! followed: reading a board opens no other file.

use super::blocks::{self, OpenLines};
use super::{Keywords, sections};
use memchr::memmem;

/// The settings of one board that its tasks depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The TODO keywords.
    pub keywords: Keywords,
    /// Tags that every heading of the file inherits.
    pub filetags: Vec<String>,
    /// The drawer for state changes and notes; `None` means plain list items directly under the metadata.
    pub log_drawer: Option<String>,
    /// Whether closing a task writes a `CLOSED:` stamp.
    pub log_done: bool,
    /// Whether the file names its keywords itself.
    pub declared_keywords: bool,
    /// Where closed tasks are archived, `FILE::HEADING`, if the file says so.
    pub archive: Option<String>,
    /// The file's category, if it names one.
    pub category: Option<String>,
    /// Whether a repeating task is given LAST_REPEAT.
    pub log_repeat: bool,
    /// Whether changes are not logged at all. No line of the file says so, but the LOGGING property of a heading.
    pub log_silent: bool,
    /// Properties that every heading inherits, from `#+PROPERTY:`.
    pub properties: Vec<(String, String)>,
    /// The files of `#+SETUPFILE:`, which are not read: their keywords are unknown.
    pub setup_files: Vec<String>,
}

/// The name of the log drawer where the board does not say otherwise.
pub(super) const LOG_DRAWER: &str = "LOGBOOK";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// `#+TYP_TODO`, which org reads before the other two.
    TypTodo,
    Todo,
    SeqTodo,
    Filetags,
    Startup,
    Archive,
    Category,
    Property,
    SetupFile,
}

const KEYS: [(&str, Key); 9] = [
    ("TYP_TODO", Key::TypTodo),
    ("TODO", Key::Todo),
    ("SEQ_TODO", Key::SeqTodo),
    ("FILETAGS", Key::Filetags),
    ("STARTUP", Key::Startup),
    ("ARCHIVE", Key::Archive),
    ("CATEGORY", Key::Category),
    ("PROPERTY", Key::Property),
    ("SETUPFILE", Key::SetupFile),
];

impl Default for Settings {
    fn default() -> Self {
        Self {
            keywords: Keywords::fleet(),
            filetags: Vec::new(),
            log_drawer: Some(LOG_DRAWER.into()),
            log_done: true,
            declared_keywords: false,
            archive: None,
            category: None,
            log_repeat: true,
            log_silent: false,
            properties: Vec::new(),
            setup_files: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads the settings of the whole board `text`.
    pub fn read(text: &str) -> Settings {
        let mut settings = Settings::default();
        let found = collect(text);
        for &(key, value) in &found {
            match key {
                Key::Filetags => {
                    let tags = value.split([' ', '\t', ':']).filter(|tag| !tag.is_empty());
                    settings.filetags.extend(tags.map(str::to_owned));
                }
                Key::Startup => value.split_whitespace().for_each(|option| settings.start_up(option)),
                // Of the archive Org takes the first line, of the category the last.
                Key::Archive => drop(settings.archive.get_or_insert_with(|| value.to_owned())),
                Key::Category => settings.category = Some(value.to_owned()),
                Key::Property => {
                    let (name, value) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
                    settings.properties.push((name.to_owned(), value.trim().to_owned()));
                }
                Key::SetupFile => settings.setup_files.push(value.trim_matches('"').to_owned()),
                Key::TypTodo | Key::Todo | Key::SeqTodo => {}
            }
        }
        let sequences = [Key::TypTodo, Key::Todo, Key::SeqTodo].map(|wanted| {
            found.iter().filter(move |(key, value)| *key == wanted && !value.is_empty()).map(|(_, value)| *value)
        });
        if let Some(keywords) = read_keywords(sequences.into_iter().flatten()) {
            settings.keywords = keywords;
            settings.declared_keywords = true;
        }
        settings
    }

    /// Whether the sections `old` and the text `new`, which may come in their place, say the same about the board.
    pub fn same_lines<'a>(old: impl Iterator<Item = &'a str>, new: &'a str) -> bool {
        old.flat_map(collect).eq(collect(new))
    }

    /// The property `key` that every heading inherits from the file; of several lines the last one counts.
    pub fn property(&self, key: &str) -> Option<&str> {
        let named = self.properties.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key));
        named.map(|(_, value)| value.as_str())
    }

    /// The settings of a heading that has or inherits these properties: where and what it logs, as in
    /// `org-local-logging` and `org-log-into-drawer`. LOGGING switches everything off that it does not name.
    pub fn of_heading(mut self, logging: Option<&str>, drawer: Option<&str>) -> Settings {
        if let Some(logging) = logging {
            (self.log_done, self.log_repeat) = (false, false);
            self.log_silent = matches!(logging, "nil" | "");
            logging.split_whitespace().for_each(|option| self.start_up(option));
        }
        match drawer {
            None => {}
            Some("nil") => self.log_drawer = None,
            Some(name) => self.log_drawer = Some(name.to_owned()),
        }
        self
    }

    fn start_up(&mut self, option: &str) {
        match option.to_ascii_lowercase().as_str() {
            "logdrawer" => self.log_drawer = Some(LOG_DRAWER.into()),
            "nologdrawer" => self.log_drawer = None,
            "logdone" | "lognotedone" => self.log_done = true,
            "nologdone" => self.log_done = false,
            "logrepeat" | "lognoterepeat" => self.log_repeat = true,
            "nologrepeat" => self.log_repeat = false,
            _ => {}
        }
    }
}

/// Every setting line that counts, in file order.
fn collect(text: &str) -> Vec<(Key, &str)> {
    let mut found = Vec::new();
    for section in sections(text) {
        // Most sections hold no setting at all; only those that may are read line by line.
        if !memmem::find_iter(section.as_bytes(), b"#+").any(|at| setting(line_at(section, at)).is_some()) {
            continue;
        }
        found.extend(OpenLines::new(section, 0).filter_map(|line| setting(&section[line])));
    }
    found
}

/// The line from `at` on, or nothing where more than blanks precede it.
fn line_at(section: &str, at: usize) -> &str {
    let before = section[..at].trim_end_matches(blocks::is_blank);
    let first = before.is_empty() || before.ends_with('\n');
    if first { &section[at..blocks::line_end(section, at)] } else { "" }
}

/// The key and value of a setting line.
fn setting(line: &str) -> Option<(Key, &str)> {
    let rest = line.trim_start_matches(blocks::is_blank).strip_prefix("#+")?;
    let word = rest.split(char::is_whitespace).next()?;
    // The key reaches to the last colon of the first word, as in org: `#+TODO:A:` is some other key.
    let (name, _) = word.rsplit_once(':')?;
    let (_, key) = KEYS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some((key, rest[name.len() + 1..].trim()))
}

/// The keywords of the given lines, or `None` where there are no lines.
fn read_keywords<'a>(sequences: impl Iterator<Item = &'a str>) -> Option<Keywords> {
    let mut keywords = Keywords::default();
    for sequence in sequences {
        let words: Vec<&str> = sequence.split_whitespace().collect();
        let bar = words.iter().position(|&word| word == "|");
        let split = bar.unwrap_or(words.len() - 1);
        let named = |words: &[&str]| -> Vec<String> {
            words.iter().filter(|&&word| word != "|").map(|word| without_key(word).to_owned()).collect()
        };
        keywords.todo.extend(named(&words[..split]));
        keywords.done.extend(named(&words[split..]));
    }
    if keywords.done.is_empty() {
        keywords.done.extend(keywords.todo.pop());
    }
    (!keywords.done.is_empty()).then_some(keywords)
}

/// `DONE(d@/!)` without what is in parentheses: the key and what to log.
fn without_key(word: &str) -> &str {
    match word.split_once('(') {
        Some((name, rest)) if rest.ends_with(')') => name,
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_come_from_all_lines_without_their_keys() {
        let text = "* a\n#+todo: A(a@/!) B | C(c!)\n* b\n  #+SEQ_TODO: D E\n#+TYP_TODO: F |\n";
        let settings = Settings::read(text);
        assert_eq!(settings.keywords.todo, ["F", "A", "B", "D"]);
        assert_eq!(settings.keywords.done, ["C", "E"]);
        assert!(settings.declared_keywords);
    }

    #[test]
    fn a_board_without_keywords_has_those_of_the_fleet() {
        for text in ["", "* TODO x\n", "#+TODO:\n", "#+begin_src org\n#+TODO: A | B\n#+end_src\n"] {
            let settings = Settings::read(text);
            assert_eq!((settings.keywords, settings.declared_keywords), (Keywords::fleet(), false), "{text}");
        }
    }

    #[test]
    fn a_headline_cuts_a_block_open() {
        let settings = Settings::read("#+begin_src org\n#+TODO: A | B\n* x\n#+end_src\n");
        assert_eq!(settings.keywords.done, ["B"]);
    }

    #[test]
    fn start_up_options_decide_what_is_logged() {
        let read = |text| {
            let settings = Settings::read(text);
            (settings.log_drawer.is_some(), settings.log_done)
        };
        assert_eq!(read(""), (true, true));
        assert_eq!(read("#+STARTUP: overview NoLogDrawer nologdone\n"), (false, false));
        assert_eq!(read("#+STARTUP: nologdrawer\n#+startup: logdrawer lognotedone\n"), (true, true));
    }
}
