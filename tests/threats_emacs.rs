//! What agents' text, and a board from somewhere else, could do to an Emacs: each threat is tried on a real daemon.

use crate::support::{
    clients::race,
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS, Ran},
    live::{Agent, BOARD, Live},
    process::{PATIENCE, run_within},
    sandbox::{Sandbox, lisp_dir},
};
use fleet::core::code::Code;
use serde_json::json;
use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// Writes the file that shows that somebody's text was evaluated.
fn canary(sandbox: &Sandbox) -> (PathBuf, String) {
    let path = sandbox.path("CANARY");
    let form = format!("(write-region \"\" nil {path:?})");
    (path, form)
}

#[test]
fn threat_54_what_closes_a_lisp_string_stays_data_on_every_way_through_emacsclient() {
    let sandbox = Sandbox::new();
    let (canary, form) = canary(&sandbox);
    let fleet = Fleet::new(&sandbox, "odd \") (error \"pwn/dispatch.org", KEYWORDS);
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let texts = [
        "\") (error \"pwn".to_owned(),
        format!("\") {form} (\""),
        format!("\\\") {form} (\\\""),
        format!("`{form}` $(touch {canary:?}) ,{form} #.{form} '; touch {canary:?}; '"),
        "\\".to_owned(),
        "-e".to_owned(),
    ];
    for (n, text) in texts.iter().enumerate() {
        const ARGS: [&str; 5] = ["--json", "--agent", "crane", "--via", "emacsclient"];
        let ask = |words: &[&str]| Ran::of(run_within(&mut fleet.command(&[&ARGS, words].concat()), PATIENCE)).json();
        let id = format!("T-{n}");
        let title = format!("evil {text}");
        assert_eq!(ask(&["add", "--id", &id, "--body", text, "--", &title])["task"]["title"], title.as_str());
        let task = &ask(&["claim", &id])["task"];
        assert_eq!((&task["title"], &task["body"]), (&json!(title), &json!(text)));
        ask(&["note", &id, "--", text]);
        ask(&["append", "--", text]);
        let result = format!("--result={text}");
        assert_eq!(ask(&["done", &id, &result])["task"]["result"], text.as_str());
        let unknown = fleet.run(&[&ARGS[..], &["claim", "--", text]].concat());
        assert_eq!(unknown.reason(Code::NotFound), "unknown-task");
        let agent = fleet.run(&["poll", &format!("--agent={text}"), "--via", "emacsclient", "--json"]);
        assert_eq!(agent.code, i32::from(Code::Usage.exit()), "{agent:?}");
    }
    // The entry point itself, called by somebody who puts text between the quotes.
    let output = run_within(daemon.client().args(["-e", "(fleet-rpc \"\\\") (error \\\"pwn\")"]), PATIENCE);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(!canary.exists(), "text was evaluated");
    assert_eq!(daemon.eval("(fleet--mod-is-open)"), "t");
}

/// A board that wants to run `form` in as many ways as Emacs knows, and a directory that wants it, too.
fn with_local_variables(sandbox: &Sandbox, form: &str) -> PathBuf {
    let unsafe_value = "org-confirm-babel-evaluate";
    sandbox.write(
        ".dir-locals.el",
        &format!("((nil . ((eval . {form}) ({unsafe_value} . nil) (fleet-agent . \"evil\"))))"),
    );
    // In two pieces: this is not meant for the Emacs in which this file is read.
    let footer = ["# Local ", "Variables:"].concat();
    sandbox.write(
        BOARD,
        &format!(
            "# -*- mode: canary; eval: {form} -*-\n{KEYWORDS}* PENDING TASK-1 Dredge\n{footer}\n# mode: canary\n\
             # eval: {form}\n# {unsafe_value}: nil\n# fleet-agent: \"evil\"\n# write-file-functions: (ignore)\n# End:\n"
        ),
    )
}

