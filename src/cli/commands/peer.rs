//! `fleet peer`: which hosts are trusted, by their keys.

use crate::{
    adapters::{
        process::RunError,
        ssh::{KeyError, KnownKey, PeerKeys, Remote, add_known, compare_known, fetch_keys, list_known},
    },
    cli::{
        fail::{Refused, usage},
        far,
        options::Settings,
        parse,
        ui::{self, Outcome},
    },
    core::{code::Code, host::Host, wire::Failure},
};
use serde_json::{Value, json};

/// Say which other hosts are trusted
///
/// A host is known by its key. No host is trusted because it answers: its fingerprint comes from whoever runs it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet peer add bezalel")]
pub struct PeerArgs {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    Add(AddArgs),
    /// Print the hosts that are trusted, with the fingerprints of their keys
    #[command(after_help = "Example:\n  fleet peer list")]
    List,
}

/// Trust a host from now on
///
/// Fetches the host's keys and shows their fingerprints. At a terminal it asks whether they are right; without one,
/// --fingerprint says so.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  fleet peer add bezalel\n  \
    fleet peer add bezalel --fingerprint SHA256:jWkxVtaFEgjIpPHSHoKaA2nnEfJUA3rNzAjhMzmIQbU")]
struct AddArgs {
    /// The host, as remote.host names it
    #[arg(value_parser = parse::host)]
    host: Host,
    /// The port of its SSH server
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The fingerprint that one of its keys must have, as `ssh-keygen -l` prints it
    #[arg(long, value_name = "SHA256:…")]
    fingerprint: Option<String>,
}

/// Does what the order says.
pub fn run(args: PeerArgs, settings: &Settings) -> Result<Outcome, Refused> {
    Ok(match args.order {
        Order::Add(args) => add(args, settings)?,
        Order::List => list(settings)?,
    })
}

fn add(args: AddArgs, settings: &Settings) -> Result<Outcome, Failure> {
    let remote = settings.remote_to(args.host, args.port)?;
    let shown = fetch_keys(&remote, settings.timeout).map_err(failure)?;
    let known = list_known(&remote.known_hosts).map_err(failure)?;
    let right = match &args.fingerprint {
        Some(fingerprint) => with_fingerprint(&shown, fingerprint)?,
        None => shown,
    };
    let is_new = compare_known(&known, &right).map_err(failure)? == PeerKeys::New;
    if is_new && args.fingerprint.is_none() {
        confirm(&right)?;
    }
    add_known(&remote.known_hosts, &right).map_err(failure)?;
    Ok(told(&remote, &right, is_new))
}

/// The keys with this fingerprint.
fn with_fingerprint(shown: &[KnownKey], fingerprint: &str) -> Result<Vec<KnownKey>, Failure> {
    let right: Vec<KnownKey> = shown.iter().filter(|key| key.fingerprint() == fingerprint).cloned().collect();
    if right.is_empty() {
        let message = format!("the host shows no key with this fingerprint, but {}", fingerprints(shown));
        let hint = "do not trust it before its owner has told you which fingerprint is right";
        return Err(Failure::new(Code::Denied, "fingerprint-mismatch", message).hint(hint));
    }
    Ok(right)
}

fn confirm(keys: &[KnownKey]) -> Result<(), Failure> {
    for key in keys {
        ui::progress(&format!("{} shows {} {}", key.name, key.kind, key.fingerprint()));
    }
    match ui::ask("Does its owner say the same? [y/N]") {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Code::Denied, "not-confirmed", "nothing was added")),
        None => {
            let message = format!("nobody can be asked whether this is right: {}", fingerprints(keys));
            Err(usage("no-fingerprint", message).hint("run it at a terminal, or give --fingerprint"))
        }
    }
}

fn told(remote: &Remote, keys: &[KnownKey], is_new: bool) -> Outcome {
    let name = remote.host.known_as(remote.port);
    let text = match is_new {
        true => format!("{name} is trusted from now on: {}", fingerprints(keys)),
        false => format!("{name} is trusted already: {}", fingerprints(keys)),
    };
    Outcome::value(json!({ "v": 1, "ok": true, "added": is_new, "peers": described(keys) }), text)
}

fn list(settings: &Settings) -> Result<Outcome, Failure> {
    let file = settings.known_hosts()?;
    let keys = list_known(&file).map_err(failure)?;
    let line = |key: &KnownKey| format!("{}  {}  {}\n", key.name, key.kind, key.fingerprint());
    Ok(Outcome::value(
        json!({ "v": 1, "ok": true, "peers": described(&keys) }),
        keys.iter().map(line).collect::<String>(),
    ))
}

fn described(keys: &[KnownKey]) -> Vec<Value> {
    let told = |key: &KnownKey| json!({ "host": key.name, "type": key.kind, "fingerprint": key.fingerprint() });
    keys.iter().map(told).collect()
}

fn fingerprints(keys: &[KnownKey]) -> String {
    let told: Vec<String> = keys.iter().map(|key| format!("{} {}", key.kind, key.fingerprint())).collect();
    told.join(", ")
}

fn failure(error: KeyError) -> Failure {
    let message = error.to_string();
    match error {
        KeyError::Scan(RunError::TimedOut { .. }) => Failure::new(Code::Unreachable, "host-unreachable", message)
            .hint("try again with a longer --timeout, or check whether its SSH server runs"),
        KeyError::Scan(_) => Failure::new(Code::Config, "no-ssh", message).hint("install OpenSSH's client"),
        KeyError::NoKey { .. } => Failure::new(Code::Unreachable, "host-unreachable", message)
            .hint("check the name, the port and whether its SSH server runs"),
        KeyError::BehindAnother { file, .. } => Failure::new(Code::Config, "host-behind-another", message)
            .hint(format!("ask its owner for the key and write `HOST TYPE KEY` into {}", file.display())),
        KeyError::Changed { .. } => Failure::new(Code::Denied, "host-key-changed", message).hint(far::CHANGED_HINT),
        KeyError::Io { .. } => Failure::new(Code::Config, "known-hosts-unusable", message),
    }
}
