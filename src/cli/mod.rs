//! The program: arguments in, one request out, its reply printed.
//!
//! Each verb has a file in `commands` with its help, its arguments and its run. Verbs return what to print; `ui`
//! prints it; `reach` and `far` find the owner of the board, on this host or on another, and print nothing themselves.

mod commands;
mod fail;
mod far;
mod moment;
mod options;
mod parse;
mod reach;
mod remote;
mod task_text;
mod ui;

use clap::{CommandFactory as _, Parser, Subcommand};
use commands::{
    add, append, archive, attach, claim, completions, config, daemon, doctor, done, eval, events, fail as fail_verb,
    halt, list, log, man, note, peer, poll, release, renew, report, requeue, resume, show, skill, skip, status, verify,
    wait,
};
use fail::Refused;
use options::{GlobalOptions, Settings};
use std::process::ExitCode;
use ui::Outcome;

/// Share one task board between a person in Emacs and a fleet of agents
///
/// The board is an org file that a running Emacs keeps open. Every verb is one request to that Emacs; its exit code
/// says how it ended:
///
///   0 done            1 failed          2 wrong usage     3 not found, nothing to claim
///   4 conflict        5 halted          6 unreachable     7 denied
///   8 damaged board   9 configuration
#[derive(Debug, Parser)]
#[command(name = "fleet", version, verbatim_doc_comment, after_help = "Example:\n  fleet poll --agent timmy")]
struct Cli {
    #[command(flatten)]
    options: GlobalOptions,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Poll(poll::PollArgs),
    Claim(claim::ClaimArgs),
    Wait(wait::WaitArgs),
    Done(done::DoneArgs),
    Fail(fail_verb::FailArgs),
    Renew(renew::RenewArgs),
    Release(release::ReleaseArgs),
    Skip(skip::SkipArgs),
    Requeue(requeue::RequeueArgs),
    Add(add::AddArgs),
    Note(note::NoteArgs),
    Append(append::AppendArgs),
    Archive(archive::ArchiveArgs),
    Show(show::ShowArgs),
    List(list::ListArgs),
    Status(status::StatusArgs),
    Report(report::ReportArgs),
    Halt(halt::HaltArgs),
    Resume(resume::ResumeArgs),
    Log(log::LogArgs),
    Events(events::EventsArgs),
    Verify(verify::VerifyArgs),
    Eval(eval::EvalArgs),
    Attach(attach::AttachArgs),
    Config(config::ConfigArgs),
    Doctor(doctor::DoctorArgs),
    Daemon(daemon::DaemonArgs),
    Peer(peer::PeerArgs),
    Skill(skill::SkillArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the program with the process's arguments and environment, as `fleet` or as `fleet-append`.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let ran = match append::is_wrapper(arguments.first().map(|name| name.as_os_str())) {
        true => append::Wrapper::try_parse_from(&arguments).map(|wrapper| {
            let (options, words) = wrapper.take_apart();
            (options.json, append_words(options, &words))
        }),
        false => Cli::try_parse_from(&arguments).map(|cli| (cli.options.json, cli.run())),
    };
    match ran {
        Ok((json, result)) => ui::print(result, json),
        Err(error) => ui::print_usage(&error, arguments.iter().any(|a| a == "--json")),
    }
}

fn append_words(options: GlobalOptions, words: &[String]) -> Result<Outcome, Refused> {
    let mut settings = Settings::resolve(options, |name| std::env::var_os(name))?;
    settings.check_host()?;
    append::run_wrapper(words, &mut settings)
}

impl Cli {
    fn run(self) -> Result<Outcome, Refused> {
        let settings = Settings::resolve(self.options, |name| std::env::var_os(name));
        let settings = match (settings, &self.verb) {
            // What stops every other verb is what this one is asked about.
            (Err(failure), Verb::Doctor(args)) => return doctor::run(args, Err(&failure)),
            (settings, _) => settings?,
        };
        let asks_nobody =
            matches!(self.verb, Verb::Config(_) | Verb::Peer(_) | Verb::Skill(_) | Verb::Completions(_) | Verb::Man(_));
        if !asks_nobody {
            settings.check_host()?;
        }
        match self.verb {
            Verb::Poll(args) => poll::run(args, &settings),
            Verb::Claim(args) => claim::run(args, &settings),
            Verb::Wait(args) => wait::run(args, &settings),
            Verb::Done(args) => done::run(args, &settings),
            Verb::Fail(args) => fail_verb::run(args, &settings),
            Verb::Renew(args) => renew::run(args, &settings),
            Verb::Release(args) => release::run(args, &settings),
            Verb::Skip(args) => skip::run(args, &settings),
            Verb::Requeue(args) => requeue::run(args, &settings),
            Verb::Add(args) => add::run(args, &settings),
            Verb::Note(args) => note::run(args, &settings),
            Verb::Append(args) => append::run(args, &settings),
            Verb::Archive(args) => archive::run(args, &settings),
            Verb::Show(args) => show::run(args, &settings),
            Verb::List(args) => list::run(args, &settings),
            Verb::Status(args) => status::run(args, &settings),
            Verb::Report(args) => report::run(args, &settings),
            Verb::Halt(args) => halt::run(&args, &settings),
            Verb::Resume(args) => resume::run(&args, &settings),
            Verb::Log(args) => log::run(args, &settings),
            Verb::Events(args) => events::run(&args, &settings),
            Verb::Verify(args) => verify::run(args, &settings),
            Verb::Eval(args) => eval::run(args, &settings),
            Verb::Attach(args) => attach::run(args, &settings),
            Verb::Config(args) => config::run(&args, &settings),
            Verb::Doctor(args) => doctor::run(&args, Ok(&settings)),
            Verb::Daemon(args) => daemon::run(args, &settings),
            Verb::Peer(args) => peer::run(args, &settings),
            Verb::Skill(args) => skill::run(args, &settings),
            Verb::Completions(args) => completions::run(&args, Cli::command()),
            Verb::Man(args) => man::run(&args, Cli::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of an example line; double quotes hold blanks together.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (n, part) in line.split('"').enumerate() {
            match n % 2 {
                0 => words.extend(part.split_whitespace().map(String::from)),
                _ => words.push(part.into()),
            }
        }
        words
    }

    fn check_examples(command: &clap::Command, path: &str) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<_> = help.lines().filter_map(|l| l.strip_prefix("  fleet ")).collect();
        assert!(!examples.is_empty(), "the help of `{path}` ends without example");
        for example in examples {
            let full = format!("fleet {example}");
            assert!(full.starts_with(path), "`{full}` is no example of `{path}`");
            if let Err(e) = Cli::try_parse_from(words(&full)) {
                panic!("{full}: {e}");
            }
        }
        for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
            check_examples(sub, &format!("{path} {}", sub.get_name()));
        }
    }

    #[test]
    fn every_help_ends_with_an_example_that_parses() {
        Cli::command().debug_assert();
        check_examples(&Cli::command(), "fleet");
    }

    #[test]
    fn every_option_and_argument_is_explained() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no description", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {} is not explained", command.get_name(), arg.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
