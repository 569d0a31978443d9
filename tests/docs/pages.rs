//! As much reading of Markdown as comparing it with the code needs: tables, headings, links, words in backticks.

use std::{collections::BTreeSet, fs, path::Path};

/// A document.
#[derive(Clone)]
pub struct Page {
    /// Relative to the package.
    pub path: String,
    pub text: String,
}

impl Page {
    pub fn read(path: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{path}: {e}"));
        Self { path: path.into(), text }
    }

    /// The page with one passage replaced, which must be there.
    #[track_caller]
    pub fn doctored(&self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "{} has no {from:?} to be doctored", self.path);
        Self { path: self.path.clone(), text: self.text.replacen(from, to, 1) }
    }

    /// The rows of all tables whose first column is headed `head`, as cells.
    pub fn rows(&self, head: &str) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let mut inside = false;
        for line in self.text.lines() {
            let Some(cells) = cells(line) else {
                inside = false;
                continue;
            };
            match () {
                () if cells[0] == head => inside = true,
                () if cells.iter().all(|cell| cell.starts_with("--")) => {}
                () if inside => rows.push(cells),
                () => {}
            }
        }
        rows
    }

    /// The first words in backticks of the rows of those tables.
    pub fn keys(&self, head: &str) -> BTreeSet<String> {
        self.rows(head).iter().flat_map(|row| ticked(&row[0])).collect()
    }

    /// The row of those tables that begins with `key`.
    pub fn row(&self, head: &str, key: &str) -> Option<Vec<String>> {
        self.rows(head).into_iter().find(|row| ticked(&row[0]).iter().any(|word| word == key))
    }

    /// The parts of the page between headings of `level`: the heading's words and what follows.
    pub fn sections(&self, level: usize) -> Vec<(String, Page)> {
        let mark = format!("\n{} ", "#".repeat(level));
        let parts = self.text.split(mark.as_str()).skip(1);
        let part = |part: &str| {
            let (title, body) = part.split_once('\n').unwrap_or((part, ""));
            let end = body.find("\n## ").unwrap_or(body.len());
            (title.trim_matches('`').to_owned(), Page { path: self.path.clone(), text: body[..end].to_owned() })
        };
        parts.map(part).collect()
    }

    /// The targets of the links.
    pub fn links(&self) -> Vec<&str> {
        self.text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
    }

    /// What the headings are called in links.
    pub fn anchors(&self) -> BTreeSet<String> {
        let slug = |title: &str| -> String {
            let kept = title.trim().to_lowercase();
            kept.chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        };
        self.text
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .map(|rest| slug(rest.trim_start_matches('#')))
            .collect()
    }
}

/// The words in backticks.
pub fn ticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The cells of a table's line.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}
