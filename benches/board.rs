//! What claim, done and poll cost on boards of several sizes: alone, from Lisp, over the socket, as a process, and in
//! plain Elisp.
//!
//! Everything is measured in turns within each round, so that a machine that changes its mind changes it for all.
//! Goals are printed beside the figures and never asserted. `FLEET_BENCH_TASKS=100,1000` chooses the sizes,
//! `FLEET_BENCH_DIR` the directory (by default below cargo's target directory, on a real disk).

mod contenders;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/support/mod.rs"]
mod support;

use contenders::{Act, Alone, Contender, Disk, Lisp, Process, Socket, Task, save};
use fleet::adapters::socket::SocketClient;
use rustix::fs::statfs;
use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use support::{daemon::Daemon, process::PATIENCE, sandbox::Sandbox};

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
const ROUNDS: usize = 15;
/// How many tasks are drawn from one board: one per round and way that leads to it.
const DRAWN_MAX: usize = 4 * ROUNDS;
/// Agents that the tasks are assigned to in equal parts.
const AGENTS: usize = 10;
/// The type that statfs(2) gives for a tmpfs, where a sync costs nothing.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// The rows of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Way {
    Engine,
    Lisp,
    Socket,
    Cli,
    Emacsclient,
    Plain,
}

/// What each act took, with the sync that was made right before it.
type Samples = BTreeMap<(Way, Act), Vec<(Duration, Duration)>>;

/// What was measured on one board.
struct Figures {
    tasks: usize,
    bytes: usize,
    record: usize,
    samples: Samples,
    saves: Vec<Duration>,
    seconds: u64,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Engine => "decide + journal",
            Way::Lisp => "Lisp function",
            Way::Socket => "socket",
            Way::Cli => "fleet (process)",
            Way::Emacsclient => "emacsclient",
            Way::Plain => "plain Elisp",
        }
    }
}

impl Figures {
    fn of(&self, way: Way, act: Act) -> Duration {
        median(self.samples[&(way, act)].iter().map(|(time, _)| *time))
    }

    /// How much more than a sync it takes, by what both took at the same time.
    fn to_sync(&self, way: Way, act: Act) -> f64 {
        ratio(self.of(way, act), median(self.samples[&(way, act)].iter().map(|(_, sync)| *sync)))
    }

    /// What is left of it without the sync.
    fn without_sync(&self, way: Way, act: Act) -> Duration {
        median(self.samples[&(way, act)].iter().map(|(time, sync)| time.saturating_sub(*sync)))
    }

    fn sync(&self) -> Duration {
        median(self.samples.values().flatten().map(|(_, sync)| *sync))
    }
}

fn main() {
    let place = match env::var_os("FLEET_BENCH_DIR") {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")),
    };
    let place = place.expect("a directory to measure in");
    let is_tmpfs = statfs(place.path()).is_ok_and(|fs| fs.f_type as u64 == TMPFS_MAGIC);
    println!(
        "medians of {ROUNDS} rounds in ms; in brackets: times the fdatasync before it (decide + journal: in it); poll: the best 10"
    );
    let mut all = Vec::new();
    for tasks in sizes() {
        let figures = measure(place.path(), tasks);
        print!("{}", table(&figures, is_tmpfs));
        all.push(figures);
    }
    print!("{}", goals(&all, is_tmpfs));
}

fn sizes() -> Vec<usize> {
    let Some(given) = env::var("FLEET_BENCH_TASKS").ok() else { return SIZES.to_vec() };
    let least = DRAWN_MAX + 1;
    let size = |word: &str| word.trim().parse().ok().filter(|&tasks| tasks >= least);
    given
        .split(',')
        .map(|word| size(word).unwrap_or_else(|| panic!("FLEET_BENCH_TASKS: {word:?} is no number from {least} on")))
        .collect()
}

