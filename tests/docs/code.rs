//! What the documents are held against: words, fields and numbers as they stand in the sources.

use crate::tidy::tree::{Source, Sources, code_lines};
use fleet::core::code::Code;
use std::collections::{BTreeMap, BTreeSet};

/// The reasons of refusals, each with the exit codes that stand beside it in the source.
pub type Reasons = BTreeMap<String, BTreeSet<u8>>;

/// The shipped part of `source` without comments.
fn shipped(source: &Source) -> String {
    code_lines(source).map(|(_, line)| format!("{line}\n")).collect()
}

/// The code of the file `path`.
pub fn file(sources: &Sources, path: &str) -> String {
    let source = sources.iter().find(|source| source.path == path);
    shipped(source.unwrap_or_else(|| panic!("there is no {path}")))
}

/// What stands between `head` and the end of that item.
fn item<'c>(code: &'c str, head: &str) -> &'c str {
    let start = code.find(head).unwrap_or_else(|| panic!("the code has no `{head}`")) + head.len();
    let end = code[start..].find("\n}").unwrap_or_else(|| panic!("`{head}` does not end"));
    &code[start..start + end]
}

/// The fields of a struct.
pub fn fields(code: &str, head: &str) -> BTreeSet<String> {
    item(code, head).lines().filter_map(|line| name_before_colon(line, 4)).collect()
}

/// The variants of an enum in kebab case, with their fields.
pub fn variants(code: &str, head: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut last = String::new();
    for line in item(code, head).lines() {
        if let Some(field) = name_before_colon(line, 8) {
            found.entry(last.clone()).or_default().insert(field);
        } else if let Some(rest) = line.strip_prefix("    ").filter(|rest| rest.starts_with(char::is_uppercase)) {
            last = kebab(rest.trim_end_matches([',', '{', ' ']).split('(').next().unwrap_or_default());
            found.entry(last.clone()).or_default();
        }
    }
    found
}

/// `name` of the line `    pub name: Type,` with this indentation.
fn name_before_colon(line: &str, indent: usize) -> Option<String> {
    let rest = line.strip_prefix(&" ".repeat(indent)).filter(|rest| !rest.starts_with(' '))?;
    let (name, _) = rest.trim_start_matches("pub ").split_once(':')?;
    name.chars().all(|c| c.is_lowercase() || c == '_').then(|| name.to_owned())
}

fn kebab(name: &str) -> String {
    let mut word = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.extend(c.to_lowercase());
    }
    word
}

/// Every reason that a refusal can have.
pub fn reasons(sources: &Sources) -> Reasons {
    let mut found = Reasons::new();
    let mut note = |exit: Option<u8>, word: &str| {
        if is_reason(word) {
            found.entry(word.into()).or_default().extend(exit);
        }
    };
    for source in sources.iter() {
        let text = if source.path.ends_with(".el") { source.text.clone() } else { shipped(source) };
        for code in Code::ALL {
            let variant = format!("Code::{code:?},");
            after(&text, &variant).filter_map(first_string).for_each(|word| note(Some(code.exit()), word));
            let in_lisp = format!("\"{}\" ", code.name());
            after(&text, &in_lisp).filter_map(first_string).for_each(|word| note(Some(code.exit()), word));
        }
        for rest in after(&text, "usage(") {
            let Some((before, _)) = rest.split_once('"') else { continue };
            if before.len() < 40 && !before.contains(['{', ';', '|']) {
                first_string(&rest[before.len()..]).into_iter().for_each(|word| note(Some(2), word));
            }
        }
        after(&text, ":reason ").filter_map(first_string).for_each(|word| note(None, word));
        for chosen in after(&text, "reason = ").filter_map(|rest| rest.split(';').next()) {
            chosen.split('"').skip(1).step_by(2).for_each(|word| note(None, word));
        }
        let arms = text.lines().filter(|line| line.contains("Refusal::") || line.contains("Unready::"));
        arms.filter_map(|line| line.split_once("=> "))
            .filter_map(|(_, rest)| first_string(rest))
            .for_each(|word| note(None, word));
    }
    found
}

