//! The program from outside: exit codes, what it prints, what it repeats.

use crate::support::program::{Answer, Ran, Sandbox};
use fleet::{
    adapters::socket::write_frame,
    core::{
        code::Code,
        wire::{Call, Failure, Reply, Request, TaskInfo},
    },
};
use std::{
    fs,
    os::unix::net::{UnixListener, UnixStream},
    process::Stdio,
    sync::mpsc,
};

fn send(reply: &Reply, stream: UnixStream) {
    let json = serde_json::to_vec(reply).expect("plain");
    // The client may have given up; that is its test's business.
    let _ = write_frame(&mut &stream, &json, 64 << 20);
}

/// Answers with what `make` makes of a positive reply.
fn reply(make: impl FnOnce(Reply) -> Reply + Send + 'static) -> Answer {
    Box::new(|request: &Request, stream| send(&make(Reply::ok(&request.id)), stream))
}

fn refuse(failure: Failure) -> Answer {
    Box::new(|request: &Request, stream| send(&Reply::refused(Some(&request.id), failure), stream))
}

/// Hangs up without a word.
fn hang_up() -> Answer {
    Box::new(|_, stream| drop(stream))
}

fn deploy() -> TaskInfo {
    TaskInfo {
        name: "TASK-001".into(),
        title: "TASK-001 Deploy auth service".into(),
        state: "pending".into(),
        keyword: "PENDING".into(),
        priority: Some("A".into()),
        tags: vec!["timmy".into(), "allegro".into()],
        ..TaskInfo::default()
    }
}

#[test]
fn poll_prints_one_arrow_line_per_task_and_the_name_follows_the_arrow() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(vec![reply(|r| {
        let plain = TaskInfo { name: "Fix \u{2192} it".into(), title: "Fix \u{2192} it".into(), ..deploy() };
        Reply { tasks: Some(vec![deploy(), TaskInfo { priority: None, tags: vec![], ..plain }]), ..r }
    })]);
    let ran = sandbox.fleet(&["poll", "--agent", "timmy"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stdout, "→ TASK-001 [#A] Deploy auth service :timmy:allegro:\n→ Fix → it\n");
    let requests = server.join().expect("served");
    assert_eq!(requests[0].agent.as_ref().map(|a| a.as_str()), Some("timmy"));
}

#[test]
fn poll_without_tasks_succeeds_and_prints_no_arrow() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(vec![reply(|r| Reply { tasks: Some(vec![]), ..r })]);
    let ran = sandbox.fleet(&["poll", "--agent", "timmy"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "no tasks for timmy\n"));
}

#[test]
fn a_claim_prints_the_whole_task_and_takes_the_agent_from_the_environment() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(vec![reply(|r| {
        let token = Some("1-42".parse().expect("a token"));
        let task = TaskInfo { token, attempts: 2, body: Some("Do\u{1b}[2J it.\n".into()), ..deploy() };
        Reply { token, task: Some(task), ..r }
    })]);
    let ran = Ran::of(sandbox.command(&["claim", "--next", "--tag", "deploy"]).env("FLEET_AGENT", "timmy"));
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in ["TASK-001 [#A] Deploy", "1-42", "attempts", "Do\u{fffd}[2J it."] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let request = &server.join().expect("served")[0];
    assert_eq!(request.call, Call::Claim { task: None, tags: vec!["deploy".into()], resume: false });
}

#[test]
fn every_code_of_a_refusal_is_the_exit_code_with_and_without_json() {
    for code in Code::ALL.into_iter().filter(|code| *code != Code::Ok) {
        let failure = || Failure::new(code, "why", "it was refused").hint("look there");
        let sandbox = Sandbox::new();
        let _server = sandbox.serve(vec![refuse(failure()), refuse(failure())]);
        let human = sandbox.fleet(&["done", "TASK-001", "--agent", "timmy"]);
        assert_eq!((human.code, human.stdout.as_str()), (code.exit().into(), ""));
        assert_eq!(human.stderr, "fleet: it was refused\nhint: look there\n");
        let machine = sandbox.fleet(&["--json", "done", "TASK-001", "--agent", "timmy"]);
        assert_eq!((machine.code, machine.stderr.as_str()), (code.exit().into(), ""));
        assert_eq!(machine.json()["error"]["code"], code.name());
    }
}

