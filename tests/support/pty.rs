//! A person at a terminal: keys go into a pseudo-terminal, and what a screen would show can be waited for.

use super::{
    process::{Deadline, Group},
    sandbox::Sandbox,
};
use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use std::{
    ffi::OsStr,
    fs::File,
    io::{Read, Write},
    process::Command,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// What the program has drawn so far.
struct Screen {
    parser: vt100::Parser,
    /// The program has closed its terminal.
    ended: bool,
}

/// A program in a terminal of its own, killed with the value.
pub struct Pty {
    keyboard: File,
    screen: Arc<(Mutex<Screen>, Condvar)>,
    group: Group,
}

impl Pty {
    /// Runs `command`, which must come from `sandbox`, with a terminal as its standard streams.
    pub fn spawn(sandbox: &Sandbox, command: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&master).expect("a pseudo-terminal that is ours");
        unlockpt(&master).expect("a pseudo-terminal to unlock");
        let name = ptsname(&master, Vec::new()).expect("the name of the pseudo-terminal");
        let terminal =
            open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("its far end");
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("a terminal that takes a size");

        // `setsid --ctty` makes the terminal the controlling one, which std cannot do without unsafe code.
        let mut child = sandbox.command("setsid");
        child.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            child.env(key, value.unwrap_or(OsStr::new("")));
        }
        // With TERM=xterm Emacs would wait for answers that a screen model does not give.
        child.env("TERM", "linux");
        let terminal = File::from(terminal);
        let again = || terminal.try_clone().expect("another descriptor of the terminal");
        child.stdin(again()).stdout(again()).stderr(again());
        let group = Group::adopt(child.spawn().unwrap_or_else(|err| panic!("cannot start {command:?}: {err}")));
        drop(child);
        drop(terminal);

        let keyboard = File::from(master);
        let screen = Screen { parser: vt100::Parser::new(ROWS, COLUMNS, 0), ended: false };
        let screen = Arc::new((Mutex::new(screen), Condvar::new()));
        let (output, drawn) = (keyboard.try_clone().expect("another descriptor of the terminal"), Arc::clone(&screen));
        // Ends by itself: reading fails as soon as nobody has the far end open.
        thread::spawn(move || draw(output, &drawn));
        Self { keyboard, screen, group }
    }

    /// Types keys in Emacs's notation: `type_keys("C-x C-f board SPC 2 RET")`. Words are typed letter by letter.
    pub fn type_keys(&mut self, keys: &str) {
        for key in keys.split_ascii_whitespace() {
            self.type_bytes(&bytes_of(key));
        }
    }

    /// Types `text` as it is, blanks included.
    pub fn type_text(&mut self, text: &str) {
        self.type_bytes(text.as_bytes());
    }

    fn type_bytes(&mut self, bytes: &[u8]) {
        self.keyboard.write_all(bytes).expect("a program that still has its terminal");
    }

    /// What the screen shows now.
    pub fn contents(&self) -> String {
        lock(&self.screen.0).parser.screen().contents()
    }

    /// Waits until the screen satisfies `wanted` and returns it; panics with the last screen after `patience`.
    #[track_caller]
    pub fn wait_for_screen(&self, wanted: impl Fn(&vt100::Screen) -> bool, patience: Duration) -> String {
        let deadline = Deadline::after(patience);
        let mut screen = lock(&self.screen.0);
        while !wanted(screen.parser.screen()) {
            let shown = screen.parser.screen().contents();
            assert!(!screen.ended, "the program left its terminal showing\n{shown}");
            let left =
                deadline.left().unwrap_or_else(|| panic!("not seen within {patience:?}; the screen shows\n{shown}"));
            screen = self.screen.1.wait_timeout(screen, left).expect("no holder of the screen panics").0;
        }
        screen.parser.screen().contents()
    }

    /// Waits until `text` is to be seen.
    #[track_caller]
    pub fn wait_for_text(&self, text: &str, patience: Duration) -> String {
        self.wait_for_screen(|screen| screen.contents().contains(text), patience)
    }

    /// Whether the program ends within `patience`.
    pub fn ends_within(&self, patience: Duration) -> bool {
        self.group.ends_within([], patience)
    }
}

fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Shows what comes out of the terminal until nothing can come any more.
fn draw(mut output: File, (screen, changed): &(Mutex<Screen>, Condvar)) {
    let mut chunk = [0; 4096];
    loop {
        // EIO is how Linux says that the far end is closed.
        let read = output.read(&mut chunk).unwrap_or(0);
        let mut screen = lock(screen);
        screen.parser.process(&chunk[..read]);
        screen.ended = read == 0;
        changed.notify_all();
        if read == 0 {
            return;
        }
    }
}

/// What a terminal sends for one key of Emacs's notation.
fn bytes_of(key: &str) -> Vec<u8> {
    let named = match key {
        "RET" => "\r",
        "TAB" => "\t",
        "ESC" => "\x1b",
        "SPC" => " ",
        "DEL" => "\x7f",
        "<up>" => "\x1b[A",
        "<down>" => "\x1b[B",
        "<right>" => "\x1b[C",
        "<left>" => "\x1b[D",
        _ => "",
    };
    if !named.is_empty() {
        return named.into();
    }
    match key.split_at_checked(2) {
        Some(("M-", rest)) if !rest.is_empty() => [b"\x1b".to_vec(), bytes_of(rest)].concat(),
        Some(("C-", "SPC" | "@")) => vec![0],
        // Control clears the three high bits of `@` to `_` and of the small letters.
        Some(("C-", rest)) if rest.len() == 1 => vec![rest.as_bytes()[0] & 0x1f],
        // A terminal has no C-/; Emacs binds what it sends instead, C-_.
        _ => key.into(),
    }
}
