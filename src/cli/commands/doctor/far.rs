//! What can be seen from here of a board on another host; `fleet doctor` there sees more.

use super::{finding::Finding, owner::said};
use crate::{
    adapters::ssh::Remote,
    cli::options::Settings,
    core::wire::{Call, StatusInfo},
};

/// Whether the host, its Emacs and the board in it answer, and what they say.
pub(super) fn board(settings: &Settings, remote: &Remote) -> Vec<Finding> {
    let host = remote.host.as_str();
    let checked = settings.check_host().map_err(Into::into).and_then(|()| settings.ask(Call::Status));
    match checked.map(|reply| reply.status) {
        Err(refused) => vec![Finding::of_failure("host", refused.failure())],
        Ok(None) => vec![Finding::warning("host", format!("{host} answers, but not about its board"))],
        Ok(Some(status)) => {
            let StatusInfo { owner, pid, path, .. } = &status;
            let mut findings =
                vec![Finding::fine("host", format!("{host} answers: {owner}, process {pid}, holds {path}"))];
            findings.extend(said(&status));
            findings
        }
    }
}