#[test]
fn json_is_the_reply_itself_in_one_line() {
    let sandbox = Sandbox::new();
    let full = |r| Reply { task: Some(deploy()), number: Some(7), notices: vec!["a\nb".into()], ..r };
    let _server = sandbox.serve(vec![reply(full)]);
    let ran = sandbox.fleet(&["show", "TASK-001", "--json", "--request-id", "r-1"]);
    let printed: Reply = serde_json::from_value(ran.json()).expect("a reply");
    assert_eq!(printed, full(Reply::ok(&fleet::core::id::RequestId::new("r-1").expect("valid"))));
}

#[test]
fn wrong_names_and_ids_exit_2_and_name_the_argument() {
    let sandbox = Sandbox::new();
    let cases: [(&[&str], &str); 9] = [
        (&["poll", "--agent", "Bad Name"], "--agent"),
        (&["poll", "--agent", "human"], "--agent"),
        (&["claim", "a\nb", "--agent", "timmy"], "[TASK]"),
        (&["done", "T", "--agent", "timmy", "--token", "x"], "--token"),
        (&["add", ""], "<TITLE>"),
        (&["add", "T", "--priority", "AB"], "--priority"),
        (&["list", "--tag", "a b"], "--tag"),
        (&["status", "--request-id", "a b"], "--request-id"),
        (&["claim", "--agent", "timmy"], "--next"),
    ];
    for (args, argument) in cases {
        let ran = sandbox.fleet(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}");
        assert!(ran.stderr.contains(argument), "{args:?}: {}", ran.stderr);
        let json = sandbox.fleet(&[args, &["--json"]].concat());
        assert_eq!((json.code, json.json()["error"]["code"].as_str()), (2, Some("usage")), "{args:?}");
    }
    let bad = Ran::of(sandbox.command(&["poll"]).env("FLEET_AGENT", "Bad"));
    assert_eq!(bad.code, 9);
    assert!(bad.stderr.contains("FLEET_AGENT"), "{bad:?}");
    let none = sandbox.fleet(&["done", "T"]);
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("--agent"), "{none:?}");
}

#[test]
fn nobody_to_ask_exits_6_and_says_how_to_start() {
    let sandbox = Sandbox::new();
    for verb in [&["status"][..], &["claim", "--next", "--agent", "timmy"], &["daemon", "status"]] {
        let ran = sandbox.fleet(verb);
        assert_eq!(ran.code, 6, "{ran:?}");
        assert!(ran.stderr.contains("hint: ") && ran.stderr.contains("fleet daemon start"), "{ran:?}");
        assert!(!ran.stderr.contains("outcome unknown"), "nothing was sent: {ran:?}");
    }
    assert_eq!(sandbox.fleet(&["status", "--json"]).json()["error"]["reason"], "no-owner");
}

#[test]
fn while_another_host_is_configured_nothing_is_asked_here() {
    let sandbox = Sandbox::new();
    sandbox.own(Some(&sandbox.path("nowhere")));
    sandbox.script("ssh", "echo 'ssh: connect to host bezalel port 22: Connection refused' >&2; exit 255");
    sandbox.script("emacsclient", "touch $HOME/asked");
    for (verb, code) in
        [(&["poll"][..], 6), (&["eval", "1"], 6), (&["daemon", "start"], 2), (&["poll", "--offline"], 2)]
    {
        let mut command = sandbox.command(verb);
        let ran = Ran::of(command.env("BEZALEL_HOST", "bezalel").env("XDG_RUNTIME_DIR", sandbox.path("")));
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stderr.contains("bezalel"), "{ran:?}");
        assert!(!ran.stderr.contains("unknown"), "nothing was sent: {ran:?}");
    }
    assert!(!sandbox.path("asked").exists());
}

