//! The one place that prints. Data goes to stdout, what people should know to stderr.

use super::fail::Refused;
use crate::core::{
    code::Code,
    wire::{Failure, Reply},
};
use serde_json::Value;
use std::{
    io::{self, BufRead as _, ErrorKind, IsTerminal as _, Read as _, Write},
    process::ExitCode,
};

/// How much of an answer at the terminal is read, in bytes.
const ANSWER_BYTES: u64 = 64;

/// What a verb that succeeded has to say.
#[derive(Debug)]
pub struct Outcome {
    json: Value,
    text: String,
    notices: Vec<String>,
    code: Code,
}

impl Outcome {
    /// The reply of the board's owner, and the same for people.
    pub fn of(reply: &Reply, text: impl Into<String>) -> Self {
        let json = serde_json::to_value(reply).expect("a reply holds only text and numbers");
        let halt = reply.halt.as_ref().map(|reason| banner(reason));
        let notices = halt.into_iter().chain(reply.notices.iter().cloned()).collect();
        Self { json, text: text.into(), notices, code: Code::Ok }
    }

    /// An answer of the program itself.
    pub fn value(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), notices: Vec::new(), code: Code::Ok }
    }

    /// Nothing more to say: what there was has been said by [`emit`].
    pub fn nothing() -> Self {
        Self::value(Value::Null, "")
    }

    /// The same answer with another exit code: it was found out, and it is bad news.
    pub fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }
}

/// Prints how a verb ended and returns the exit code.
pub fn print(result: Result<Outcome, Refused>, json: bool) -> ExitCode {
    let (code, written) = match &result {
        Ok(outcome) if outcome.json.is_null() => (outcome.code, Ok(())),
        Ok(outcome) if json => (outcome.code, line(&outcome.json)),
        Ok(outcome) => {
            outcome.notices.iter().for_each(|notice| tell(&format!("fleet: note: {}", printable(notice))));
            (outcome.code, text(&outcome.text))
        }
        Err(refused) => (refused.failure().code, refusal(refused, json)),
    };
    match written {
        // Whoever read the output has enough of it; what the verb did is done.
        Err(e) if e.kind() == ErrorKind::BrokenPipe => code.exit().into(),
        Err(e) => {
            tell(&format!("fleet: cannot write the answer: {e}"));
            Code::General.exit().into()
        }
        Ok(()) => code.exit().into(),
    }
}

/// Prints what the argument parser has to say: help, version, or an error.
pub fn print_usage(error: &clap::Error, json: bool) -> ExitCode {
    if !error.use_stderr() || !json {
        // Nothing can be done about a closed terminal.
        let _ = error.print();
        return if error.use_stderr() { Code::Usage.exit().into() } else { ExitCode::SUCCESS };
    }
    let rendered = error.to_string();
    let message = rendered.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("wrong usage");
    let message = message.strip_prefix("error: ").unwrap_or(message);
    print(Err(Failure::new(Code::Usage, "usage", message).into()), true)
}

/// What every verb says under HALT.
fn banner(reason: &str) -> String {
    let colon = if reason.is_empty() { "" } else { ": " };
    format!("HALT{colon}{reason}; `fleet resume` ends it")
}

/// Tells the person something while a verb still runs.
pub fn tell(line: &str) {
    // With stderr gone there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints one piece of a verb's data at once, while the verb goes on. False when nobody reads it any more.
pub fn emit(piece: &str) -> Result<bool, Failure> {
    match text(piece) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::new(Code::General, "cannot-write", format!("cannot write the answer: {e}"))),
    }
}

/// Tells the person what is being waited for.
pub fn progress(what: &str) {
    tell(&format!("fleet: {}", printable(what)));
}

/// Asks the person at the terminal; whether the answer was yes. Without a terminal nobody can be asked: `None`.
pub fn ask(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    // Whoever does not see the question will not say yes to it.
    let _ = write!(io::stderr().lock(), "{} ", printable(question));
    let mut answer = String::new();
    let read = io::stdin().lock().take(ANSWER_BYTES).read_line(&mut answer);
    Some(read.is_ok() && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// `text` without characters that would steer a terminal; line ends and tabs stay.
pub fn printable(text: &str) -> String {
    let harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().map(|c| if harmless(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

fn refusal(refused: &Refused, json: bool) -> io::Result<()> {
    if json {
        return line(refused.reply());
    }
    let failure = refused.failure();
    tell(&format!("fleet: {}", printable(&failure.message)));
    if let Some(hint) = &failure.hint {
        tell(&format!("hint: {}", printable(hint)));
    }
    refused.reply().notices.iter().for_each(|notice| tell(&format!("fleet: note: {}", printable(notice))));
    Ok(())
}

fn line(value: &impl serde::Serialize) -> io::Result<()> {
    let mut out = serde_json::to_vec(value)?;
    out.push(b'\n');
    write(&out)
}

fn text(text: &str) -> io::Result<()> {
    let mut text = printable(text);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    write(text.as_bytes())
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
