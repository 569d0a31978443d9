//! The example notebook shows what it does: evaluated in a daemon, it comes out as it is shipped.

use crate::support::{
    daemon::Daemon,
    fleet::Fleet,
    process::{PATIENCE, run_within},
    sandbox::Sandbox,
};
use std::{fs, path::Path};

/// Evaluates every block as `C-c C-v b` does and writes the notebook.
const EVALUATE: &str = "(progn (require 'ob-shell) (find-file \"notebook.org\") \
    (let ((org-confirm-babel-evaluate nil)) (org-babel-execute-buffer)) \
    (let ((kill-buffer-query-functions nil)) (kill-buffer \"*notebook*\")) (save-buffer) 'evaluated)";

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)).expect("an example")
}

#[test]
fn the_notebook_polls_claims_works_reports_and_shows_what_it_says() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &example("dispatch.org"));
    sandbox.write("notebook.org", &example("notebook.org"));
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let evaluated = run_within(daemon.client().args(["-e", EVALUATE]), PATIENCE);
    assert_eq!(String::from_utf8_lossy(&evaluated.stdout).trim(), "evaluated", "{evaluated:?}");
    let shown = sandbox.read("notebook.org");
    // To take in results that are meant to change.
    if std::env::var_os("FLEET_UPDATE_NOTEBOOK").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/notebook.org"), &shown).expect("written");
    }
    assert_eq!(shown, example("notebook.org"));

    let text = daemon.eval("(with-current-buffer (fleet-board-buffer) (save-buffer) 'saved)");
    assert_eq!(text, "saved");
    let text = fleet.text();
    let start = text.find("* DONE [#A] TASK-001 Deploy auth service").expect("the task that was best is done");
    let done = &text[start..start + text[start..].find("\n* ").expect("there are others")];
    assert!(done.contains(":RESULT: Read all 8 words\n") && done.contains("timmy: read it"), "{done}");
    assert!(text.contains("\n* PENDING Fix payment webhook"), "released again:\n{text}");
    assert!(text.contains("\n** PENDING TASK-010 Build the images"), "vetoed:\n{text}");
    let hooks = daemon.eval("(list fleet-event-functions fleet-claim-veto-functions)");
    assert_eq!(hooks, "(nil nil)", "the notebook takes its functions away again");
}
