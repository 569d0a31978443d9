//! `fleet man`: manual pages, made from the same words as the help texts.

use crate::{
    cli::{fail::Refused, ui::Outcome},
    core::{
        code::Code,
        config::{ConfigOption, OPTIONS},
        wire::Failure,
    },
};
use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use serde_json::json;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// What a running `fleet` looks at in its environment beside the options of the configuration.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("FLEET_CONFIG", "the configuration file"),
    ("FLEET_MODULE", "the file of the Emacs module, where it does not lie beside the Lisp files"),
];
/// What lies on the disk; the state of a board beside it.
const FILES: [(&str, &str); 6] = [
    ("~/.config/fleet/fleet.toml", "the configuration; fleet config template prints one"),
    ("/etc/fleet/fleet.toml", "the configuration of those who have none of their own"),
    (".fleet/dispatch.org/journal.jsonl", "the journal of the board dispatch.org: everything that the fleet did"),
    (".fleet/dispatch.org/owner", "how to reach the Emacs that owns the board"),
    (".fleet/dispatch.org/lock", "the lock of that owner; never remove it"),
    (".fleet/dispatch.org/daemon.log", "what an Emacs started by fleet daemon start printed"),
];

/// Write the manual pages, or print the first
///
/// One page for the program and one for each verb: fleet.1, fleet-poll.1 and so on. `make install` puts them where
/// man(1) looks.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet man")]
pub struct ManArgs {
    /// The directory to write all pages into; without it, fleet(1) is printed
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Prints the page of `program`, or writes all pages.
pub fn run(args: &ManArgs, program: Command) -> Result<Outcome, Refused> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let Some(directory) = &args.directory else {
        let page = page(&program).map_err(|e| cannot_write(Path::new("the page"), &e))?;
        return Ok(Outcome::value(json!({ "v": 1, "ok": true, "page": page }), page));
    };
    fs::create_dir_all(directory).map_err(|e| cannot_write(directory, &e))?;
    let mut written = Vec::new();
    for command in with_verbs(&program) {
        let path = directory.join(file_name(command));
        let page = page(command).map_err(|e| cannot_write(&path, &e))?;
        fs::write(&path, page).map_err(|e| cannot_write(&path, &e))?;
        written.push(path.display().to_string());
    }
    let text = written.join("\n");
    Ok(Outcome::value(json!({ "v": 1, "ok": true, "files": written }), text))
}

/// `command` and everything below it.
fn with_verbs(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|verb| !verb.is_hide_set()).flat_map(with_verbs);
    [command].into_iter().chain(below).collect()
}

fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn file_name(command: &Command) -> String {
    format!("{}.1", page_name(command))
}

fn page(command: &Command) -> io::Result<String> {
    let source = format!("fleet {}", env!("CARGO_PKG_VERSION"));
    let name = page_name(command);
    let man = Man::new(command.clone()).title(name.to_uppercase()).source(source).manual("Fleet");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    description(command).to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    closing(command).to_writer(&mut page)?;
    page.flush()?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn description(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    for paragraph in about.split("\n\n") {
        roff.control("PP", []);
        lines(&mut roff, paragraph);
    }
    roff
}

/// What all pages end with.
fn closing(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for code in Code::ALL {
        entry(&mut roff, &code.exit().to_string(), code.meaning());
    }
    roff.control("SH", ["ENVIRONMENT"]);
    OPTIONS.iter().for_each(|option| entry(&mut roff, option.variable, &option_meaning(option)));
    ENVIRONMENT.iter().for_each(|(name, meaning)| entry(&mut roff, name, meaning));
    roff.control("SH", ["FILES"]);
    FILES.iter().for_each(|(name, meaning)| entry(&mut roff, name, meaning));
    roff.control("SH", ["EXAMPLES"]);
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    lines(&mut roff, help.strip_prefix("Example:\n").unwrap_or(&help));
    roff.control("SH", ["SEE ALSO"]);
    let others: Vec<_> = see_also(command).into_iter().map(|page| format!("{page}(1)")).collect();
    roff.text([roman(others.join(", "))]);
    roff
}

/// The pages around the one of `command`: what lies above it and what lies below.
fn see_also(command: &Command) -> Vec<String> {
    let name = page_name(command);
    let above = name.match_indices('-').map(|(at, _)| name[..at].to_owned());
    let below = command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(|verb| page_name(verb).to_owned());
    let mut pages: Vec<String> = above.chain(below).collect();
    pages.push("emacsclient".into());
    pages
}

/// What an option of the configuration means, with its name there and its default.
fn option_meaning(option: &ConfigOption) -> String {
    let default = if option.default.is_empty() { "none".into() } else { format!("`{}`", option.default) };
    format!("{} (in fleet.toml: {}; default: {default})", option.meaning, option.name)
}

fn entry(roff: &mut Roff, name: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(meaning)]);
}

/// Text of a help: indented lines stand as they are, the others are filled.
fn lines(roff: &mut Roff, text: &str) {
    let mut is_verbatim = false;
    for line in text.lines() {
        if line.starts_with("  ") != is_verbatim {
            is_verbatim = !is_verbatim;
            roff.control(if is_verbatim { "nf" } else { "fi" }, []);
        }
        roff.text([roman(line)]);
    }
    if is_verbatim {
        roff.control("fi", []);
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::General, "cannot-write", format!("cannot write {}: {error}", path.display()))
}
