//! `fleet log --follow`: what is there, and then each event as it becomes durable.
//!
//! The journal's file says when a look is worth while; what there is to see only the board's owner says, asked for the
//! events after the last one seen. So none is lost and none comes twice, whatever the file or the owner do meanwhile.

use super::{LogArgs, table::Table};
use crate::{
    adapters::{
        owner,
        watch::{Watch, Woken},
    },
    cli::{
        fail::{Refused, usage},
        options::Settings,
        ui::{self, Outcome},
    },
    core::{
        code::Code,
        config::Key,
        wire::{Failure, Reply},
    },
};
use serde_json::Value;
use std::time::Duration;

/// Seconds after which the owner is asked again although nothing was seen to happen.
pub const FOLLOW_EVERY_SECS: u64 = 2;
/// Events in one answer.
pub(super) const FOLLOW_EVENTS_MAX: u32 = 500;

/// Prints until nobody reads it, or with arguments that do not follow until there is no more; with `json` a line for each
/// event.
pub fn run(args: &LogArgs, json: bool, settings: &Settings) -> Result<Outcome, Refused> {
    if args.follow && settings.offline {
        return Err(usage("needs-emacs", "--follow needs a running Emacs; --offline has none").into());
    }
    // Watched before the first question: what comes after its answer is seen.
    let watch = watch(settings);
    let reply = settings.ask(args.call(args.after, args.limit))?;
    let mut printer = Printer { json, table: Table::new(args.long) };
    let mut seen = match args.after {
        // It counted from there, so there may be more than one answer.
        Some(after) => last_of(&reply).unwrap_or(after),
        None => reply.number.or(last_of(&reply)).unwrap_or_default(),
    };
    let mut goes_on = printer.print(&reply)?;
    let mut is_gone = false;
    while goes_on {
        match settings.ask(args.call(Some(seen), Some(FOLLOW_EVENTS_MAX))) {
            Ok(reply) => {
                if std::mem::take(&mut is_gone) {
                    ui::tell("fleet: the owner of the board is back");
                }
                goes_on = printer.print(&reply)?;
                if let Some(last) = last_of(&reply) {
                    seen = last;
                    continue;
                }
                seen = caught_up(seen, &reply);
            }
            Err(refused) if args.follow && may_come_back(refused.failure()) => {
                if !std::mem::replace(&mut is_gone, true) {
                    ui::tell(&format!("fleet: waiting for the owner of the board: {}", refused.failure().message));
                }
            }
            Err(refused) => return Err(refused),
        }
        goes_on &= args.follow && watch.wait(Duration::from_secs(FOLLOW_EVERY_SECS)) == Woken::Look;
    }
    Ok(Outcome::nothing())
}

/// Eyes on the state directory; on nothing where the board is another host's.
fn watch(settings: &Settings) -> Watch {
    let is_here = settings.config.setting(Key::RemoteHost).is_none();
    let place = owner::locate(&settings.board).ok().filter(|_| is_here);
    place.map_or_else(Watch::blind, |place| Watch::of(&place.state))
}

/// Up to where an answer without events has looked. A journal that ends earlier is another one than before.
fn caught_up(seen: u64, reply: &Reply) -> u64 {
    let last = reply.number.unwrap_or(seen);
    if last < seen {
        ui::tell(&format!("fleet: the journal now ends with event {last}: it was replaced by an older one"));
    }
    last
}

/// Whether the owner may answer again some time: it is gone, busy, or must be restarted.
fn may_come_back(failure: &Failure) -> bool {
    failure.code == Code::Unreachable || failure.reason == "journal-stopped"
}

fn last_of(reply: &Reply) -> Option<u64> {
    reply.events.as_ref()?.last()?["number"].as_u64()
}

struct Printer {
    json: bool,
    table: Table,
}

impl Printer {
    /// Prints the events of `reply`; false when nobody reads them.
    fn print(&mut self, reply: &Reply) -> Result<bool, Failure> {
        let events = reply.events.as_deref().unwrap_or_default();
        match events {
            [] => Ok(true),
            events if self.json => {
                ui::emit(&events.iter().map(|event: &Value| format!("{event}\n")).collect::<String>())
            }
            events => ui::emit(&self.table.lines(events)),
        }
    }
}
