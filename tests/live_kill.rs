//! A daemon that is killed outright, again and again, while agents work: nothing that they were told gets lost, nothing
//! happens twice, and the board comes to show what the journal says (DESIGN §5.2 and §5.3).

mod audit;
mod load;

use crate::support::{
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS},
    process::{Deadline, PATIENCE, run_within},
    random::Random,
    sandbox::Sandbox,
};
use audit::Audit;
use load::Load;
use rustix::{fd::OwnedFd, fs::inotify, io::Errno};
use std::{collections::BTreeMap, env, mem::MaybeUninit, path::Path, thread, time::Instant};

const KILLS: u32 = 25;
/// A kill comes after at most so many answers, or so many commits, since the start.
const ANSWERS_MAX: u64 = 40;
const COMMITS_MAX: u64 = 12;
/// How many requests are repeated after each restart, to see that their answer is remembered.
const REPEATS: usize = 5;

/// When the daemon dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    BeforeWrite,
    AfterWrite,
    AfterSync,
    /// After some number of answers, whatever it does then.
    Anywhere,
    /// A save was announced in the journal, the file is still the old one.
    SaveAnnounced,
    /// The new file is being written beside the old one.
    SaveBegun,
    /// The files were exchanged.
    SaveExchanged,
}

const MOMENTS: [Moment; 7] = [
    Moment::BeforeWrite,
    Moment::AfterWrite,
    Moment::AfterSync,
    Moment::Anywhere,
    Moment::SaveAnnounced,
    Moment::SaveBegun,
    Moment::SaveExchanged,
];

#[test]
fn a_daemon_that_is_killed_loses_and_repeats_nothing_that_was_acknowledged() {
    let kills = env::var("FLEET_TEST_KILLS").map_or(KILLS, |text| text.parse().expect("a number of kills"));
    let mut random = Random::from_environment("kills");
    let began = Instant::now();
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "board/dispatch.org", KEYWORDS);
    let mut daemon = Daemon::serving(&sandbox, fleet.board());
    let load = Load::new(&fleet);
    let mut audit = Audit::new(&fleet);
    let mut hits: BTreeMap<Moment, u32> = BTreeMap::new();
    let mut cut_saves = 0;
    thread::scope(|scope| {
        let stop = load.stop_when_dropped();
        load.start(scope, random.next());
        for kill in 0..kills {
            let moment = MOMENTS[kill as usize % MOMENTS.len()];
            die(&mut daemon, &fleet, &load, moment, &mut random);
            *hits.entry(moment).or_default() += 1;
            load.wait_until_everybody_is_cut_off();
            cut_saves += u32::from(temporaries(fleet.board()) > 0);
            daemon.restart();
            audit.after_restart(&daemon, &load, REPEATS, &mut random);
            load.go_on();
        }
        drop(stop);
    });
    daemon.restart();
    audit.after_restart(&daemon, &load, REPEATS, &mut random);
    drop(daemon);
    sandbox.assert_deserted();
    let secs = began.elapsed().as_secs_f32();
    println!("{kills} kills in {secs:.1} s: {hits:?}, {cut_saves} cut a save in two; {load}; {audit}");
    assert!(kills < MOMENTS.len() as u32 || hits.len() == MOMENTS.len(), "not every moment was hit");
    load.assert_was_worth_it(kills);
}

/// Kills the daemon at `moment`, or lets it kill itself there.
fn die(daemon: &mut Daemon<'_>, fleet: &Fleet<'_>, load: &Load<'_>, moment: Moment, random: &mut Random) {
    match moment {
        Moment::BeforeWrite => die_in_commit(daemon, "before-write", random),
        Moment::AfterWrite => die_in_commit(daemon, "after-write", random),
        Moment::AfterSync => die_in_commit(daemon, "after-sync", random),
        Moment::Anywhere => {
            load.wait_for_answers(1 + random.below(ANSWERS_MAX));
            daemon.kill9();
        }
        Moment::SaveAnnounced => {
            load.wait_for_answers(1 + random.below(ANSWERS_MAX));
            // One form, so that no commit of anybody else comes between.
            let form = "(progn (fleet-board--process t) (fleet--mod-crash-at \"after-sync\" 1) (fleet-save-now))";
            run_within(daemon.client().args(["-e", form]), PATIENCE);
            wait_for_death(daemon);
        }
        Moment::SaveBegun => {
            let watch = Watch::new(fleet.board(), inotify::WatchFlags::CREATE);
            watch.wait_for(daemon, |name| name.starts_with(&temporary_prefix(fleet.board())));
            daemon.kill9();
        }
        Moment::SaveExchanged => {
            let watch = Watch::new(fleet.board(), inotify::WatchFlags::MOVED_TO);
            watch.wait_for(daemon, |name| fleet.board().ends_with(name));
            daemon.kill9();
        }
    }
}