#[test]
fn threat_55_local_variables_of_board_and_directory_neither_ask_nor_count() {
    let sandbox = Sandbox::new();
    let (canary, form) = canary(&sandbox);
    let board = with_local_variables(&sandbox, &form);
    let serve = format!("(fleet-serve {board:?})");
    let mode = format!("(defun canary-mode () {form})");
    let live = Live { sandbox: &sandbox, daemon: Daemon::with_lisp(&sandbox, &["(require 'fleet)", &mode, &serve]) };
    let variables = "(list major-mode org-confirm-babel-evaluate (equal fleet-agent \"evil\") \
                     (and (memq 'ignore write-file-functions) t))";
    let untouched = "(org-mode t nil nil)";
    assert_eq!(live.lisp(variables), untouched);
    assert!(live.claim("TASK-1").ok);
    live.until_saved();

    // Read again, because the file was changed.
    let text = live.file().replace("Dredge", "Dredge again");
    fs::write(&board, text).expect("written");
    live.until("the change is seen", || live.text().contains("Dredge again"));
    assert_eq!(live.lisp(variables), untouched);

    // Visited again, because the buffer was killed.
    assert_eq!(live.lisp("(kill-buffer)"), "t");
    assert!(live.fleet(&["done", "TASK-1", "--agent", "timmy"]).ok);
    assert_eq!(live.lisp(variables), untouched);
    assert!(!canary.exists(), "a local variable was evaluated");
}

#[test]
fn threat_56_links_blocks_and_files_named_on_a_board_are_never_opened_or_evaluated() {
    let sandbox = Sandbox::new();
    let (canary, form) = canary(&sandbox);
    let shell = format!("touch {}", canary.display());
    // Whoever opens this one for reading waits for ever.
    let pipe = sandbox.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let pipe = pipe.display();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener that does not wait");
    let url = format!("http://{}/setup.org", listener.local_addr().expect("an address"));
    let evil = format!(
        "[[elisp:{form}][ticket]] elisp:{form} [[shell:{shell}]] [[x:evil]] <elisp:{form}> [[file:{pipe}]] \
         src_emacs-lisp[:eval yes]{{{form}}} call_canary() {{{{{{canary}}}}}} <<<TASK>>> [[{url}]]"
    );
    let block = format!(
        "#+NAME: canary\n#+begin_src emacs-lisp :eval yes :results silent\n{form}\n#+end_src\n#+CALL: canary()\n\
         #+begin_src sh :eval yes :session x\n{shell}\n#+end_src\n| 1 |\n#+TBLFM: $1='{form}\n%%{form}\n<%%{form}>\n"
    );
    let board = format!(
        "#+SETUPFILE: {url}\n#+SETUPFILE: {pipe}\n#+SETUPFILE: /ssh:localhost:x\n#+INCLUDE: \"{pipe}\"\n\
         #+LINK: x %(canary)\n#+MACRO: canary (eval {form})\n#+PROPERTY: header-args :eval yes\n\
         #+STARTUP: inlineimages latexpreview\n#+BIND: org-confirm-babel-evaluate nil\n#+BEGIN: canary\n#+END:\n\
         {KEYWORDS}* PENDING TASK-1 {evil}\n{evil}\n{block}"
    );
    let live = Live::with(&sandbox, &board);
    live.daemon.eval(&format!("(progn (defun canary (&rest _) {form}) (defalias 'org-dblock-write:canary 'canary) 1)"));
    let person = live.person();
    let mut agent = Agent::at(&live.socket(), "timmy");
    let add = json!({ "verb": "add", "title": "TASK-2 plain", "task": "TASK-2", "body": format!("{evil}\n{board}") });
    assert!(agent.ask(&add).ok);
    for task in ["TASK-1", "TASK-2"] {
        for call in [
            json!({ "verb": "claim", "task": task }),
            json!({ "verb": "note", "task": task, "text": evil }),
            json!({ "verb": "show", "task": task }),
            json!({ "verb": "done", "task": task, "result": evil }),
        ] {
            assert!(agent.ask(&call).ok, "{call}");
        }
    }
    assert!(agent.ask(&json!({ "verb": "append", "text": evil })).ok);
    let views = "(progn (fleet-list :show t) (fleet-poll nil :show t) (fleet-show \"TASK-1\" :show t) \
                 (fleet-log :show t) (fleet-status :show t) (fleet-visit \"TASK-2\") 1)";
    assert_eq!(live.lisp("(and (member \"FAILED\" org-done-keywords) t)"), "t", "Org has read the board to its end");
    assert_eq!(live.daemon.eval(views), "1");
    live.until("it is saved", || live.status().unsaved == 0);
    fs::write(sandbox.path(BOARD), live.file().replace("plain", "plainer")).expect("written");
    let is_seen = "(save-excursion (goto-char (point-min)) (and (search-forward \"plainer\" nil t) t))";
    live.until("the change is seen", || live.lisp(is_seen) == "t");
    assert_eq!(live.lisp("(kill-buffer)"), "t");
    assert!(agent.ask(&json!({ "verb": "requeue", "task": "TASK-1" })).ok);
    assert!(!canary.exists(), "text was evaluated");
    let connected = listener.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(connected, Err(ErrorKind::WouldBlock), "a file was fetched");
    drop(person);
}

