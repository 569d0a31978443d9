//! `fleet.toml`: reading it, with the line of everything that is wrong, and writing one to begin with.

use super::{BadValue, Config, ConfigOption, Key, Kind, OPTIONS, Origin};
use std::{
    fmt::Write as _,
    ops::Range,
    path::{Path, PathBuf},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The largest file that is read, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 64 << 10;
/// How much an unknown name must have in common with a known one to be taken for a slip of it, from 0 to 1.
const LIKENESS_MIN: f64 = 0.6;

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FileError {
    /// It is not TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// It names an option that does not exist.
    #[error("{}:{line}: there is no option `{name}`", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The name.
        name: String,
        /// The known name that is most like it.
        nearest: Option<String>,
    },
    /// An option cannot hold its value.
    #[error(transparent)]
    Value(#[from] BadValue),
}

impl FileError {
    /// The way out.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { nearest: Some(name), .. } => format!("did you mean `{name}`?"),
            _ => "`fleet config template` prints every option with its meaning".into(),
        }
    }
}

/// What `text`, the contents of the file `path`, sets.
pub fn read_file(text: &str, path: &Path) -> Result<Config, FileError> {
    let line = |span: Range<usize>| 1 + text[..span.start.min(text.len())].matches('\n').count();
    let table = DeTable::parse(text).map_err(|e| FileError::Syntax {
        path: path.into(),
        line: line(e.span().unwrap_or_default()),
        message: e.message().lines().next().unwrap_or("no valid TOML").into(),
    })?;
    let mut entries = Vec::new();
    flatten("", table.get_ref(), &mut entries);
    let mut config = Config::default();
    for Entry { name, span, value } in entries {
        let line = line(span);
        let key = Key::named(&name).ok_or_else(|| FileError::Unknown {
            path: path.into(),
            line,
            nearest: nearest(&name),
            name: name.clone(),
        })?;
        let origin = Origin::File { path: path.into(), line };
        config.set(key, written(key.option(), value, &origin)?.into(), origin)?;
    }
    Ok(config)
}

/// A `fleet.toml` in which every option stands with its meaning and its default, commented out.
pub fn template() -> String {
    let mut text =
        String::from("# Fleet's configuration. Environment variables and options of the command line win.\n");
    let mut table = "";
    for option in &OPTIONS {
        let (own_table, name) = option.name.split_once('.').unwrap_or(("", option.name));
        if own_table != table {
            table = own_table;
            let _ = write!(text, "\n[{table}]\n");
        }
        let value = match option.kind {
            Kind::Number { .. } | Kind::Switch => option.default.to_owned(),
            _ => format!("{:?}", option.default),
        };
        let _ = write!(text, "\n# {}", sentence(option));
        let _ = write!(text, "\n# {name} ={}{value}\n", if value.is_empty() { "" } else { " " });
    }
    text
}

/// What an option means, with its unit and its variable.
fn sentence(option: &ConfigOption) -> String {
    let mut meaning = option.meaning.to_owned();
    if let Some(first) = meaning.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let unit = match option.kind {
        Kind::Number { unit, .. } if !unit.is_empty() => format!(", in {unit}"),
        Kind::Choice(words) => format!(" ({})", words.join(", ")),
        _ => String::new(),
    };
    format!("{meaning}{unit} [{}]", option.variable)
}

/// One `name = value`, its name with all tables around it.
struct Entry<'a> {
    name: String,
    span: Range<usize>,
    value: &'a DeValue<'a>,
}

/// The entries of `table` and of the tables in it; an unknown table is an entry itself, so that it is refused as one.
fn flatten<'a>(prefix: &str, table: &'a DeTable<'a>, entries: &mut Vec<Entry<'a>>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        let is_table = |option: &&ConfigOption| option.name.starts_with(&format!("{name}."));
        match Spanned::get_ref(value) {
            DeValue::Table(inner) if OPTIONS.iter().any(|option| is_table(&option)) => {
                flatten(&format!("{name}."), inner, entries);
            }
            value => entries.push(Entry { name, span: key.span(), value }),
        }
    }
}

/// The value as an environment variable would have it; a value of another type than the option's is refused.
fn written(option: &ConfigOption, value: &DeValue, origin: &Origin) -> Result<String, BadValue> {
    let refuse =
        |value: String| BadValue { origin: origin.clone(), name: option.name, wrong: option.kind.expectation(), value };
    match (value, option.kind) {
        (DeValue::Integer(number), Kind::Number { .. }) => Ok(number.to_string()),
        (DeValue::Boolean(on), Kind::Switch) => Ok(on.to_string()),
        (DeValue::String(text), Kind::Number { .. } | Kind::Switch) => Err(refuse(format!("`{:?}`", text.as_ref()))),
        (DeValue::String(text), _) => Ok(text.as_ref().into()),
        (DeValue::Integer(number), _) => Err(refuse(format!("`{number}`"))),
        (DeValue::Boolean(on), _) => Err(refuse(format!("`{on}`"))),
        (DeValue::Float(_), _) => Err(refuse("a number with a fraction".into())),
        (DeValue::Datetime(_), _) => Err(refuse("a date".into())),
        (DeValue::Array(_), _) => Err(refuse("a list".into())),
        (DeValue::Table(_), _) => Err(refuse("a table".into())),
    }
}

