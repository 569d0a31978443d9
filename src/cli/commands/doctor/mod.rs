//! `fleet doctor`: everything that must hold for a board to be worked on, looked at from outside.
//!
//! Each check gives findings; nothing here changes anything but [`finding::Cure`], and that only when asked to.

mod far;
mod finding;
mod owner;
mod place;
mod program;

use crate::{
    cli::{fail::Refused, options::Settings, ui::Outcome},
    core::wire::Failure,
};
use finding::{Finding, Verdict};
use serde_json::json;
use std::thread;

/// Check everything that Fleet needs, and name the way out of what is wrong
///
/// Looks at the configuration, the Emacs and the module that would be started, the board, its state directory, disk and
/// clock, and at the owner that runs. Exit code 0 means that nothing is broken; else it is the code of the first finding
/// that is. Warnings do not count.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet doctor --fix")]
pub struct DoctorArgs {
    /// Mend what can be mended without asking: modes of Fleet's own files, notes of owners that are dead
    #[arg(long)]
    fix: bool,
}

/// Checks and prints what was found; a configuration that cannot be read is the only finding then.
pub fn run(args: &DoctorArgs, settings: Result<&Settings, &Failure>) -> Result<Outcome, Refused> {
    let findings = match settings {
        Ok(settings) => examine(settings),
        Err(failure) => vec![Finding::of_failure("config", failure)],
    };
    let findings: Vec<Finding> = if args.fix { findings.into_iter().map(Finding::mended).collect() } else { findings };
    Ok(outcome(&findings))
}

/// All checks, of a board on another host those that can be made from here. Emacs, which takes longest to answer, is asked while the rest is looked at.
fn examine(settings: &Settings) -> Vec<Finding> {
    if let Some(remote) = &settings.remote {
        return program::config(settings).into_iter().chain(far::board(settings, remote)).collect();
    }
    thread::scope(|scope| {
        let emacs = scope.spawn(|| program::emacs(settings));
        let mut findings = program::config(settings);
        let mut rest = program::client();
        rest.extend(place::board(settings));
        rest.extend(owner::owner(settings));
        findings.extend(emacs.join().unwrap_or_else(|_| vec![Finding::warning("emacs", "the check itself failed")]));
        findings.extend(rest);
        findings
    })
}

fn outcome(findings: &[Finding]) -> Outcome {
    let broken = findings.iter().find_map(Finding::code);
    let count = |verdict: fn(&Verdict) -> bool| findings.iter().filter(|f| verdict(&f.verdict)).count();
    let (warnings, failures) = (count(|v| matches!(v, Verdict::Warning)), count(|v| matches!(v, Verdict::Broken(_))));
    let mut text: String = findings.iter().map(Finding::text).collect();
    text.push_str(&match (failures, warnings) {
        (0, 0) => "all is well\n".into(),
        (0, warnings) => format!("{warnings} to look at, nothing broken\n"),
        (failures, warnings) => format!("{failures} broken, {warnings} to look at\n"),
    });
    let checks: Vec<_> = findings.iter().map(Finding::json).collect();
    let outcome = Outcome::value(json!({ "v": 1, "ok": broken.is_none(), "checks": checks }), text);
    match broken {
        Some(code) => outcome.with_code(code),
        None => outcome,
    }
}
