//! `fleet eval`: any Lisp in the Emacs behind the board; the one verb that is not a request to the board.

use crate::{
    adapters::emacsclient::{self, EmacsError},
    cli::{
        fail::{Refused, usage},
        far,
        options::Settings,
        ui::Outcome,
    },
    core::{code::Code, wire::Failure},
};

/// Evaluate one Lisp form in the Emacs that holds the board
///
/// The form may do anything that Emacs may: this verb is for people and keys that are trusted with everything.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet eval \"(emacs-pid)\"")]
pub struct EvalArgs {
    /// The form
    form: String,
}

/// Evaluates and prints the value as Lisp prints it.
pub fn run(args: EvalArgs, settings: &Settings) -> Result<Outcome, Refused> {
    if settings.offline {
        return Err(usage("needs-emacs", "eval needs a running Emacs; --offline has none").into());
    }
    let value = match &settings.remote {
        Some(remote) => far::eval(remote, settings, &args.form)?,
        None => emacsclient::eval(&settings.emacs_socket()?, &args.form, settings.timeout).map_err(failure)?,
    };
    Ok(Outcome::value(serde_json::json!({ "v": 1, "ok": true, "value": value }), value))
}

fn failure(error: EmacsError) -> Failure {
    let message = error.to_string();
    match error {
        EmacsError::Lisp(_) => Failure::new(Code::General, "lisp-error", message),
        EmacsError::TooLarge(_) | EmacsError::Nul => Failure::new(Code::Usage, "bad-form", message),
        EmacsError::Start(_) | EmacsError::NoServer(_) => Failure::new(Code::Unreachable, "no-emacs", message)
            .hint("start Emacs with `fleet daemon start`, or name its socket with --socket"),
        EmacsError::TimedOut(_) | EmacsError::Garbled(_) => {
            Failure::new(Code::Unreachable, "outcome-unknown", format!("outcome unknown: {message}"))
        }
    }
}