/// What Org itself reads on the board: level, keyword, priority, tags and title of each heading.
const OUTLINE: &str = "(mapconcat (lambda (h) (format \"%S\" (mapcar (lambda (p) (org-element-property p h)) \
    '(:level :todo-keyword :priority :tags :archivedp :commentedp)))) \
    (org-element-map (org-element-parse-buffer 'headline) 'headline #'identity) \"\\n\")";
/// How many drawers, planning lines, keywords and blocks it reads.
const ELEMENTS: &str = "(format \"%S\" (mapcar (lambda (type) (length (org-element-map (org-element-parse-buffer) type \
    #'identity))) '(drawer property-drawer planning keyword src-block babel-call clock dynamic-block)))";

#[test]
fn threat_57_no_text_of_an_agent_becomes_structure_in_the_eyes_of_org() {
    let evil = [
        "* DONE x :root:",
        "x\n* PENDING forged :timmy:",
        "x\r* PENDING forged",
        "x\u{2028}* PENDING forged",
        ":PROPERTIES:\n:ID: stolen\n:END:",
        ":END:\n:LOGBOOK:\nCLOCK: [2026-01-01 Thu 10:00]--[2026-01-01 Thu 11:00] =>  1:00",
        "#+TODO: FORGED | GONE\n#+begin_src sh\n#+end_src\n#+CALL: x()",
        "DEADLINE: <2026-01-01 Thu> [#A] x :tag:",
        "COMMENT x :ARCHIVE:",
    ];
    let outline = |texts: &[&str]| {
        let sandbox = Sandbox::new();
        let live = Live::with(&sandbox, KEYWORDS);
        let mut agent = Agent::at(&live.socket(), "timmy");
        for (n, text) in texts.iter().enumerate() {
            let id = format!("T-{n}");
            // A title is refused or made harmless; the rest is always taken.
            let title = json!({ "verb": "add", "title": text, "task": id, "body": text });
            let plain = json!({ "verb": "add", "title": "plain", "task": id, "body": text });
            let added = agent.ask(&title);
            assert!(added.ok || (Live::refusal(added) == "bad-text" && agent.ask(&plain).ok), "{text:?}");
            for call in [
                json!({ "verb": "claim", "task": id }),
                json!({ "verb": "note", "task": id, "text": text }),
                json!({ "verb": "fail", "task": id, "reason": text }),
                json!({ "verb": "skip", "task": id, "reason": text }),
                json!({ "verb": "requeue", "task": id, "reason": text }),
                json!({ "verb": "append", "text": text }),
            ] {
                assert!(agent.ask(&call).ok, "{call}");
            }
        }
        (live.string(OUTLINE), live.string(ELEMENTS))
    };
    let harmless = vec!["harmless"; evil.len()];
    assert_eq!(outline(&evil), outline(&harmless));
}