#[test]
fn a_dropped_connection_is_retried_with_the_same_request_id() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(vec![hang_up(), hang_up(), reply(|r| Reply { replayed: true, ..r })]);
    let ran = sandbox.fleet(&["append", "hello", "--agent", "timmy"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let requests = server.join().expect("served");
    assert!(requests.iter().all(|request| *request == requests[0]), "{requests:?}");
    let second = sandbox.fleet(&["append", "hello", "--agent", "timmy", "--json"]);
    assert_ne!(second.json()["id"], requests[0].id.as_str(), "each invocation has its own id");
}

#[test]
fn retries_end_and_a_mutation_in_doubt_says_how_to_repeat_it() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve((0..4).map(|_| hang_up()).collect());
    let ran = sandbox.fleet(&["done", "T", "--agent", "timmy", "--request-id", "r-7"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.stderr.contains("outcome unknown") && ran.stderr.contains("--request-id r-7"), "{ran:?}");
    assert_eq!(server.join().expect("served").len(), 4);
}

#[test]
fn a_request_lost_on_the_socket_goes_on_through_emacsclient_with_the_same_id() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve((0..4).map(|_| hang_up()).collect());
    fs::write(sandbox.path("emacs.socket"), "").expect("written");
    // Answers like fleet-rpc: decodes the request, makes a reply with its id, encodes it into a Lisp string.
    sandbox.script(
        "emacsclient",
        r#"printf '%s\n' "$@" > "$HOME/argv"; env > "$HOME/env"
           id=$(printf %s "$5" | sed 's/^(fleet-rpc "//; s/")$//' | base64 -d | sed 's/.*"id":"\([^"]*\)".*/\1/')
           printf '"%s"\n' "$(printf '{"v":1,"id":"%s","ok":true}' "$id" | base64 -w0)""#,
    );
    let socket = sandbox.path("emacs.socket");
    let mut command = sandbox.command(&["append", "hi", "--agent", "timmy", "--json"]);
    let ran = Ran::of(command.env("EMACS_SOCKET", &socket).env("ALTERNATE_EDITOR", "vi"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["id"], server.join().expect("served")[0].id.as_str());
    let argv = fs::read_to_string(sandbox.path("argv")).expect("called");
    assert!(argv.starts_with(&format!("-s\n{}\n-e\n--\n(fleet-rpc \"", socket.display())), "{argv}");
    assert!(!fs::read_to_string(sandbox.path("env")).expect("called").contains("ALTERNATE_EDITOR"));
}

#[test]
fn emacsclients_exit_status_is_not_taken_for_an_answer() {
    let sandbox = Sandbox::new();
    let socket = sandbox.path("emacs.socket");
    fs::write(&socket, "").expect("written");
    for script in ["exit 0", "echo nil", r#"echo '"bm9uc2Vuc2U="'"#, "echo '*ERROR*: void-function' >&2; exit 1"] {
        sandbox.script("emacsclient", script);
        let ran = Ran::of(sandbox.command(&["done", "T", "--agent", "timmy"]).env("EMACS_SOCKET", &socket));
        assert_eq!(ran.code, 6, "{script}: {ran:?}");
        assert!(ran.stderr.contains("outcome unknown"), "{script}: {ran:?}");
    }
}

#[test]
fn silence_until_the_time_is_up_is_an_unknown_outcome_only_for_what_changes_something() {
    let sandbox = Sandbox::new();
    let (hold, held) = mpsc::channel();
    let silent =
        |hold: mpsc::Sender<UnixStream>| -> Answer { Box::new(move |_, stream| hold.send(stream).expect("held")) };
    let _server = sandbox.serve(vec![silent(hold.clone()), silent(hold)]);
    let done = sandbox.fleet(&["done", "T", "--agent", "timmy", "--timeout", "1"]);
    let poll = sandbox.fleet(&["poll", "--timeout", "1"]);
    drop(held);
    assert_eq!((done.code, poll.code), (6, 6));
    assert!(done.stderr.contains("outcome unknown") && done.stderr.contains("--request-id"), "{done:?}");
    assert!(!poll.stderr.contains("outcome unknown"), "{poll:?}");
}

#[test]
fn a_closed_pipe_ends_quietly_with_the_verbs_own_code() {
    let sandbox = Sandbox::new();
    let many = vec![deploy(); 10_000];
    let _server = sandbox.serve(vec![reply(|r| Reply { tasks: Some(many), ..r })]);
    let mut child = sandbox.command(&["poll"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn add_reads_its_body_from_standard_input() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("body"), "line one\n* not a heading\n").expect("written");
    let server = sandbox.serve(vec![reply(|r| Reply { task: Some(deploy()), ..r })]);
    let mut command = sandbox.command(&["add", "Deploy", "--body-file", "-", "--blocked-by", "A", "--blocked-by", "B"]);
    let ran = Ran::of(command.env("FLEET_AGENT", "timmy").stdin(fs::File::open(sandbox.path("body")).expect("there")));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "TASK-001\n"));
    let Call::Add { body, blocked_by, .. } = server.join().expect("served").remove(0).call else {
        panic!("not an add")
    };
    assert_eq!(body.as_deref(), Some("line one\n* not a heading\n"));
    assert_eq!(blocked_by, ["A", "B"]);
}

