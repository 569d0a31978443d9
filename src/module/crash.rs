//! Dying on purpose at a chosen point of a commit, so that tests can show that every point is survived.

use crate::{adapters::journal::Phase, engine::Engine};
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

const NONE: u8 = 0;
static PHASE: AtomicU8 = AtomicU8::new(NONE);
static LEFT: AtomicI64 = AtomicI64::new(0);

/// Arms the trap; false if `phase` is no phase.
pub(super) fn arm(engine: &mut Engine, phase: &str, count: i64) -> bool {
    let code = match phase {
        "before-write" => 1,
        "after-write" => 2,
        "after-sync" => 3,
        _ => return false,
    };
    LEFT.store(count, Ordering::SeqCst);
    PHASE.store(code, Ordering::SeqCst);
    engine.observe_journal(observe);
    true
}

fn observe(phase: Phase) {
    let code = match phase {
        Phase::BeforeWrite => 1,
        Phase::AfterWrite => 2,
        Phase::AfterSync => 3,
    };
    if PHASE.load(Ordering::SeqCst) == code && LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        let myself = rustix::process::getpid();
        // Nothing runs after this, not even destructors: that is the point.
        let _ = rustix::process::kill_process(myself, rustix::process::Signal::KILL);
    }
}
