//! Our reading of org against org-element's own, headline by headline, with the Org that Emacs brings along.
//!
//! Where the versions of Org disagree we do not always follow the one at hand; each such difference has a name here,
//! says exactly what the older Org reads instead, and must still occur in the boards, or it is struck from the list.

use fleet::core::org::{self, Heading, KeywordKind, Keywords, Settings, Span, safe};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is read in one file.
#[derive(Debug, PartialEq, Deserialize)]
struct Dump {
    todo: Vec<String>,
    done: Vec<String>,
    filetags: Vec<String>,
    log_drawer: bool,
    log_done: bool,
    headlines: Vec<Head>,
    logged: Option<String>,
}

/// What is read in one headline and the metadata under it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Head {
    offset: usize,
    level: u16,
    keyword: Option<String>,
    kind: Option<String>,
    priority: Option<String>,
    commented: bool,
    title: String,
    tags: Vec<String>,
    closed: Option<String>,
    deadline: Option<String>,
    scheduled: Option<String>,
    properties: Vec<(String, Option<String>)>,
}

/// How Org 9.5 reads a headline that newer versions, and the rest of Org 9.5, read as we do.
struct Difference {
    name: &'static str,
    in_9_5: fn(&Head, &str) -> Option<Head>,
}

const DIFFERENCES: [Difference; 5] = [
    // Since 9.7, and for `org-todo` always, a keyword may end the line.
    Difference {
        name: "a keyword at the end of the line is part of the title",
        in_9_5: |head, line| {
            let word = head.keyword.as_ref().filter(|word| line.ends_with(word.as_str()))?;
            Some(Head { keyword: None, kind: None, title: word.clone(), ..head.clone() })
        },
    },
    // Since 9.6 COMMENT is a word of its own.
    Difference {
        name: "every word that begins with COMMENT comments the heading out",
        in_9_5: |head, _| {
            let rest = head.title.strip_prefix("COMMENT").filter(|_| !head.commented)?;
            Some(Head { commented: true, title: rest.trim_start().into(), ..head.clone() })
        },
    },
    // `org-priority` always, and org-element since 9.8, read numbers up to 64.
    Difference {
        name: "a priority of two digits is part of the title",
        in_9_5: |head, _| {
            let number = head.priority.as_ref().filter(|number| number.len() == 2)?;
            Some(Head { priority: None, title: format!("[#{number}] {}", head.title), ..head.clone() })
        },
    },
    // `org-get-tags`, and with it every search and the agenda, sees them.
    Difference {
        name: "tags right after keyword or priority are the title",
        in_9_5: |head, _| {
            let bare = head.title.is_empty() && !head.tags.is_empty();
            bare.then(|| Head { title: format!(":{}:", head.tags.join(":")), tags: vec![], ..head.clone() })
        },
    },
    // `org-entry-get` and the agenda do not care about the case of the word.
    Difference {
        name: "planning words in lower case are all read as CLOSED",
        in_9_5: |head, _| {
            let stamp = head.deadline.as_ref().or(head.scheduled.as_ref())?;
            Some(Head { closed: Some(stamp.clone()), deadline: None, scheduled: None, ..head.clone() })
        },
    },
];

#[test]
fn awkward_boards_are_read_as_org_reads_them() {
    let boards = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/boards");
    let mut files: Vec<_> =
        boards.read_dir().expect("the boards are there").map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    assert!(files.len() >= 25);
    let (_, seen) = compare(&files);
    for difference in &DIFFERENCES {
        assert!(seen.contains_key(difference.name), "no board shows any more that {}", difference.name);
    }
}

#[test]
fn installed_org_files_are_read_as_org_reads_them() {
    let data = emacs(&["--eval", "(princ (expand-file-name \"..\" data-directory))"]);
    let mut files = Vec::new();
    find_texts(Path::new(data.trim()), &mut files);
    files.retain(|path| std::fs::read_to_string(path).is_ok());
    let (headlines, seen) = compare(&files);
    println!("compared {headlines} headlines of {} installed files; known differences: {seen:?}", files.len());
}

