//! What a claim on another host costs over the kept connection, against what it cannot do without: an ssh over the same
//! connection, and an emacsclient over there. Where there is no sshd there is nothing to measure.

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod support;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use support::{
    daemon::Daemon,
    process::{PATIENCE, run_within, stdout_of},
    sandbox::Sandbox,
    sshd::{self, HOST, Sshd},
};

/// How often everything is done in turn.
const ROUNDS: usize = 40;
/// How often a connection is made anew.
const COLD_ROUNDS: usize = 5;
/// How many times the sum of its parts a claim may cost.
const GOAL: f64 = 1.5;

/// What is timed, in the order of a round.
const WAYS: [&str; 3] =
    ["ssh host true, same connection", "emacsclient on that host, claim", "fleet claim, from another host"];

fn main() {
    if sshd::program().is_none() {
        println!("claim from another host: n/a, there is no sshd");
        return;
    }
    let sandbox = Sandbox::new();
    let tasks: String = (0..2 * ROUNDS).map(|n| format!("* PENDING T-{n} Look after unit {n}\n")).collect();
    let board = sandbox.write("dispatch.org", &format!("#+TODO: PENDING IN_PROGRESS | DONE\n{tasks}"));
    let sshd = Sshd::start(&sandbox);
    let daemon = Daemon::serving(&sandbox, &board);
    let fleet = |args: &[&str]| {
        let mut command = sandbox.fleet();
        sshd.aim(&mut command).env("EMACS_SOCKET", sandbox.socket("s")).args(args);
        command
    };
    let cold: Vec<Duration> = (0..COLD_ROUNDS).map(|_| cold(&sshd, &sandbox, fleet(&["status"]))).collect();
    let mut times: [Vec<Duration>; 3] = Default::default();
    for n in 0..ROUNDS {
        let [near, far] = [format!("T-{n}"), format!("T-{}", n + ROUNDS)];
        let mut claim = daemon.client();
        claim.arg("-e").arg(format!("(fleet-claim {near:?} \"crane\")"));
        let commands = [ssh(&sandbox), claim, fleet(&["claim", &far, "--agent", "crane"])];
        for (times, command) in times.iter_mut().zip(commands) {
            times.push(timed(command));
        }
    }
    assert_eq!(sshd.logins(), COLD_ROUNDS, "the last connection served all of it");
    let [true_, emacsclient, claim] = times.map(median);
    println!("medians of {ROUNDS} rounds in ms, on loopback");
    for (way, time) in WAYS.iter().zip([true_, emacsclient, claim]) {
        println!("{way:<34}{:>10.3}", ms(time));
    }
    println!("{:<34}{:>10.3}", "fleet status, connecting first", ms(median(cold)));
    let ratio = ms(claim) / (ms(true_) + ms(emacsclient));
    let verdict = if ratio <= GOAL { "met" } else { "missed" };
    println!(
        "\ngoals\n  claim from another host, against ssh and emacsclient {ratio:>8.2} times   ≤ {GOAL} times  {verdict}"
    );
}

/// The time of a run that has to connect.
fn cold(sshd: &Sshd<'_>, sandbox: &Sandbox, command: Command) -> Duration {
    sshd.disconnect();
    for socket in control_sockets(sandbox) {
        // The one that lost its connection removes it, perhaps before.
        let _ = fs::remove_file(socket);
    }
    timed(command)
}

fn ssh(sandbox: &Sandbox) -> Command {
    let control = control_sockets(sandbox).pop().expect("a kept connection");
    let mut command = sandbox.command("ssh");
    command.arg("-F").arg(sandbox.path("home/.ssh/config")).arg("-S").arg(control).args([HOST, "true"]);
    command
}

fn control_sockets(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.path("run/fleet")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_none()).collect()
}

fn timed(mut command: Command) -> Duration {
    command.stdin(Stdio::null());
    let began = Instant::now();
    let output = run_within(&mut command, PATIENCE);
    let time = began.elapsed();
    stdout_of(&output);
    time
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