/// What follows each `mark` that does not continue a longer word.
fn after<'t>(text: &'t str, mark: &'t str) -> impl Iterator<Item = &'t str> {
    let begins = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    text.match_indices(mark).filter(move |(at, _)| begins(*at)).map(move |(at, _)| &text[at + mark.len()..])
}

/// The string that `text` begins with, after white space.
fn first_string(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix('"')?.split('"').next()
}

fn is_reason(word: &str) -> bool {
    !word.is_empty() && word.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()))
}

/// Every named bound, with its value where that is plain arithmetic.
///
/// A number is a bound if it is public or if its name says so. Lisp's are the public constants.
pub fn bounds(sources: &Sources) -> BTreeMap<String, Option<f64>> {
    let mut found = BTreeMap::new();
    let mut later = Vec::new();
    for source in sources.iter() {
        for (name, value) in constants(source) {
            match evaluated(&value, &found) {
                Some(number) => drop(found.insert(name, Some(number))),
                None => later.push((name, value)),
            }
        }
    }
    for (name, value) in later {
        let number = evaluated(&value, &found);
        found.insert(name, number);
    }
    found
}

fn constants(source: &Source) -> Vec<(String, String)> {
    if source.path.ends_with(".el") {
        let of_lisp = |line: &str| {
            let (name, value) = line.strip_prefix("(defconst ")?.split_once(' ')?;
            let public = !name.contains("--") && value.starts_with(|c: char| c.is_ascii_digit() || c == '(');
            public.then(|| (name.to_owned(), value.to_owned()))
        };
        return source.text.lines().filter_map(of_lisp).collect();
    }
    let is_bound = |public: bool, name: &str| public || ["_MAX", "_MS", "_SECS"].iter().any(|part| name.contains(part));
    let of_rust = |line: &str| {
        let (lead, rest) = line.trim_start().split_once("const ")?;
        let (name, rest) = rest.split_once(": ")?;
        let (kind, value) = rest.trim_end_matches(';').split_once(" = ")?;
        let number =
            kind.trim_start_matches(['u', 'i', 'f']).chars().all(|c| c.is_ascii_digit()) || kind.ends_with("size");
        let visible = lead.is_empty() || lead == "pub " || lead.starts_with("pub(");
        (number && visible && is_bound(lead == "pub ", name)).then(|| (name.to_owned(), value.to_owned()))
    };
    code_lines(source).filter_map(|(_, line)| of_rust(line)).collect()
}

/// `a op b op c` from left to right, with names that are known; Lisp's `(ash a b)` too.
fn evaluated(text: &str, known: &BTreeMap<String, Option<f64>>) -> Option<f64> {
    let term = |word: &str| match word.replace('_', "").parse() {
        Ok(number) => Some(number),
        Err(_) => known.get(word).copied().flatten(),
    };
    if let Some(shift) = text.strip_prefix("(ash ").and_then(|rest| rest.strip_suffix(')')) {
        let (value, by) = shift.split_once(' ')?;
        return Some(term(value)? * term(by)?.exp2());
    }
    let mut words = text.split_whitespace();
    let mut value = term(words.next()?)?;
    while let (Some(operator), Some(word)) = (words.next(), words.next()) {
        let right = term(word)?;
        value = match operator {
            "<<" => value * right.exp2(),
            "*" => value * right,
            "+" => value + right,
            "-" => value - right,
            _ => return None,
        };
    }
    Some(value)
}

/// Every symbol that the Lisp files define, and those of the module.
pub fn lisp_symbols(sources: &Sources) -> BTreeSet<String> {
    let lisp = sources.iter().filter(|source| source.path.starts_with("lisp/"));
    let defined = |line: &str| {
        let (keyword, rest) = line.trim_start().strip_prefix('(')?.split_once(' ')?;
        let name = rest.trim_start_matches(['\'', '(']).split([' ', ')']).next()?;
        let defines = keyword.starts_with("def") || keyword.starts_with("cl-def") || keyword.starts_with("define");
        (defines || keyword == "provide").then(|| name.to_owned())
    };
    let module = file(sources, "src/module/mod.rs");
    let native = module.split("#[defun]\nfn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
    let native = native.map(|name| format!("fleet--mod-{}", name.replace('_', "-")));
    lisp.flat_map(|source| source.text.lines().filter_map(defined)).chain(native).collect()
}