/// The known name, of an option or a `[table]`, that `name` is most like, if it is like any.
fn nearest(name: &str) -> Option<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    // Someone who forgot the table has the last part right, someone who forgot the unit its beginning.
    let likeness = |known: &str| {
        let lasts = (last(name), last(known));
        let begun = lasts.0.len() > 2 && lasts.1.starts_with(&lasts.0);
        strsim::normalized_damerau_levenshtein(name, known)
            .max(strsim::normalized_damerau_levenshtein(&lasts.0, &lasts.1) - 0.1)
            .max(if begun { LIKENESS_MIN } else { 0.0 })
    };
    let options = OPTIONS.iter().map(|option| (likeness(option.name), option.name.to_owned()));
    let tables = OPTIONS.iter().filter_map(|option| Some(option.name.split_once('.')?.0));
    let tables = tables.map(|table| (likeness(table), format!("[{table}]")));
    let near = options.chain(tables).filter(|(rate, _)| *rate >= LIKENESS_MIN);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn refusal(text: &str) -> String {
        let error = read_file(text, Path::new("fleet.toml")).expect_err(text);
        format!("{error} — {}", error.hint())
    }

    #[test]
    fn every_refusal_names_file_line_and_way_out() {
        let texts = [
            "agent = \"timmy\"\nboard = \n",
            "\n[remote]\nhots = \"h\"\n",
            "host = \"h\"\n",
            "[remot]\nhost = \"h\"\n",
            "zebra = 1\n",
            "remote = 1\n",
            "[agent]\nx = 1\n",
            "timeout-secs = \"15\"\n",
            "timeout-secs = 0\n",
            "board = \"dispatch.org\"\n",
            "board = [1]\n",
            "[policy]\nrequire-token = 1\n",
            "agent = \"a\"\nagent = \"b\"\n",
        ];
        let told: Vec<String> = texts.into_iter().map(refusal).collect();
        expect![[r#"
            fleet.toml:2: string values must be quoted, expected literal string — `fleet config template` prints every option with its meaning
            fleet.toml:3: there is no option `remote.hots` — did you mean `remote.host`?
            fleet.toml:1: there is no option `host` — did you mean `remote.host`?
            fleet.toml:1: there is no option `remot` — did you mean `[remote]`?
            fleet.toml:1: there is no option `zebra` — `fleet config template` prints every option with its meaning
            fleet.toml:1: there is no option `remote` — did you mean `[remote]`?
            fleet.toml:1: agent must be 1 to 32 of a-z, 0-9, `_` and `-`, and not human, system, fleet, gate, but it is a table — `fleet config template` prints every option with its meaning
            fleet.toml:1: timeout-secs must be a number of seconds from 1 to 86400, but it is `"15"` — `fleet config template` prints every option with its meaning
            fleet.toml:1: timeout-secs must be a number of seconds from 1 to 86400, but it is `0` — `fleet config template` prints every option with its meaning
            fleet.toml:1: board must be an absolute path, or one that begins with `~/`, but it is `dispatch.org` — `fleet config template` prints every option with its meaning
            fleet.toml:1: board must be an absolute path, or one that begins with `~/`, but it is a list — `fleet config template` prints every option with its meaning
            fleet.toml:2: policy.require-token must be true or false, but it is `1` — `fleet config template` prints every option with its meaning
            fleet.toml:2: duplicate key — `fleet config template` prints every option with its meaning
        "#]]
        .assert_eq(&(told.join("\n") + "\n"));
    }

    #[test]
    fn the_template_says_everything_and_changes_nothing() {
        let text = template();
        assert!(read_file(&text, Path::new("t")).expect("valid").settings.is_empty());
        let uncommented: String = text.lines().map(|line| format!("{}\n", uncomment(line))).collect();
        let set = read_file(&uncommented, Path::new("t")).expect("every default is a value");
        let expected: Vec<Key> = OPTIONS.iter().filter(|o| !o.default.is_empty()).map(|o| o.key).collect();
        assert_eq!(set.settings.keys().copied().collect::<Vec<_>>(), expected);
        for option in OPTIONS.iter().filter(|option| !option.default.is_empty()) {
            assert_eq!(set.text(option.key), Some(option.default));
        }
    }

    /// The line with its default in force; lines without one stay comments.
    fn uncomment(line: &str) -> &str {
        let is_setting = |rest: &&str| {
            rest.split_once(" = ")
                .is_some_and(|(name, value)| !name.contains(' ') && !value.is_empty() && value != "\"\"")
        };
        line.strip_prefix("# ").filter(is_setting).unwrap_or(line)
    }
}