/// A board of `tasks` open tasks with a body each, as agents and people write them.
fn board(tasks: usize) -> String {
    let mut text = String::from("#+TITLE: Bench\n#+TODO: PENDING IN_PROGRESS | DONE FAILED SKIPPED\n#+FLEET_AGENTS:");
    (0..AGENTS).for_each(|agent| write!(text, " a{agent}").expect("memory"));
    text.push('\n');
    for n in 0..tasks {
        let Task { id, agent } = task(n);
        let _ = write!(
            text,
            "\n* PENDING [#{}] {id} Look after unit {n} of the plant  :{agent}:plant:\nDEADLINE: <2026-0{}-{:02}>\n\
             :PROPERTIES:\n:ID: {id}\n:UNIT: {n}\n:END:\n{}",
            ['A', 'B', 'C'][n % 3],
            1 + n % 9,
            1 + n % 28,
            "Read the meter, compare it with last week's, write both down, and call the harbour master if they \
             differ.\n"
                .repeat(3)
        );
    }
    text
}

fn task(n: usize) -> Task {
    Task { id: format!("T-{n:06}"), agent: format!("a{}", n % AGENTS) }
}

/// Writes a board of its own for each owner, so that nobody shares a journal.
fn board_file(place: &Path, name: &str, text: &str) -> PathBuf {
    let path = place.join(name).join("dispatch.org");
    fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
    fs::write(&path, text).expect("a board");
    path
}

fn measure(place: &Path, tasks: usize) -> Figures {
    let began = Instant::now();
    let place = place.join(tasks.to_string());
    let text = board(tasks);
    let [alone, served, plain] = ["alone", "served", "plain"].map(|name| board_file(&place, name, &text));
    let mut engine = Alone::open(&alone);
    let record = record_bytes(&mut engine, tasks);
    let file = File::create(place.join("disk")).expect("a file");
    let mut disk = Disk { file, end: 0, record: vec![b'x'; record] };

    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let fleet = Daemon::serving(&ours, &served);
    let reference = Daemon::bare(&theirs, &[]);
    let code = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/plain.el");
    for daemon in [&fleet, &reference] {
        daemon.eval(&format!("(load {code:?} nil t)"));
    }
    reference.eval(&format!("(plain-open {plain:?})"));
    let owner = fleet::adapters::owner::read_owner(&served).expect("an owner file").expect("an owner");
    let socket = owner.socket.expect("an owner that listens");
    let client = SocketClient::connect(&socket, PATIENCE).expect("a connection");
    let process =
        |by_emacsclient| Process { sandbox: &ours, board: served.clone(), server: fleet.socket(), by_emacsclient };
    let (mut cli, mut emacsclient) = (process(false), process(true));
    let mut socket = Socket { client, count: 0 };
    let (mut lisp, mut org) = (Lisp { daemon: &fleet, plain: false }, Lisp { daemon: &reference, plain: true });
    let contenders: [(Way, &mut dyn Contender); 6] = [
        (Way::Engine, &mut engine),
        (Way::Lisp, &mut lisp),
        (Way::Socket, &mut socket),
        (Way::Cli, &mut cli),
        (Way::Emacsclient, &mut emacsclient),
        (Way::Plain, &mut org),
    ];
    let (samples, saves) = rounds(contenders, &mut disk, &fleet, tasks / DRAWN_MAX);
    Figures { tasks, bytes: text.len(), record, samples, saves, seconds: began.elapsed().as_secs() }
}

/// How long the journal's record of a claim is. Takes the last task, which no round comes to.
fn record_bytes(alone: &mut Alone, tasks: usize) -> usize {
    let journal = alone.engine.dir().state_dir().join("journal.jsonl");
    let size = || fs::metadata(&journal).expect("a journal").len() as usize;
    let before = size();
    alone.time(Act::Claim, &task(tasks - 1));
    size() - before
}

/// Does every act once in every way, round after round, each right after a sync of the bare disk to compare it with.
/// The engine is compared with the sync inside of it: on a busy disk no two syncs are alike.
fn rounds(
    contenders: [(Way, &mut dyn Contender); 6],
    disk: &mut Disk,
    fleet: &Daemon<'_>,
    stride: usize,
) -> (Samples, Vec<Duration>) {
    let (mut samples, mut saves, mut drawn) = (Samples::new(), Vec::new(), BTreeMap::new());
    let mut contenders = contenders;
    for _ in 0..ROUNDS {
        for (way, contender) in &mut contenders {
            let next = drawn.entry(owner_of(*way)).or_insert(0);
            // Spread over the whole board: what is near its head may be cheaper.
            let task = task(*next * stride);
            *next += 1;
            for act in Act::ALL {
                let sync = disk.write();
                let time = contender.time(act, &task);
                samples.entry((*way, act)).or_default().push((time, contender.synced().unwrap_or(sync)));
            }
            if owner_of(*way) == "served" {
                saves.push(save(fleet));
            }
        }
    }
    (samples, saves)
}

