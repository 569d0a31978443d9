//! Dying or panicking on purpose at a chosen point of a commit, so that tests can show that every point is survived.

use crate::{adapters::journal::Phase, engine::Engine};
use rustix::process::{Signal, getpid, kill_process};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};

const NONE: u8 = 0;
static PHASE: AtomicU8 = AtomicU8::new(NONE);
static LEFT: AtomicI64 = AtomicI64::new(0);
/// Send SIGTERM, which Emacs answers with `kill-emacs` on the spot, in the middle of whatever runs.
static POLITE: AtomicBool = AtomicBool::new(false);
/// Panic instead.
static PANIC: AtomicBool = AtomicBool::new(false);

/// Arms the trap; false if `phase` is no phase.
pub(super) fn arm(engine: &mut Engine, phase: &str, count: i64) -> bool {
    let (polite, panic) = (phase.strip_prefix("term-"), phase.strip_prefix("panic-"));
    let code = match polite.or(panic).unwrap_or(phase) {
        "before-write" => 1,
        "after-write" => 2,
        "after-sync" => 3,
        _ => return false,
    };
    POLITE.store(polite.is_some(), Ordering::SeqCst);
    PANIC.store(panic.is_some(), Ordering::SeqCst);
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
        assert!(!PANIC.load(Ordering::SeqCst), "a panic that a test asked for");
        let signal = if POLITE.load(Ordering::SeqCst) { Signal::TERM } else { Signal::KILL };
        // After SIGKILL nothing runs, not even destructors: that is the point.
        let _ = kill_process(getpid(), signal);
    }
}