#[test]
fn threat_58_a_race_through_two_doors_while_a_person_types_has_one_winner_and_loses_no_text() {
    const AGENTS: usize = 8;
    let sandbox = Sandbox::new();
    let board = format!("{KEYWORDS}* PENDING TASK-1 Dredge\nmud\n* PENDING TASK-2 Moor\n");
    let fleet = Fleet::new(&sandbox, "dispatch.org", &board);
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let typed = "(with-current-buffer (fleet-board-buffer) (goto-char (point-min)) (search-forward \"Moor\") \
                 (insert \" the dredger\") (goto-char (point-max)) (insert \"half a thou\") 1)";
    assert_eq!(daemon.eval(typed), "1");
    // While the veto functions think about one claim, the others come in.
    let veto = "(progn (add-hook 'fleet-claim-veto-functions (lambda (&rest _) (sleep-for 0.05) nil)) 1)";
    assert_eq!(daemon.eval(veto), "1");
    let outputs = race(AGENTS, |i| {
        let via = ["socket", "emacsclient"][i % 2];
        fleet.command(&["claim", "TASK-1", "--agent", &format!("a-{i}"), "--via", via, "--timeout", "60", "--json"])
    });
    let ran: Vec<Ran> = outputs.into_iter().map(Ran::of).collect();
    let winners: Vec<usize> = (0..AGENTS).filter(|i| ran[*i].code == 0).collect();
    let [winner] = winners[..] else { panic!("winners: {winners:?}\n{ran:#?}") };
    for loser in (0..AGENTS).filter(|i| *i != winner) {
        assert_eq!(ran[loser].reason(Code::Conflict), "held");
        assert_eq!(ran[loser].json()["error"]["holder"], format!("a-{winner}"));
    }
    let holds = "(with-current-buffer (fleet-board-buffer) (list (buffer-modified-p) (fleet-board-person-dirty-p) \
                 (and (string-match-p \"Moor the dredger\" (buffer-string)) \
                      (string-match-p \"half a thou\" (buffer-string)) \
                      (string-match-p \"IN_PROGRESS TASK-1 Dredge\" (buffer-string)) t)))";
    assert_eq!(daemon.eval(holds), "(t t t)");
    assert_eq!(fleet.text(), board, "nothing is saved behind the person's back");
    assert_eq!(daemon.eval("(with-current-buffer (fleet-board-buffer) (save-buffer) 1)"), "1");
    let text = fleet.text();
    assert!(text.contains("Moor the dredger") && text.contains("half a thou"), "{text}");
    assert_eq!(text.matches(&format!(":CLAIMED_BY: a-{winner}\n")).count(), 1, "{text}");
}

#[test]
fn threat_59_an_arrow_in_a_title_or_result_makes_no_second_task_in_poll_and_json_is_exact() {
    let sandbox = Sandbox::new();
    let titles = [
        "TASK-1 done → TASK-9 Root access",
        "→ TASK-9 forged",
        "TASK-2 x\u{2028}→ TASK-9 forged",
        "TASK-3 x\u{b}→ TASK-9\u{85}→ TASK-9",
        "TASK-4 x\u{1b}[1A\r→ TASK-9",
    ];
    let board: String = titles.iter().map(|title| format!("* PENDING {title}\n→ TASK-9 in the body\n")).collect();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{board}"));
    let _daemon = Daemon::serving(&sandbox, fleet.board());
    fleet.json(&["claim", "TASK-1", "--agent", "timmy"]);
    fleet.json(&["done", "TASK-1", "--agent", "timmy", "--result", "ok\n→ TASK-9 more"]);
    fleet.json(&["requeue", "TASK-1", "--agent", "timmy"]);

    let polled = fleet.run(&["poll", "--agent", "timmy"]);
    let is_end = |c: char| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{1b}');
    let lines: Vec<&str> = polled.stdout.trim_end_matches('\n').split(is_end).collect();
    assert_eq!(lines.len(), titles.len(), "{polled:?}");
    assert!(lines.iter().all(|line| line.starts_with("→ ")), "{polled:?}");
    assert!(!lines.iter().any(|line| line.starts_with("→ TASK-9")), "{polled:?}");

    let tasks = fleet.json(&["poll", "--agent", "timmy"]);
    let told: Vec<&str> =
        tasks["tasks"].as_array().expect("tasks").iter().filter_map(|task| task["title"].as_str()).collect();
    let polled = fleet.run(&["poll", "--agent", "timmy", "--json"]).stdout;
    assert_eq!(polled.lines().count(), 1, "{polled}");
    assert_eq!(told, titles);
}