#[test]
fn text_made_safe_is_no_structure_to_org() {
    let hostile = [
        "* x",
        "** x",
        "*",
        "#+TODO: A | B",
        "  #+begin_src sh",
        "#+end_src",
        ":PROPERTIES:",
        ":ID: forged",
        ":END:",
        "DEADLINE: <2026-01-01 Thu>",
        "closed: [2026-01-01]",
        "CLOCK: [2026-01-01]",
        "<2026-01-01>",
        "<%%(t)>",
        "[#A] x",
        "x [#A] y",
        "COMMENT x",
        "COMMENTED",
        "x :tag:",
        "x:tag:",
        ":tag:",
        "[1/2] x",
        "x [50%]",
        "DONE x",
        "%%(t)",
        "\\begin{x}",
        "[fn:1] x",
        "x :a: :b:",
        "* x\n:PROPERTIES:\n:ID: y\n:END:\n",
        "a\r* b",
        "\u{85}* c",
        "a\u{2028}* d",
    ];
    let settings = Settings::default();
    let mut board = String::new();
    let mut titles = Vec::new();
    for text in hostile {
        let title = safe::title(text).unwrap_or_else(|_| "refused".into());
        let section = format!("* PENDING {title} :timmy:\n{}\n", safe::text(text));
        let mut draft = org::Draft::new(&section, &settings);
        draft.set_property("RESULT", &safe::line(text));
        draft.log(&safe::text(text), "nowhere");
        board.push_str(draft.text());
        titles.push((title, safe::line(text)));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("safe.org");
    std::fs::write(&file, &board).expect("a file");
    let dump = dump(&[file]).remove(0);
    assert_eq!((dump.todo, dump.done), (settings.keywords.todo.clone(), settings.keywords.done.clone()));
    assert_eq!(dump.headlines.len(), titles.len());
    for (head, (title, result)) in dump.headlines.into_iter().zip(titles) {
        let plain = Head {
            offset: head.offset,
            level: 1,
            keyword: Some("PENDING".into()),
            kind: Some("todo".into()),
            priority: None,
            commented: false,
            title,
            tags: vec!["timmy".into()],
            closed: None,
            deadline: None,
            scheduled: None,
            properties: vec![("RESULT".into(), Some(result))],
        };
        assert_eq!(head, plain);
    }
}

/// Compares every file; returns how many headlines there were, and how often each known difference showed.
fn compare(files: &[PathBuf]) -> (usize, BTreeMap<&'static str, usize>) {
    let (mut count, mut seen) = (0, BTreeMap::new());
    for (file, theirs) in files.iter().zip(dump(files)) {
        let text = std::fs::read_to_string(file).expect("a readable file");
        let mut ours = read(&text);
        count += ours.headlines.len();
        for (head, their) in ours.headlines.iter_mut().zip(&theirs.headlines) {
            let line = text[head.offset..].lines().next().unwrap_or("");
            for difference in DIFFERENCES.iter().filter(|_| *head != *their) {
                if let Some(older) = (difference.in_9_5)(head, line).filter(|older| older == their) {
                    *seen.entry(difference.name).or_default() += 1;
                    *head = older;
                    break;
                }
            }
            assert_eq!(head, their, "left ours, right org's, in {}: {line:?}", file.display());
        }
        ours.logged = theirs.logged.as_ref().map(|_| logged(&text));
        let logged = theirs.logged.as_deref().map(unindented);
        assert_eq!(ours.logged.as_deref().map(unindented), logged, "left ours, right org's, in {}", file.display());
        ours.logged = theirs.logged.clone();
        assert_eq!(ours, theirs, "left ours, right org's, in {}", file.display());
    }
    (count, seen)
}

/// The text with an entry in the log of every heading.
fn logged(text: &str) -> String {
    let settings = Settings::read(text);
    let add = |section: &str| {
        let mut draft = org::Draft::new(section, &settings);
        draft.log("entry", "nowhere");
        draft.text().to_owned()
    };
    org::sections(text).map(add).collect()
}

/// The lines without their indentation, which is a matter of `org-adapt-indentation`.
fn unindented(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_start).collect()
}

fn read(text: &str) -> Dump {
    let settings = Settings::read(text);
    let mut offset = 0;
    let mut headlines = Vec::new();
    for section in org::sections(text) {
        let heading = Heading::read(section, &settings.keywords);
        if heading.level > 0 {
            headlines.push(head(offset, section, &heading));
        }
        offset += section.len();
    }
    Dump {
        todo: settings.keywords.todo.iter().filter(|word| !settings.keywords.done.contains(word)).cloned().collect(),
        done: settings.keywords.done,
        filetags: settings.filetags,
        log_drawer: settings.log_drawer.is_some(),
        log_done: settings.log_done,
        headlines,
        logged: None,
    }
}

fn head(offset: usize, section: &str, heading: &Heading) -> Head {
    let owned = |span: Option<Span>| span.map(|span| span.of(section).to_owned());
    let planning = heading.planning.clone().unwrap_or_default();
    let entries = heading.drawer.iter().flat_map(|drawer| &drawer.entries);
    Head {
        offset,
        level: heading.level,
        keyword: owned(heading.keyword),
        kind: heading.kind.map(|kind| if kind == KeywordKind::Todo { "todo" } else { "done" }.into()),
        priority: owned(heading.priority).map(|cookie| cookie[2..cookie.len() - 1].to_owned()),
        commented: heading.commented,
        title: heading.title.of(section).into(),
        tags: heading.own_tags(section).map(str::to_owned).collect(),
        closed: owned(planning.closed),
        deadline: owned(planning.deadline),
        scheduled: owned(planning.scheduled),
        properties: entries.map(|entry| (entry.key.of(section).into(), Some(entry.value.of(section).into()))).collect(),
    }
}

fn dump(files: &[PathBuf]) -> Vec<Dump> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/org-dump.el");
    let mut arguments = vec!["-l", script.to_str().expect("a path in UTF-8")];
    arguments.extend(files.iter().map(|file| file.to_str().expect("a path in UTF-8")));
    let output = emacs(&arguments);
    let dumps: Vec<Dump> =
        output.lines().map(|line| serde_json::from_str(line).expect("the script prints this form")).collect();
    assert_eq!(dumps.len(), files.len());
    dumps
}

/// Runs Emacs with nothing of the person's around it and returns what it prints.
fn emacs(arguments: &[&str]) -> String {
    let home = tempfile::tempdir().expect("a directory");
    let output = Command::new("emacs")
        .args(["--batch", "-Q"])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("emacs is needed for this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Org files below `directory`, and the NEWS files there, which are org in all but name.
fn find_texts(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = directory.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() {
            find_texts(&path, found);
        } else if path.is_file() && (name.ends_with(".org") || name == "ORG-NEWS" || name.starts_with("NEWS")) {
            found.push(path);
        }
    }
}

#[test]
fn boards_without_a_todo_line_use_the_keywords_of_the_fleet() {
    assert_eq!(Settings::read("* PENDING x\n").keywords, Keywords::fleet());
}
