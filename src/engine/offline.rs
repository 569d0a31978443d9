//! Owning a board for one command, without Emacs: the same engine on the plain file.

use super::{Ask, Caller, Engine, OpenError, Policy, log::chain};
use crate::{
    adapters::{
        clock,
        owner::{OwnerError, OwnerInfo, OwnerKind},
    },
    core::{
        code::Code,
        queue::event::{Auth, Via},
        wire::{Failure, Reply, Request},
    },
};
use std::path::Path;

/// Opens the board under `policy`, carries `request` out, applies it, saves, and gives the board back.
pub fn run(board: &Path, policy: Policy, request: &Request) -> Reply {
    let now = clock::now();
    let mut engine = match Engine::open(board, OwnerKind::Offline, policy, &now) {
        Ok(engine) => engine,
        Err(error) => return Reply::refused(Some(&request.id), open_failure(&error)),
    };
    // A note for others who find the board owned; whoever reads it finds no socket and says so.
    let info = OwnerInfo {
        v: crate::adapters::owner::OWNER_VERSION,
        pid: std::process::id(),
        boot_id: clock::boot_id(),
        start_time: None,
        socket: None,
        kind: OwnerKind::Offline,
    };
    if let Err(error) = engine.dir().publish_owner(&info) {
        engine.notice(chain(&error));
    }
    engine.apply_all();
    let json = serde_json::to_vec(request).expect("a request serializes: it has no maps and no foreign types");
    let caller = Caller { via: Via::Offline, auth: Auth::Label };
    let answers = engine.decide(&[Ask { caller, json }], &now);
    engine.apply_all();
    let saved = engine.save(&now);
    let mut replies: Vec<Reply> = answers.into_iter().map(|answer| engine.rendered(answer, &now)).collect();
    let mut reply = replies.pop().expect("one request, one reply");
    if let Err(error) = saved {
        // The journal has it: the next owner writes it. The caller must know all the same.
        reply.notices.push(format!("the board file could not be written: {}", chain(&error)));
    }
    reply
}

/// Why a board cannot be taken over, as a caller sees it.
pub fn open_failure(error: &OpenError) -> Failure {
    let (code, reason) = match error {
        OpenError::Owner(OwnerError::Owned { .. }) => (Code::Conflict, "board-owned"),
        OpenError::Owner(OwnerError::Missing(_) | OwnerError::MissingDirectory(_)) => (Code::NotFound, "no-board"),
        OpenError::Owner(_) => (Code::Config, "bad-board"),
        OpenError::File(_) => (Code::Corrupt, "board-unreadable"),
        OpenError::Journal(_) | OpenError::Event { .. } => (Code::Corrupt, "journal-unreadable"),
        OpenError::Stopped(_) => (Code::Corrupt, "journal-stopped"),
    };
    let failure = Failure::new(code, reason, chain(error));
    let hint = match error {
        OpenError::Owner(error) => error.hint().map(str::to_owned),
        OpenError::File(error) => error.hint(),
        OpenError::Journal(_) | OpenError::Event { .. } => {
            Some("the board is as it was; keep `.fleet` for a look, and restore it from a backup".into())
        }
        OpenError::Stopped(_) => Some("make room or repair the disk, then try again".into()),
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
