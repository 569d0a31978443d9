//! What would be started: configuration, Emacs, its client, the Lisp and the module.

use super::finding::Finding;
use crate::{
    adapters::{
        emacs_daemon,
        process::{self, Finished},
    },
    cli::{commands::daemon::this_program, options::Settings},
    core::{
        code::Code,
        config::{Key, OPTIONS, Origin},
    },
};
use std::{path::Path, process::Command, time::Duration};

/// How long Emacs may take to say what it is.
const EMACS_SECS_MAX: u64 = 10;
/// The most that is read of what it says, in bytes.
const SAID_BYTES_MAX: u64 = 4 << 10;
/// Says in three lines which Emacs this is, whether it has modules, and whether Fleet's loads.
const PROBE: &str = "(progn (princ (format \"%s\\n%s\\n\" emacs-version (and (fboundp 'module-load) t))) \
     (princ (condition-case err (progn (load \"fleet\" nil t) (fleet-module-load) fleet-module-version) \
              (error (format \"! %s\" (if (stringp (cadr err)) (cadr err) (error-message-string err)))))))";

/// The configuration was read, or there would be no settings to look at.
pub(super) fn config(settings: &Settings) -> Vec<Finding> {
    let origins = OPTIONS.iter().filter_map(|option| settings.config.setting(option.key)).map(|s| &s.origin);
    let (mut from_file, mut others, mut file) = (0, 0, None);
    for origin in origins {
        match origin {
            Origin::Default => {}
            Origin::File { path, .. } => {
                from_file += 1;
                file = Some(path.display().to_string());
            }
            Origin::Environment(_) | Origin::CommandLine(_) => others += 1,
        }
    }
    let file = file.map_or_else(|| "no option comes from a file".into(), |file| format!("{from_file} from {file}"));
    vec![Finding::fine("config", format!("{file}, {others} from environment and command line"))]
}

/// The Emacs that would hold the board, and the module in it.
pub(super) fn emacs(settings: &Settings) -> Vec<Finding> {
    let program = match settings.path(Key::EmacsProgram) {
        Ok(program) => program.expect("it has a default"),
        Err(failure) => return vec![Finding::of_failure("emacs", &failure)],
    };
    let lisp = settings.path(Key::EmacsLisp).and_then(|given| {
        emacs_daemon::lisp_directory(given, &this_program()?).map_err(crate::cli::commands::daemon::launch_failure)
    });
    match lisp {
        Err(failure) => vec![Finding::of_failure("lisp", &failure)],
        Ok(lisp) => {
            let mut findings = vec![compiled(&lisp)];
            findings.extend(probe(&program, &lisp));
            findings
        }
    }
}

/// Whether the Lisp is compiled, and from what stands there now.
fn compiled(lisp: &Path) -> Finding {
    let modified = |name: &str| lisp.join(name).metadata().and_then(|found| found.modified()).ok();
    let place = lisp.display();
    match (modified("fleet.el"), modified("fleet.elc")) {
        (_, None) => {
            Finding::warning("lisp", format!("{place} is not compiled, so all is slower")).hint("`make build`")
        }
        (Some(source), Some(compiled)) if source > compiled => {
            Finding::warning("lisp", format!("{place} has changed since it was compiled")).hint("`make build`")
        }
        _ => Finding::fine("lisp", format!("{place}")),
    }
}

fn probe(program: &Path, lisp: &Path) -> Vec<Finding> {
    let mut command = Command::new(program);
    command.args(["-Q", "--batch", "-L"]).arg(lisp).args(["--eval", PROBE]);
    let broken = |message: String| {
        let hint = "name another with FLEET_EMACS or emacs.program; 28.1 or later is needed";
        vec![Finding::broken("emacs", Code::Config, message).hint(hint)]
    };
    match process::run(&mut command, Duration::from_secs(EMACS_SECS_MAX), SAID_BYTES_MAX) {
        Err(e) => broken(e.to_string()),
        Ok(Finished { status, stdout, stderr }) => {
            let said = String::from_utf8_lossy(&stdout);
            let lines: Vec<&str> = said.lines().collect();
            match lines[..] {
                [version, modules, module, ..] => vec![judge_emacs(program, version, modules), judge_module(module)],
                _ => broken(format!("{} ended ({status}): {stderr}", program.display())),
            }
        }
    }
}

fn judge_emacs(program: &Path, version: &str, modules: &str) -> Finding {
    let program = program.display();
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    if numbers < vec![28, 1] {
        return Finding::broken("emacs", Code::Config, format!("{program} is version {version}"))
            .hint("28.1 or later is needed: name it with FLEET_EMACS or emacs.program");
    }
    if modules != "t" {
        return Finding::broken("emacs", Code::Config, format!("{program} {version} has no dynamic modules"))
            .hint("it must be built with --with-modules");
    }
    Finding::fine("emacs", format!("{program} {version}"))
}

fn judge_module(said: &str) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    match said.strip_prefix("! ") {
        Some(error) => Finding::broken("module", Code::Config, error).hint("`make build`, or install it again"),
        None if said != ours => {
            Finding::broken("module", Code::Config, format!("the Lisp loads module {said}, this program is {ours}"))
                .hint("install program, Lisp and module of one version")
        }
        None => Finding::fine("module", format!("version {said} loads")),
    }
}

/// The program that is the second way to Emacs.
pub(super) fn client() -> Vec<Finding> {
    let mut command = Command::new("emacsclient");
    let said = process::run(command.arg("--version"), Duration::from_secs(EMACS_SECS_MAX), SAID_BYTES_MAX);
    vec![match said {
        Ok(Finished { status, stdout, .. }) if status.success() => {
            Finding::fine("client", String::from_utf8_lossy(&stdout).trim())
        }
        Ok(Finished { status, .. }) => Finding::warning("client", format!("emacsclient fails ({status})")),
        Err(e) => Finding::warning("client", e.to_string())
            .hint("without it `fleet eval`, `fleet daemon stop` and the second way to Emacs do not work"),
    }]
}
