//! `fleet verify`: the journal checked from end to end, and the board's file against it. Changes nothing.

use crate::{
    cli::{fail::Refused, options::Settings, ui::Outcome},
    core::code::Code,
    engine::verify::{self, Anchor},
};
use serde_json::json;

/// Check the journal from end to end, and the board against it
///
/// Reads only, and takes no lock: it works while Emacs serves the board, and without. Exit code 0: sound, though a person
/// may have edited the file since it was saved; 4: the file is as it was saved, but shows other tasks or states than the
/// journal; 8: the journal is damaged, or is not the one that the anchor was noted of.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet verify")]
pub struct VerifyArgs {
    /// Make sure that the journal still holds the record that an earlier run printed as its anchor
    #[arg(long, value_name = "HASH@NUMBER")]
    against: Option<Anchor>,
}

/// Reads and reports.
pub fn run(args: VerifyArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_this_host("verify")?;
    let report = verify::run(&settings.board, args.against.as_ref())?;
    let is_sound = report.code() == Code::Ok;
    let json = json!({ "v": 1, "ok": is_sound, "verify": &report });
    Ok(Outcome::value(json, report.to_string()).with_code(report.code()))
}
