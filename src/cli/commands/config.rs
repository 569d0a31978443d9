//! `fleet config`: what the program would do, and where it was told so.

use crate::{
    cli::{fail::Refused, options::Settings, ui::Outcome},
    core::config::{self, ConfigOption, OPTIONS},
};
use serde_json::{Value, json};

/// Show the configuration, or print one to begin with
///
/// What counts comes from the command line, else from the environment, else from fleet.toml, else it is the default.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet config show")]
pub struct ConfigArgs {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Print every option, its value, and where that comes from
    #[command(after_help = "Example:\n  fleet config show --json")]
    Show,
    /// Print a fleet.toml that explains every option and changes none
    #[command(after_help = "Example:\n  fleet config template")]
    Template,
}

/// Does what the order says.
pub fn run(args: &ConfigArgs, settings: &Settings) -> Result<Outcome, Refused> {
    Ok(match args.order {
        Order::Show => show(settings),
        Order::Template => {
            let text = config::template();
            Outcome::value(json!({ "v": 1, "ok": true, "template": text }), text)
        }
    })
}

fn show(settings: &Settings) -> Outcome {
    let rows: Vec<[String; 3]> = OPTIONS.iter().map(|option| row(option, settings)).collect();
    let mut widths = [0; 2];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let [name_width, value_width] = widths;
    let line = |[name, value, origin]: &[String; 3]| format!("{name:name_width$}  {value:value_width$}  {origin}\n");
    let options: Vec<Value> = OPTIONS.iter().map(|option| told(option, settings)).collect();
    Outcome::value(json!({ "v": 1, "ok": true, "options": options }), rows.iter().map(line).collect::<String>())
}

/// Name, value and source; an option that nobody set and that has no default shows a dash.
fn row(option: &ConfigOption, settings: &Settings) -> [String; 3] {
    let (value, origin) = match settings.config.setting(option.key) {
        Some(setting) => (setting.value.to_string_lossy().into_owned(), setting.origin.to_string()),
        None => ("-".into(), "not set".into()),
    };
    [option.name.into(), value, origin]
}

fn told(option: &ConfigOption, settings: &Settings) -> Value {
    let setting = settings.config.setting(option.key);
    json!({
        "name": option.name,
        "variable": option.variable,
        "value": setting.map(|setting| setting.value.to_string_lossy()),
        "origin": setting.map(|setting| setting.origin.to_string()),
    })
}