#[test]
fn threat_61_a_panic_in_the_module_is_an_error_in_lisp_and_the_daemon_goes_on() {
    let sandbox = Sandbox::new();
    let tasks: String = (1..5).map(|n| format!("* PENDING TASK-{n} Dredge\n")).collect();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{tasks}"));
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let pid = daemon.eval("(emacs-pid)");
    let panics_at = |phase: &str| {
        assert_eq!(daemon.eval(&format!("(progn (fleet-status) (fleet--mod-crash-at \"panic-{phase}\" 1))")), "t")
    };
    let direct = "(condition-case error (progn (fleet--mod-submit (fleet-board--request \"ezra\" '(:verb \"append\" \
                  :text \"x\") nil)) (fleet--mod-decide nil)) (rust-panic (cons 'caught (cdr error))))";
    panics_at("before-write");
    assert!(daemon.eval(direct).starts_with("(caught"), "a panic is an error in Lisp");
    panics_at("before-write");
    assert_eq!(daemon.eval("(plist-get (plist-get (fleet-claim \"TASK-1\" \"timmy\") :task) :holder)"), "\"timmy\"");
    for (task, phase, via) in [
        ("TASK-2", "before-write", "socket"),
        ("TASK-3", "after-sync", "socket"),
        ("TASK-4", "after-sync", "emacsclient"),
    ] {
        panics_at(phase);
        let claimed = fleet.json(&["claim", task, "--agent", "crane", "--via", via]);
        assert_eq!(claimed["task"]["holder"], "crane", "{claimed}");
        assert_eq!(claimed["replayed"] == true, phase == "after-sync", "{claimed}");
        let log = fleet.json(&["log", "--task", task]);
        assert_eq!(log["events"].as_array().map(Vec::len), Some(1), "{log}");
    }
    let status = fleet.json(&["status"]);
    assert_eq!(status["status"]["state"], "ok", "{status}");
    assert!(status["status"]["notices"].to_string().contains("a panic that a test asked for"), "{status}");
    assert_eq!(daemon.eval("(emacs-pid)"), pid);
    let agrees = "(with-current-buffer (fleet-board-buffer) (fleet-board--process) \
                  (not (fleet--mod-resync-all (buffer-substring-no-properties (point-min) (point-max)))))";
    assert_eq!(daemon.eval(agrees), "t");
}

#[test]
fn threat_61_c_g_ends_a_function_that_never_ends_and_the_daemon_goes_on() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, &format!("{KEYWORDS}* PENDING TASK-1 Dredge\n* PENDING TASK-2 Moor\n"));
    let mut person = live.person();
    let (begun, log) = (sandbox.path("begun"), live.sandbox.path("heard"));
    let endless = format!(
        "(progn (defun endless (event) (when (equal (plist-get event :kind) \"claimed\") \
           (write-region \"\" nil {begun:?}) (while t))) \
         (add-hook 'fleet-event-functions #'endless) \
         (add-hook 'fleet-event-functions (lambda (event) (write-region (plist-get event :kind) nil {log:?})) t) 1)"
    );
    assert_eq!(live.daemon.eval(&endless), "1");
    assert!(live.claim("TASK-1").ok, "the reply has left before");
    let deadline = std::time::Instant::now() + PATIENCE;
    while !begun.exists() {
        assert!(std::time::Instant::now() < deadline, "the function is never called");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    person.type_keys("C-g");
    live.until("Emacs answers again", || live.fleet(&["poll"]).ok);
    live.until("the next function was called", || fs::read_to_string(&log).is_ok_and(|kind| !kind.is_empty()));
    live.until("it is told", || {
        live.status().notices.iter().any(|notice| notice.contains("endless") && notice.contains("Quit"))
    });
    assert_eq!(live.daemon.eval("(progn (remove-hook 'fleet-event-functions #'endless) 1)"), "1");
    assert!(live.claim("TASK-2").ok);
}

/// The Lisp of this checkout reads no board but through the functions that trust nothing (threats 55 and 56).
#[test]
fn threat_56_no_lisp_of_ours_opens_links_or_evaluates_text() {
    let banned = [
        "org-open-at-point",
        "org-link-open",
        "org-babel-execute",
        "org-table-recalculate",
        "browse-url",
        "(eval ",
        "read-from-string \"",
        "call-process-shell-command",
        "shell-command",
        "org-export",
    ];
    let files = fs::read_dir(lisp_dir()).expect("Lisp").flatten().map(|entry| entry.path());
    let is_source = |path: &Path| path.extension().is_some_and(|extension| extension == "el");
    let mut seen = 0;
    for path in files.filter(|path| is_source(path)) {
        let text = fs::read_to_string(&path).expect("text");
        let code = text.lines().filter(|line| !line.trim_start().starts_with(';'));
        for line in code {
            seen += 1;
            let found = banned.iter().find(|word| line.contains(*word));
            assert_eq!(found, None, "{}: {line}", path.display());
        }
    }
    assert!(seen > 1_000, "{seen} lines of Lisp");
}