/// Whose board the tasks are on: what one contender has done there is done for the others.
fn owner_of(way: Way) -> &'static str {
    match way {
        Way::Engine => "alone",
        Way::Lisp | Way::Socket | Way::Cli | Way::Emacsclient => "served",
        Way::Plain => "plain",
    }
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn ratio(time: Duration, to: Duration) -> f64 {
    time.as_secs_f64() / to.as_secs_f64()
}

const WAYS: [Way; 6] = [Way::Engine, Way::Lisp, Way::Socket, Way::Cli, Way::Emacsclient, Way::Plain];

fn table(figures: &Figures, is_tmpfs: bool) -> String {
    let Figures { tasks, bytes, record, seconds, .. } = figures;
    let mut text = format!(
        "\n{tasks} tasks, {:.1} MB, records of {record} bytes ({seconds} s)\n{:<18}{:>18}{:>18}{:>10}\n",
        *bytes as f64 / 1e6,
        "",
        "claim",
        "done",
        "poll"
    );
    let _ = writeln!(text, "{:<18}{:>18}", "fdatasync", format!("{:.3} (1.0)", ms(figures.sync())));
    for way in WAYS {
        let _ = write!(text, "{:<18}", way.name());
        for act in [Act::Claim, Act::Done] {
            let time = figures.of(way, act);
            let to_disk = if is_tmpfs { "n/a".into() } else { format!("{:.1}", figures.to_sync(way, act)) };
            let _ = write!(text, "{:>18}", format!("{:.3} ({to_disk})", ms(time)));
        }
        let _ = writeln!(text, "{:>10}", format!("{:.3}", ms(figures.of(way, Act::Poll))));
    }
    let _ =
        writeln!(text, "{:<18}{:>18}", "(save, later)", format!("{:.3}", ms(median(figures.saves.iter().copied()))));
    text
}

/// The goals of the boards that were measured.
fn goals(all: &[Figures], is_tmpfs: bool) -> String {
    let mut text = String::from("\ngoals\n");
    let mut goal = |what: String, figure: f64, most: f64, unit: &str| {
        let verdict = if figure <= most { "met" } else { "missed" };
        let _ = writeln!(
            text,
            "  {what:<58}{:>12}{:>12}  {verdict}",
            format!("{figure:.2} {unit}"),
            format!("≤ {most} {unit}")
        );
    };
    let of = |tasks: usize| all.iter().find(|figures| figures.tasks == tasks);
    for figures in all.iter().filter(|_| !is_tmpfs) {
        for act in [Act::Claim, Act::Done] {
            let what = format!("{}, decide + journal, {} tasks", act.verb(), figures.tasks);
            goal(what, figures.to_sync(Way::Engine, act), 1.5, "fdatasync");
        }
    }
    if let (Some(small), Some(large)) = (of(1_000), of(100_000)) {
        for act in [Act::Claim, Act::Done] {
            let what = format!("{}, without the sync, 100,000 tasks against 1,000", act.verb());
            goal(what, ratio(large.without_sync(Way::Engine, act), small.without_sync(Way::Engine, act)), 1.2, "times");
        }
    }
    if let Some(figures) = of(1_000).filter(|_| !is_tmpfs) {
        goal("claim from Lisp, 1,000 tasks".into(), figures.to_sync(Way::Lisp, Act::Claim), 3.0, "fdatasync");
    }
    if let Some(figures) = of(100_000) {
        goal("claim from Lisp, 100,000 tasks".into(), ms(figures.of(Way::Lisp, Act::Claim)), 5.0, "ms");
    }
    if let Some(figures) = of(10_000) {
        goal("poll, decide + journal, 10,000 tasks".into(), ms(figures.of(Way::Engine, Act::Poll)), 1.0, "ms");
        goal("poll from Lisp, 10,000 tasks".into(), ms(figures.of(Way::Lisp, Act::Poll)), 1.0, "ms");
    }
    text
}
