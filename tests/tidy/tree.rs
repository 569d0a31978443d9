//! The text of the source tree, and as much reading of Rust as the tidiness rules need.

use std::{fs, path::Path};

/// A file of the tree.
pub struct Source {
    /// Relative to the package, with `/`.
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// The text up to an inline `mod tests`; nothing of a file that is all tests.
    fn shipped(&self) -> &str {
        if self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs") || self.path.contains("/tests/") {
            return "";
        }
        let inline = |at: &usize| {
            let mod_line = self.text[*at..].lines().skip(1).find(|line| !line.starts_with("#["));
            mod_line.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
        };
        let end = self.text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(inline);
        &self.text[..end.unwrap_or(self.text.len())]
    }
}

/// Files that one rule looks at.
pub struct Sources(Vec<Source>);

impl Sources {
    /// The Rust files below `root`.
    pub fn rust(root: &str) -> Self {
        Sources(below(root)).keep(|path| path.ends_with(".rs"))
    }

    /// Every Rust and Lisp file.
    pub fn code() -> Self {
        Self::everything().keep(|path| path.ends_with(".rs") || path.ends_with(".el"))
    }

    /// Every file that someone wrote.
    pub fn everything() -> Self {
        let roots = ["src", "tests", "benches", "lisp", "test-lisp", "scripts", "share", ".ci"];
        let mut sources: Vec<Source> = roots.iter().flat_map(|root| below(root)).collect();
        sources.extend(["Makefile", "Cargo.toml", "README.md"].iter().filter_map(|path| read(path)));
        Sources(sources)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those whose path is `wanted`.
    pub fn keep(self, wanted: impl Fn(&str) -> bool) -> Self {
        Sources(self.0.into_iter().filter(|source| wanted(&source.path)).collect())
    }
}

/// The file, unless it is absent or not text.
fn read(path: &str) -> Option<Source> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()?;
    Some(Source { path: path.to_owned(), text })
}

/// The text files below the directory `root` of the package; none if it does not exist.
fn below(root: &str) -> Vec<Source> {
    let Ok(entries) = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(root)) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.expect("a readable source directory");
        let path = format!("{root}/{}", entry.file_name().to_string_lossy());
        match entry.file_type().expect("a file system that knows file types").is_dir() {
            true => found.extend(below(&path)),
            false => found.extend(read(&path)),
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The numbered lines of the shipped part that are not comments.
pub fn code_lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let numbered = source.shipped().lines().enumerate().map(|(at, text)| (at + 1, text));
    numbered.filter(|(_, text)| !text.trim_start().starts_with("//"))
}

/// Whether `word` stands in `text` and no longer word contains it.
pub fn contains_word(text: &str, word: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
    let open_ended = !word.ends_with(|c: char| c.is_alphanumeric());
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !inside(before) && (open_ended || !inside(after))
    })
}

/// The first path segments that the shipped code names below `prefix`: `std::{fs, io::Read}` has `fs` and `io`.
pub fn segments_under(source: &Source, prefix: &str) -> impl Iterator<Item = (usize, String)> {
    let lines: Vec<(usize, &str)> = code_lines(source).collect();
    let mut found = Vec::new();
    for (index, (line, text)) in lines.iter().enumerate() {
        for (at, _) in text.match_indices(prefix) {
            let rest: String = std::iter::once(&text[at + prefix.len()..])
                .chain(lines[index + 1..].iter().map(|(_, text)| *text))
                .collect::<Vec<_>>()
                .join("\n");
            found.extend(first_segments(&rest).into_iter().map(|segment| (*line, segment)));
        }
    }
    found.into_iter()
}

/// The first segment of the path that `rest` begins with, or of each member of the group.
fn first_segments(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut segments, mut member) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                segments.push(name(&group[member..at]));
                member = at + 1;
            }
            '}' => {
                segments.push(name(&group[member..at]));
                break;
            }
            _ => {}
        }
    }
    segments
}
