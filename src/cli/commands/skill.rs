//! `fleet skill`: the page that is handed to an agent, so that it can work with the board without asking.

use crate::cli::{fail::Refused, options::Settings, ui::Outcome};
use serde_json::json;

/// The page; the names in double braces are filled in.
const PAGE: &str = include_str!("../../../share/skill/SKILL.md");
/// Who the page speaks to when no agent is named.
const SOMEBODY: &str = "your-name";

/// Print a SKILL.md that tells an agent how to work with the board
///
/// With --agent, or FLEET_AGENT, its commands carry that name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet skill --agent timmy")]
pub struct SkillArgs {}

/// Prints the page.
pub fn run(_: SkillArgs, settings: &Settings) -> Result<Outcome, Refused> {
    let agent = settings.agent.as_ref().map_or(SOMEBODY, |agent| agent.as_str());
    let page = PAGE.replace("{{agent}}", agent).replace("{{version}}", env!("CARGO_PKG_VERSION"));
    Ok(Outcome::value(json!({ "v": 1, "ok": true, "skill": page }), page))
}
