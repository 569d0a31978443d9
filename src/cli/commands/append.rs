//! `fleet append`, and `fleet-append`, its short form: a message of an agent on the board, not about a task.

use crate::{
    cli::{
        fail::{Refused, usage},
        options::{GlobalOptions, Settings},
        ui::Outcome,
    },
    core::{
        id::AgentName,
        wire::{Call, Failure},
    },
};
use std::{env, ffi::OsStr, path::Path};

/// The name under which the program is the short form.
pub const WRAPPER: &str = "fleet-append";

/// Append a status message to the board
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet append \"Deployed v2.3 to staging\" --agent timmy")]
pub struct AppendArgs {
    /// The message
    text: String,
}

/// Append a status message to the board
///
/// Short for `fleet append`. Several words are joined by blanks; options stand before the first one. The agent is
/// --agent, else FLEET_AGENT, else the login name.
#[derive(Debug, clap::Parser)]
#[command(name = WRAPPER, version, after_help = "Example:\n  fleet-append Deployed v2.3 to staging")]
pub struct Wrapper {
    #[command(flatten)]
    pub options: GlobalOptions,
    /// The message
    #[arg(required = true, trailing_var_arg = true, value_name = "MESSAGE")]
    words: Vec<String>,
}

/// Whether the program was called by the name of the short form.
pub fn is_wrapper(program: Option<&OsStr>) -> bool {
    program.and_then(|program| Path::new(program).file_name()).is_some_and(|name| name == WRAPPER)
}

/// Sends the message.
pub fn run(args: AppendArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let reply = settings.ask(Call::Append { text: args.text })?;
    Ok(Outcome::of(&reply, "appended"))
}

/// Sends the words, as the login name where no agent is named.
pub fn run_wrapper(words: &[String], settings: &mut Settings) -> Result<Outcome, Refused> {
    if settings.agent.is_none() {
        let login =
            ["LOGNAME", "USER"].into_iter().find_map(|name| env::var(name).ok().filter(|name| !name.is_empty()));
        settings.agent = Some(agent_of(login.as_deref())?);
    }
    run(AppendArgs { text: words.join(" ") }, settings)
}

impl Wrapper {
    /// What the command line asks for: the options of every verb, and the words.
    pub fn take_apart(self) -> (GlobalOptions, Vec<String>) {
        (self.options, self.words)
    }
}

/// The agent that the login name stands for.
fn agent_of(login: Option<&str>) -> Result<AgentName, Failure> {
    let hint = "name yourself with --agent NAME or FLEET_AGENT";
    let login = login.ok_or_else(|| usage("no-agent", "no agent is named, and no login name is known").hint(hint))?;
    AgentName::new(login).map_err(|error| {
        usage("no-agent", format!("no agent is named, and the login name is none: {error}")).hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_of_the_name_decides_what_the_program_is() {
        let called = |name: &str| is_wrapper(Some(OsStr::new(name)));
        assert!(called("fleet-append") && called("/usr/local/bin/fleet-append") && called("./fleet-append"));
        assert!(!called("fleet") && !called("/opt/fleet-append/fleet") && !called("fleet-append.old"));
        assert!(!is_wrapper(None));
    }

    #[test]
    fn a_login_name_is_an_agent_only_if_it_could_be_given_as_one() {
        assert_eq!(agent_of(Some("timmy")).expect("a name").as_str(), "timmy");
        for login in [None, Some("Timmy Time"), Some("human"), Some("-n")] {
            let failure = agent_of(login).expect_err("no agent");
            assert_eq!((failure.code.exit(), failure.reason.as_str()), (2, "no-agent"), "{login:?}");
            assert!(failure.hint.is_some_and(|hint| hint.contains("FLEET_AGENT")));
        }
    }
}
