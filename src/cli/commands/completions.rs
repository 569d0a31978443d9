//! `fleet completions`: what a shell needs to complete the verbs and options of this very version.

use crate::cli::{fail::Refused, ui::Outcome};
use clap::Command;
use clap_complete::Shell;
use serde_json::json;

/// Print the completions for a shell
///
/// `make install` puts those of bash, zsh and fish where these shells look.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet completions bash")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for `program`.
pub fn run(args: &CompletionsArgs, mut program: Command) -> Result<Outcome, Refused> {
    let mut script = Vec::new();
    let name = program.get_name().to_owned();
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(Outcome::value(json!({ "v": 1, "ok": true, "script": script }), script))
}