#[test]
fn eval_prints_the_value_and_fails_with_emacss_error() {
    let sandbox = Sandbox::new();
    sandbox
        .script("emacsclient", r#"case "$5" in *boom*) echo '*ERROR*: Boom' >&2; exit 1;; esac; printf '%s\n' "$5""#);
    let form = r#"(concat "a b" '$(x) "\"")"#;
    let value = sandbox.fleet(&["eval", form]);
    assert_eq!((value.code, value.stdout.trim_end()), (0, form));
    let error = sandbox.fleet(&["eval", "(boom)"]);
    assert_eq!((error.code, error.stdout.as_str()), (1, ""));
    assert!(error.stderr.starts_with("fleet: Emacs reported: Boom"), "{error:?}");
    sandbox.script("emacsclient", "exit 0");
    assert_eq!(sandbox.fleet(&["eval", "(kill-emacs)"]).code, 6);
}

#[test]
fn offline_asks_no_emacs() {
    let sandbox = Sandbox::new();
    sandbox.script("emacsclient", "touch $HOME/called");
    let ran = sandbox.fleet(&["status", "--offline", "--json"]);
    assert_ne!(ran.json()["error"]["code"], "unreachable");
    assert!(!sandbox.path("called").exists());
}

/// An Emacs that owns the board through this test's socket and then waits to be ended.
const FAKE_EMACS: &str = r#"
printf '%s\n' "$@" > "$HOME/argv"
echo "board $DISPATCH_FILE"
boot=$(cat /proc/sys/kernel/random/boot_id)
printf '{"v":1,"pid":%s,"boot_id":"%s","socket":"%s","kind":"emacs"}' $$ "$boot" "$HOME/owner.socket" > "$HOME/owner.new"
mv "$HOME/owner.new" "$HOME/.fleet/board.org/owner"
exec sleep 300"#;

/// Enough positive answers for everything that a start and its checks ask.
fn answers(n: usize) -> Vec<Answer> {
    (0..n).map(|_| reply(|r| r)).collect()
}

#[test]
fn a_daemon_starts_once_answers_and_stops() {
    let sandbox = Sandbox::new();
    let emacs = sandbox.script("fake-emacs", FAKE_EMACS);
    fs::write(sandbox.path("fleet.el"), "").expect("written");
    let _server = sandbox.serve(answers(3));
    fs::remove_file(sandbox.state().join("owner")).expect("removed");
    let socket = sandbox.path(".emacs.d/server/bezalel");
    fs::create_dir_all(socket.parent().expect("a directory")).expect("made");
    let _emacs_server = UnixListener::bind(&socket).expect("bound");
    let home = sandbox.path("");
    let daemon = |args: &[&str]| {
        let args = [&["daemon"], args].concat();
        Ran::of(sandbox.command(&args).env("FLEET_EMACS", &emacs).env("FLEET_LISP", &home))
    };
    let started = daemon(&["start"]);
    assert_eq!(started.code, 0, "{started:?}");
    let pid: u32 = started.stdout.trim().rsplit(' ').next().and_then(|pid| pid.parse().ok()).expect("a process id");
    let argv = fs::read_to_string(sandbox.path("argv")).expect("called");
    assert!(argv.starts_with(&format!("--fg-daemon={}\n-Q\n-L\n", socket.display())), "{argv}");
    assert!(!argv.contains("board.org"), "the board reaches Emacs through its environment only: {argv}");
    assert!(daemon(&["logs"]).stdout.ends_with("board.org\n"));

    let again = daemon(&["start"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stdout.contains("already running"), "{again:?}");
    let status = daemon(&["status", "--json"]);
    assert_eq!((status.code, status.json()["daemon"]["pid"].as_u64()), (0, Some(pid.into())));

    sandbox.script(
        "emacsclient",
        &format!("case \"$5\" in *emacs-pid*) echo {pid};; *) echo \"$5\" > $HOME/asked; kill {pid};; esac"),
    );
    let stopped = daemon(&["stop"]);
    assert_eq!((stopped.code, stopped.stderr.as_str()), (0, ""), "{stopped:?}");
    assert_eq!(fs::read_to_string(sandbox.path("asked")).expect("asked"), "(fleet-daemon-stop-reply)\n");
    assert_eq!(daemon(&["status"]).code, 6);
    assert!(daemon(&["stop"]).stdout.contains("not running"));
}

#[test]
fn an_emacs_that_does_not_answer_is_stopped_by_a_signal_it_is_told_about() {
    let sandbox = Sandbox::new();
    let mut emacs = std::process::Command::new("sleep").arg("300").spawn().expect("starts");
    sandbox.own_as(emacs.id(), None);
    sandbox.script("emacsclient", "exec sleep 300");
    let ran = sandbox.fleet(&["daemon", "stop", "--timeout", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("SIGTERM"), "{ran:?}");
    assert!(!emacs.wait().expect("ended").success());
}

#[test]
fn stop_never_asks_an_emacs_that_does_not_own_the_board() {
    let sandbox = Sandbox::new();
    sandbox.own(None);
    sandbox.script("emacsclient", r#"case "$5" in *emacs-pid*) echo 1;; *) touch $HOME/asked;; esac"#);
    let ran = sandbox.fleet(&["daemon", "stop"]);
    assert_eq!(ran.code, 9, "{ran:?}");
    assert!(!sandbox.path("asked").exists());
}

#[test]
fn an_emacs_that_ends_while_starting_is_explained_by_its_last_words() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("fleet.el"), "").expect("written");
    let emacs = sandbox.script("fake-emacs", "echo no such module; exit 7");
    let mut command = sandbox.command(&["daemon", "start"]);
    let ran = Ran::of(command.env("FLEET_EMACS", &emacs).env("FLEET_LISP", sandbox.path("")));
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.stderr.contains("no such module") && ran.stderr.contains("exit status: 7"), "{ran:?}");
}

#[test]
fn a_start_refuses_what_cannot_work_and_makes_a_board_only_when_told() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("fleet.el"), "").expect("written");
    fs::remove_file(sandbox.board()).expect("removed");
    let emacs = sandbox.script("fake-emacs", "exit 7");
    let start = |args: &[&str], lisp: &str| {
        let args = [&["daemon", "start"], args].concat();
        Ran::of(sandbox.command(&args).env("FLEET_EMACS", &emacs).env("FLEET_LISP", sandbox.path(lisp)))
    };
    let missing = start(&[], "");
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(missing.stderr.contains("--create") && !sandbox.board().exists(), "{missing:?}");
    let no_lisp = start(&["--create"], "bin");
    assert_eq!(no_lisp.code, 9, "{no_lisp:?}");
    assert!(no_lisp.stderr.contains("FLEET_LISP"), "{no_lisp:?}");
    let created = start(&["--create"], "");
    assert_eq!(created.code, 6, "{created:?}");
    assert!(fs::read_to_string(sandbox.board()).expect("made").contains("#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d)"));
}
