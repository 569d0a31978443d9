//! The socket between the owner of a board and its clients, over real sockets.

use fleet::adapters::socket::{
    BindError, ClientError, Limits, PATH_BYTES_MAX, Peer, ReplyHandle, Server, SocketClient, SocketServer, read_frame,
    serve, serve_with, write_frame,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    fs,
    io::{BufReader, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(10);

struct Place {
    _dir: tempfile::TempDir,
    socket: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("set");
    let socket = dir.path().join("s");
    Place { _dir: dir, socket }
}

/// Echoes every request.
fn echo(socket: &Path) -> Server {
    serve(SocketServer::bind(socket).expect("bound"), |_, request, reply| reply.send(request))
}

fn connect(socket: &Path) -> SocketClient {
    SocketClient::connect(socket, SOON).expect("connected")
}

fn raw(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).expect("connected");
    stream.set_read_timeout(Some(SOON)).expect("set");
    stream
}

/// Everything that comes until the other side hangs up.
fn rest(mut stream: &UnixStream) -> String {
    let mut all = Vec::new();
    // A server that closes with unread input resets the connection; what it said before counts.
    let _ = stream.read_to_end(&mut all);
    String::from_utf8(all).expect("UTF-8")
}

/// Waits for the other side to hang up, without reading anything.
fn hung_up(stream: &UnixStream) -> bool {
    let limit = Timespec { tv_sec: SOON.as_secs() as i64, tv_nsec: 0 };
    let mut polled = [PollFd::new(stream, PollFlags::RDHUP)];
    poll(&mut polled, Some(&limit)).expect("polled") == 1
}

#[test]
fn sixty_four_clients_get_their_own_replies_at_once() {
    let place = place();
    let _server = echo(&place.socket);
    thread::scope(|scope| {
        for client in 0..64 {
            let socket = &place.socket;
            scope.spawn(move || {
                let mut connection = connect(socket);
                for n in 0..20 {
                    let request = format!("{client} {n} {}", "x".repeat(n * 997));
                    assert_eq!(connection.ask(request.as_bytes(), SOON).expect("answered"), request.as_bytes());
                }
            });
        }
    });
}

#[test]
fn replies_leave_in_the_order_of_the_requests_however_they_were_given() {
    let place = place();
    let held: Mutex<Vec<(Vec<u8>, ReplyHandle)>> = Mutex::default();
    let _server = serve(SocketServer::bind(&place.socket).expect("bound"), move |_, request, reply| {
        let mut held = held.lock().expect("whole");
        held.push((request, reply));
        if held.len() == 5 {
            held.drain(..).rev().for_each(|(request, reply)| reply.send(request));
        }
    });
    let stream = raw(&place.socket);
    for n in 0..5 {
        write_frame(&mut &stream, n.to_string().as_bytes(), 100).expect("sent");
    }
    let mut replies = BufReader::new(&stream);
    for n in 0..5 {
        assert_eq!(read_frame(&mut replies, 100).expect("a frame"), Some(n.to_string().into_bytes()));
    }
}

#[test]
fn a_client_that_sends_all_and_closes_its_side_still_gets_its_replies() {
    let place = place();
    let _server = echo(&place.socket);
    let mut stream = raw(&place.socket);
    stream.write_all(b"1\na\n1\nb\n").expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("closed");
    assert_eq!(rest(&stream), "1\na\n1\nb\n");
}

#[test]
fn the_callback_hears_who_asks() {
    let place = place();
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let _server = serve(SocketServer::bind(&place.socket).expect("bound"), move |peer, _, reply| {
        tell.lock().expect("whole").send(peer).expect("heard");
        reply.send(vec![]);
    });
    connect(&place.socket).ask(b"", SOON).expect("answered");
    let Peer { uid, pid } = told.recv().expect("told");
    assert_eq!((uid, pid), (rustix::process::geteuid().as_raw(), std::process::id() as i32));
}

#[test]
fn a_malformed_frame_gets_one_usage_failure_and_the_connection_ends() {
    let place = place();
    let _server = echo(&place.socket);
    for bad in [&b"hello\n"[..], b"\n", b"\xff\xfe\n", b"2\nabc\n", b"1048577\n", b"99999999999\n", b"1234567890123\n"]
    {
        let mut stream = raw(&place.socket);
        stream.write_all(bad).expect("sent");
        let answer = rest(&stream);
        assert!(answer.contains(r#""code":"usage","reason":"malformed-frame""#), "{bad:?}: {answer}");
        assert_eq!(answer.lines().count(), 2, "{bad:?}: {answer}");
    }
    assert_eq!(connect(&place.socket).ask(b"{}", SOON).expect("still served"), b"{}");
}

#[test]
fn a_frame_that_breaks_off_is_dropped_unseen_and_the_others_are_answered() {
    let place = place();
    let _server = echo(&place.socket);
    for cut in ["1\na\n5\nhel", "1\na\n5", "1\na\n5\nhello"] {
        let mut stream = raw(&place.socket);
        stream.write_all(cut.as_bytes()).expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("closed");
        assert_eq!(rest(&stream), "1\na\n", "{cut:?}");
    }
}

#[test]
fn bytes_pass_unlooked_at() {
    let place = place();
    let _server = echo(&place.socket);
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(connect(&place.socket).ask(&bytes, SOON).expect("answered"), bytes);
}

#[test]
fn a_request_over_the_limit_is_not_sent() {
    let place = place();
    let _server = echo(&place.socket);
    let mut client = connect(&place.socket);
    assert!(matches!(client.ask(&vec![b'x'; (1 << 20) + 1], SOON), Err(ClientError::Request(_))));
    assert_eq!(client.ask(b"small", SOON).expect("still usable"), b"small");
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_and_is_dropped() {
    let place = place();
    let limits = Limits { write: Duration::from_millis(200), ..Limits::default() };
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let _server = serve_with(limits, SocketServer::bind(&place.socket).expect("bound"), move |_, request, reply| {
        let began = Instant::now();
        let big = if request == b"big" { vec![b'x'; 8 << 20] } else { request };
        reply.send(big);
        tell.lock().expect("whole").send(began.elapsed()).expect("heard");
    });
    let mut lazy = raw(&place.socket);
    lazy.write_all(b"3\nbig\n3\nbig\n3\nbig\n").expect("sent");
    for _ in 0..3 {
        assert!(told.recv_timeout(SOON).expect("replied") < Duration::from_millis(150), "the replier waited");
    }
    assert_eq!(connect(&place.socket).ask(b"quick", SOON).expect("answered"), b"quick");
    assert!(hung_up(&lazy), "the connection was not dropped");
    assert!(rest(&lazy).len() < 8 << 20);
}

#[test]
fn replies_that_pile_up_beyond_the_limit_cost_the_connection_not_the_memory() {
    let place = place();
    let limits = Limits { queue_bytes: 1 << 20, ..Limits::default() };
    let _server = serve_with(limits, SocketServer::bind(&place.socket).expect("bound"), |_, _, reply| {
        reply.send(vec![b'x'; 900 << 10]);
    });
    let mut stream = raw(&place.socket);
    stream.write_all("0\n\n".repeat(8).as_bytes()).expect("sent");
    // Written only once the pile is dropped: the server hangs up.
    let mut client = connect(&place.socket);
    client.ask(b"", SOON).expect("others are served");
    assert!(rest(&stream).len() < 8 * (900 << 10));
}

#[test]
fn a_connection_has_only_so_many_requests_without_reply() {
    let place = place();
    let limits = Limits { queue: 4, ..Limits::default() };
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let _server = serve_with(limits, SocketServer::bind(&place.socket).expect("bound"), move |_, _, reply| {
        tell.lock().expect("whole").send(reply).expect("heard");
    });
    let mut stream = raw(&place.socket);
    stream.write_all("0\n\n".repeat(6).as_bytes()).expect("sent");
    let first: Vec<_> = (0..4).map(|_| told.recv_timeout(SOON).expect("taken")).collect();
    assert!(told.recv_timeout(Duration::from_millis(100)).is_err(), "a fifth was taken");
    first.into_iter().for_each(|reply| reply.send(vec![]));
    told.recv_timeout(SOON).expect("the fifth");
}

#[test]
fn a_client_that_stalls_inside_a_frame_or_asks_nothing_is_dropped() {
    let place = place();
    let short = Duration::from_millis(100);
    let limits = Limits { frame: short, idle: short, ..Limits::default() };
    let _server = serve_with(limits, SocketServer::bind(&place.socket).expect("bound"), |_, request, reply| {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(350));
            reply.send(request);
        });
    });
    for begun in ["", "5\nhel"] {
        let mut stream = raw(&place.socket);
        stream.write_all(begun.as_bytes()).expect("sent");
        assert_eq!(rest(&stream), "", "{begun:?}");
    }
    // Waiting for a slow reply is neither.
    assert_eq!(connect(&place.socket).ask(b"slow", SOON).expect("answered"), b"slow");
}

#[test]
fn one_client_too_many_is_told_so_and_room_is_made_when_others_leave() {
    let place = place();
    let limits = Limits { connections: 2, ..Limits::default() };
    let _server = serve_with(limits, SocketServer::bind(&place.socket).expect("bound"), |_, request, reply| {
        reply.send(request);
    });
    let mut two = [connect(&place.socket), connect(&place.socket)];
    two.iter_mut().for_each(|client| assert_eq!(client.ask(b"a", SOON).expect("answered"), b"a"));
    let told = connect(&place.socket).ask(b"b", SOON).expect("an answer");
    let told = String::from_utf8(told).expect("UTF-8");
    assert!(told.contains(r#""code":"general","reason":"too-many-clients""#), "{told}");
    drop(two);
    let deadline = Instant::now() + SOON;
    while connect(&place.socket).ask(b"c", SOON).expect("an answer") != b"c" {
        assert!(Instant::now() < deadline, "no room was made");
    }
}

#[test]
fn a_reply_that_nobody_gives_is_told_as_unknown() {
    let place = place();
    let _server = serve(SocketServer::bind(&place.socket).expect("bound"), |_, request, reply| match &request[..] {
        b"panic" => panic!("a planted panic"),
        _ => drop(reply),
    });
    for request in ["forget", "panic"] {
        let told = connect(&place.socket).ask(request.as_bytes(), SOON).expect("an answer");
        assert!(String::from_utf8_lossy(&told).contains(r#""reason":"no-reply""#), "{request}");
    }
}

#[test]
fn closing_hangs_up_on_everyone_and_takes_the_socket_away() {
    let place = place();
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let mut server = serve(SocketServer::bind(&place.socket).expect("bound"), move |_, _, reply| {
        tell.lock().expect("whole").send(reply).expect("heard");
    });
    let idle = raw(&place.socket);
    let waiting = {
        let socket = place.socket.clone();
        thread::spawn(move || connect(&socket).ask(b"{}", SOON))
    };
    let late = told.recv_timeout(SOON).expect("asked");
    server.close();
    late.send(b"too late".to_vec());
    assert!(matches!(waiting.join().expect("ended"), Err(ClientError::Lost(_))));
    assert_eq!(rest(&idle), "");
    assert!(!place.socket.exists());
    assert!(matches!(SocketClient::connect(&place.socket, SOON), Err(ClientError::Connect { .. })));
    let _again = echo(&place.socket);
    assert_eq!(connect(&place.socket).ask(b"{}", SOON).expect("answered"), b"{}");
}

#[test]
fn closing_leaves_the_socket_of_a_successor_alone() {
    let place = place();
    let first = echo(&place.socket);
    let _second = echo(&place.socket);
    drop(first);
    assert_eq!(connect(&place.socket).ask(b"{}", SOON).expect("answered"), b"{}");
}

#[test]
fn the_socket_is_for_its_user_alone() {
    let place = place();
    let socket = place.socket.parent().expect("has one").join("new/dir/s");
    let _server = echo(&socket);
    let mode = |path: &Path| path.symlink_metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().expect("has one")), 0o700);
}

#[test]
fn a_dead_owners_socket_is_replaced_and_anything_else_is_left() {
    let place = place();
    drop(UnixListener::bind(&place.socket).expect("bound"));
    assert!(place.socket.exists());
    drop(SocketServer::bind(&place.socket).expect("replaced"));
    fs::remove_file(&place.socket).expect("removed");
    fs::write(&place.socket, "precious").expect("written");
    assert!(matches!(SocketServer::bind(&place.socket), Err(BindError::InTheWay(_))));
    assert_eq!(fs::read(&place.socket).expect("there"), b"precious");
}

#[test]
fn paths_and_directories_that_cannot_be_safe_are_refused_by_both_sides_r22() {
    let place = place();
    let dir = place.socket.parent().expect("has one");
    let long = dir.join("x".repeat(PATH_BYTES_MAX));
    assert!(matches!(SocketServer::bind(&long), Err(BindError::PathTooLong(_))));
    assert!(matches!(SocketClient::connect(&long, SOON), Err(ClientError::PathTooLong(_))));
    let _server = echo(&place.socket);
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).expect("set");
    assert!(matches!(SocketClient::connect(&place.socket, SOON), Err(ClientError::OpenDirectory(_))));
    assert!(matches!(SocketServer::bind(&dir.join("t")), Err(BindError::Directory { .. })));
}

#[test]
fn a_client_waits_no_longer_than_it_said() {
    let place = place();
    let (keep, _kept) = mpsc::channel();
    let keep = Mutex::new(keep);
    let _server = serve(SocketServer::bind(&place.socket).expect("bound"), move |_, _, reply| {
        keep.lock().expect("whole").send(reply).expect("kept");
    });
    let began = Instant::now();
    let answer = connect(&place.socket).ask(b"{}", Duration::from_millis(200));
    assert!(matches!(answer, Err(ClientError::TimedOut)));
    assert!(began.elapsed() < SOON / 2);
}

#[test]
fn a_client_that_closed_its_connection_is_gone_and_one_that_only_sends_no_more_is_not() {
    let place = place();
    let (send, handles) = mpsc::channel();
    let send = Mutex::new(send);
    let take =
        move |_: Peer, _: Vec<u8>, reply: ReplyHandle| send.lock().expect("whole").send(reply).expect("received");
    let _server = serve(SocketServer::bind(&place.socket).expect("bound"), take);
    let mut stream = raw(&place.socket);
    write_frame(&mut stream, b"1", 10).expect("sent");
    let handle = handles.recv_timeout(SOON).expect("a request");
    assert!(!handle.is_gone());
    stream.shutdown(std::net::Shutdown::Write).expect("shut");
    assert!(!handle.is_gone(), "it still reads");
    drop(stream);
    assert!(handle.is_gone());
}

#[test]
fn a_server_that_closes_lets_the_replies_go_out_that_it_was_given() {
    let place = place();
    let (send, handles) = mpsc::channel();
    let send = Mutex::new(send);
    let take =
        move |_: Peer, _: Vec<u8>, reply: ReplyHandle| send.lock().expect("whole").send(reply).expect("received");
    let mut server = serve(SocketServer::bind(&place.socket).expect("bound"), take);
    let mut streams: Vec<UnixStream> = (0..50).map(|_| raw(&place.socket)).collect();
    streams.iter_mut().for_each(|stream| write_frame(stream, b"1", 10).expect("sent"));
    let asked: Vec<ReplyHandle> = streams.iter().map(|_| handles.recv_timeout(SOON).expect("a request")).collect();
    asked.into_iter().for_each(|handle| handle.send(b"last words".to_vec()));
    server.close();
    for stream in &streams {
        assert_eq!(rest(stream), "10\nlast words\n");
    }
}