fn die_in_commit(daemon: &Daemon<'_>, phase: &str, random: &mut Random) {
    let count = 1 + random.below(COMMITS_MAX);
    run_within(daemon.client().args(["-e", &format!("(fleet--mod-crash-at \"{phase}\" {count})")]), PATIENCE);
    wait_for_death(daemon);
}

#[track_caller]
fn wait_for_death(daemon: &Daemon<'_>) {
    assert!(daemon.ends_within(None, PATIENCE), "the daemon was to kill itself and did not");
}

/// Reports what happens to names in the directory of a board.
struct Watch(OwnedFd);

impl Watch {
    fn new(board: &Path, what: inotify::WatchFlags) -> Self {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let events = inotify::init(flags).expect("an inotify descriptor");
        inotify::add_watch(&events, board.parent().expect("a directory"), what).expect("a watch on the sandbox");
        Self(events)
    }

    /// Waits until something happens to a name that is `wanted`.
    #[track_caller]
    fn wait_for(&self, daemon: &Daemon<'_>, wanted: impl Fn(&str) -> bool) {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let left = deadline.left().expect("the board was to be saved and was not");
            assert!(!daemon.ends_within(Some(&self.0), left), "the daemon ended by itself");
            if self.names().iter().any(|name| wanted(name)) {
                return;
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        let mut names = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => names.extend(event.file_name().and_then(|name| name.to_str().ok()).map(str::to_owned)),
                Err(Errno::AGAIN) => return names,
                Err(err) => panic!("inotify: {err}"),
            }
        }
    }
}

fn temporary_prefix(board: &Path) -> String {
    format!(".{}.fleet-", board.file_name().expect("a file").to_str().expect("UTF-8"))
}

/// How many unfinished files a save has left beside the board.
fn temporaries(board: &Path) -> usize {
    let entries = board.parent().expect("a directory").read_dir().expect("a directory that can be read");
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(&temporary_prefix(board))).count()
}

/// The first save is special: no earlier one says how old the file is.
#[test]
fn a_first_save_that_was_announced_and_not_made_does_not_count() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}* PENDING TASK-1 Moor\n"));
    let mut daemon = Daemon::serving(&sandbox, fleet.board());
    let form = "(progn (fleet-add \"Dredge\" :agent \"a\" :task \"TASK-2\") (fleet-claim \"TASK-1\" \"a\") \
                (fleet--mod-crash-at \"after-sync\" 1) (fleet-save-now))";
    run_within(daemon.client().args(["-e", form]), PATIENCE);
    wait_for_death(&daemon);
    assert!(!fleet.text().contains("TASK-2"), "the file was not to be written:\n{}", fleet.text());
    daemon.restart();
    let mut audit = Audit::new(&fleet);
    audit.board(&daemon);
    let tasks = fleet.json(&["list"]);
    let names: Vec<&str> =
        tasks["tasks"].as_array().expect("tasks").iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(names, ["TASK-1", "TASK-2"]);
}

/// Emacs answers SIGTERM on the spot, in the middle of whatever it does; what it does then must not wait for itself.
#[test]
fn a_daemon_that_is_told_to_end_in_the_middle_of_a_commit_ends() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let mut daemon = Daemon::serving(&sandbox, fleet.board());
    for phase in ["before-write", "after-write", "after-sync"] {
        let form = format!("(progn (fleet--mod-crash-at \"term-{phase}\" 1) (fleet-add \"{phase}\" :agent \"a\"))");
        run_within(daemon.client().args(["-e", &form]), PATIENCE);
        wait_for_death(&daemon);
        daemon.restart();
        Audit::new(&fleet).board(&daemon);
    }
    let titles = fleet.json(&["list"])["tasks"].to_string();
    assert!(!titles.contains("before-write") && titles.contains("after-sync"), "{titles}");
}
