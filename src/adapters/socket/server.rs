//! The answering side: takes frames in, hands them to one callback, sends replies out in the order of the requests.
//!
//! Two threads per connection, so that whoever replies never waits for a client: the Emacs main thread puts a reply
//! into the connection's outbox and goes on.

use super::{
    CONNECTIONS_MAX, FRAME_SECS_MAX, FrameError, IDLE_SECS_MAX, PATH_BYTES_MAX, REPLY_QUEUE_BYTES_MAX, REPLY_QUEUE_MAX,
    WRITE_SECS_MAX, patient::Patient, read_frame, write_frame,
};
use crate::core::{
    code::Code,
    wire::{Failure, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::Mode,
    net::{AddressFamily, Shutdown as NetShutdown, SocketAddrUnix, SocketFlags, SocketType, sockopt},
};
use std::{
    collections::{BTreeMap, HashMap},
    io::{self, BufRead, BufReader},
    net::Shutdown,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt, FileTypeExt, MetadataExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Connections that the kernel keeps waiting until they are accepted.
const BACKLOG: i32 = 128;
/// Stack of a connection's threads: they hold a few hundred bytes and the callback's frames.
const STACK_BYTES: usize = 512 << 10;
/// Pause after a failed accept (out of file descriptors), so that the thread does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a server that ends lets its last replies go out, in milliseconds, for all clients together.
const LAST_WORDS_MS_MAX: u64 = 500;

/// Why no socket could be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The path does not fit into a socket address.
    #[error("the socket path {} has {} bytes, {PATH_BYTES_MAX} are possible", .0.display(), .0.as_os_str().len())]
    PathTooLong(PathBuf),
    /// Something that is no socket lies there.
    #[error("{} exists and is not a socket", .0.display())]
    InTheWay(PathBuf),
    /// The directory is not ours alone.
    #[error("the socket directory {} belongs to user {uid} with mode {mode:03o}; it must be yours and 700", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its permissions.
        mode: u32,
    },
    /// The system refused.
    #[error("cannot listen on {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Who is at the other end, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user.
    pub uid: u32,
    /// The process.
    pub pid: i32,
}

/// The bounds of a server; the defaults are this module's constants.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Requests of one connection without a written reply.
    pub queue: usize,
    /// Bytes of replies waiting for one client.
    pub queue_bytes: usize,
    /// How long a connection may ask nothing.
    pub idle: Duration,
    /// How long one frame may take to come in.
    pub frame: Duration,
    /// How long one reply may take to go out.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            queue: REPLY_QUEUE_MAX,
            queue_bytes: REPLY_QUEUE_BYTES_MAX,
            idle: Duration::from_secs(IDLE_SECS_MAX),
            frame: Duration::from_secs(FRAME_SECS_MAX),
            write: Duration::from_secs(WRITE_SECS_MAX),
        }
    }
}

/// A bound socket that nobody is served on yet.
#[derive(Debug)]
pub struct SocketServer {
    listener: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketServer {
    /// Makes the socket `path`, 0600 in a directory of 0700, and listens.
    ///
    /// A socket that lies there already is taken for a dead owner's and unlinked: the caller holds the board's lock.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        if path.as_os_str().len() > PATH_BYTES_MAX {
            return Err(BindError::PathTooLong(path.into()));
        }
        let failed = |source: io::Error| BindError::Io { path: path.into(), source };
        private_directory(path)?;
        match path.symlink_metadata() {
            Ok(old) if old.file_type().is_socket() => std::fs::remove_file(path).map_err(failed)?,
            Ok(_) => return Err(BindError::InTheWay(path.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e)),
        }
        let listener = UnixListener::from(listen(path).map_err(|e| failed(e.into()))?);
        let made = path.symlink_metadata().map_err(failed)?;
        Ok(Self { listener, path: path.into(), inode: (made.dev(), made.ino()) })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A running server; dropping it is [`Server::close`].
#[derive(Debug)]
pub struct Server {
    socket: Arc<SocketServer>,
    connections: Arc<Connections>,
    accepting: Option<JoinHandle<()>>,
}

/// Serves `socket` with the default limits.
pub fn serve(socket: SocketServer, on_request: impl Fn(Peer, Vec<u8>, ReplyHandle) + Send + Sync + 'static) -> Server {
    serve_with(Limits::default(), socket, on_request)
}

/// Serves `socket`: every whole frame goes to `on_request`, on a thread of its connection.
///
/// `on_request` may reply at once or hand the handle on. It must not wait for the thread that closes the server.
pub fn serve_with(
    limits: Limits,
    socket: SocketServer,
    on_request: impl Fn(Peer, Vec<u8>, ReplyHandle) + Send + Sync + 'static,
) -> Server {
    let socket = Arc::new(socket);
    let connections = Arc::new(Connections { limits, state: Mutex::default() });
    let accepting = {
        let (socket, connections) = (socket.clone(), connections.clone());
        spawn("fleet-accept", move || accept_all(&socket, &connections, &Arc::new(on_request)))
            .expect("a process that cannot start one thread cannot run Emacs either")
    };
    Server { socket, connections, accepting: Some(accepting) }
}

impl Server {
    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.socket.path
    }

    /// Unlinks the socket, hangs up on every client and waits for the threads to end.
    ///
    /// Replies that are not written within `LAST_WORDS_MS_MAX` are lost: their clients hear that the outcome is unknown.
    pub fn close(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        let ours = self.socket.path.symlink_metadata().is_ok_and(|m| (m.dev(), m.ino()) == self.socket.inode);
        if ours {
            // Only gone already can go wrong here, and gone is what it should be.
            let _ = std::fs::remove_file(&self.socket.path);
        }
        self.connections.flush();
        self.connections.close();
        // Wakes the accepting thread: on Linux a listener that is shut down refuses further accepts.
        let _ = rustix::net::shutdown(&self.socket.listener, NetShutdown::Both);
        let _ = accepting.join();
        self.connections.join_all();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

/// Where the reply of one request goes. Dropped unused, it tells the client that the outcome is unknown.
#[derive(Debug)]
pub struct ReplyHandle {
    outbox: Option<Arc<Outbox>>,
    place: u64,
}

impl ReplyHandle {
    /// Whether the client has closed its connection, so that nobody would read the reply. One that has only said that it
    /// sends no more still reads.
    pub fn is_gone(&self) -> bool {
        self.outbox.as_ref().is_none_or(|outbox| outbox.is_gone())
    }

    /// Hands `reply` to the connection's writer and returns at once; nothing happens if the client is gone.
    pub fn send(mut self, reply: Vec<u8>) {
        if let Some(outbox) = self.outbox.take() {
            outbox.put(self.place, reply);
        }
    }
}

impl Drop for ReplyHandle {
    fn drop(&mut self) {
        if let Some(outbox) = self.outbox.take() {
            outbox.put(self.place, failure(Code::Unreachable, "no-reply", "the owner dropped the request unanswered"));
        }
    }
}

/// The replies of one connection, waiting for their turn and for the writer.
#[derive(Debug)]
struct Outbox {
    stream: UnixStream,
    limits: Limits,
    state: Mutex<OutboxState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct OutboxState {
    ready: BTreeMap<u64, Vec<u8>>,
    ready_bytes: usize,
    asked: u64,
    written: u64,
    /// A reply is being written.
    is_writing: bool,
    /// No more requests will come.
    ended: bool,
    /// The connection is dead.
    closed: bool,
}

impl Outbox {
    fn new(stream: UnixStream, limits: Limits) -> Self {
        Self { stream, limits, state: Mutex::default(), changed: Condvar::new() }
    }

    /// A place for the next reply, once the client has read enough of the earlier ones; `None` when it is gone.
    fn reserve(self: &Arc<Self>) -> Option<ReplyHandle> {
        let full = |s: &mut OutboxState| !s.closed && s.asked - s.written >= self.limits.queue as u64;
        let mut state = self.changed.wait_while(lock(&self.state), full).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        let place = state.asked;
        state.asked += 1;
        Some(ReplyHandle { outbox: Some(self.clone()), place })
    }

    fn is_gone(&self) -> bool {
        let mut polled = [PollFd::new(&self.stream, PollFlags::empty())];
        let ends = PollFlags::HUP | PollFlags::ERR;
        lock(&self.state).closed
            || poll(&mut polled, Some(&Timespec::default())).is_ok_and(|_| polled[0].revents().intersects(ends))
    }

    /// Waits until everything that has its turn is written, at most until `deadline`.
    fn flush(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let is_under_way = |s: &mut OutboxState| !s.closed && (s.is_writing || s.ready.contains_key(&s.written));
        drop(self.changed.wait_timeout_while(lock(&self.state), left, is_under_way));
    }

    fn put(&self, place: u64, reply: Vec<u8>) {
        let mut state = lock(&self.state);
        if state.closed {
            return;
        }
        if state.ready_bytes > 0 && state.ready_bytes + reply.len() > self.limits.queue_bytes {
            return self.close(state);
        }
        state.ready_bytes += reply.len();
        state.ready.insert(place, reply);
        self.changed.notify_all();
    }

    /// The reply whose turn it is; `None` when there will be none.
    fn next(&self) -> Option<Vec<u8>> {
        let over = |s: &OutboxState| s.closed || (s.ended && s.asked == s.written);
        let wait = |s: &mut OutboxState| !over(s) && !s.ready.contains_key(&s.written);
        let mut state = self.changed.wait_while(lock(&self.state), wait).unwrap_or_else(PoisonError::into_inner);
        let turn = state.written;
        let reply = if state.closed { None } else { state.ready.remove(&turn) };
        state.ready_bytes -= reply.as_ref().map_or(0, Vec::len);
        state.is_writing = reply.is_some();
        reply
    }

    fn wrote(&self) {
        let mut state = lock(&self.state);
        state.written += 1;
        state.is_writing = false;
        drop(state);
        self.changed.notify_all();
    }

    fn has_unanswered(&self) -> bool {
        let state = lock(&self.state);
        state.asked > state.written
    }

    fn end(&self) {
        lock(&self.state).ended = true;
        self.changed.notify_all();
    }

    fn close(&self, mut state: MutexGuard<'_, OutboxState>) {
        state.closed = true;
        state.ready.clear();
        state.ready_bytes = 0;
        let _ = self.stream.shutdown(Shutdown::Both);
        self.changed.notify_all();
    }
}

/// The open connections of a server.
#[derive(Debug)]
struct Connections {
    limits: Limits,
    state: Mutex<ConnectionsState>,
}

#[derive(Debug, Default)]
struct ConnectionsState {
    closed: bool,
    last: u64,
    open: HashMap<u64, Arc<Outbox>>,
    threads: Vec<JoinHandle<()>>,
}

impl Connections {
    /// Starts the threads of a new connection, or hangs up on it.
    fn admit(self: &Arc<Self>, stream: UnixStream, on_request: &Arc<impl OnRequest>) -> io::Result<()> {
        let peer = peer_of(&stream)?;
        let outbox = Arc::new(Outbox::new(stream, self.limits));
        let mut state = lock(&self.state);
        state.threads.retain(|thread| !thread.is_finished());
        if state.closed {
            return Ok(());
        }
        if state.open.len() >= self.limits.connections {
            drop(state);
            return turn_away(&outbox.stream);
        }
        state.last += 1;
        let number = state.last;
        let writer = {
            let (connections, outbox) = (self.clone(), outbox.clone());
            spawn("fleet-write", move || {
                write_all(&outbox);
                connections.forget(number);
            })?
        };
        state.threads.push(writer);
        state.open.insert(number, outbox.clone());
        let reader = {
            let (outbox, on_request) = (outbox.clone(), on_request.clone());
            spawn("fleet-read", move || read_all(peer, &outbox, &*on_request))
        };
        match reader {
            Ok(reader) => state.threads.push(reader),
            Err(_) => outbox.close(lock(&outbox.state)),
        }
        Ok(())
    }

    fn forget(&self, number: u64) {
        lock(&self.state).open.remove(&number);
    }

    fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        for outbox in state.open.values() {
            outbox.close(lock(&outbox.state));
        }
    }

    /// Lets the replies that were given go out, for a moment.
    fn flush(&self) {
        let outboxes: Vec<Arc<Outbox>> = lock(&self.state).open.values().cloned().collect();
        let deadline = Instant::now() + Duration::from_millis(LAST_WORDS_MS_MAX);
        outboxes.iter().for_each(|outbox| outbox.flush(deadline));
    }

    fn join_all(&self) {
        let threads = std::mem::take(&mut lock(&self.state).threads);
        for thread in threads {
            // A handle may be closed from within a callback; a thread cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

trait OnRequest: Fn(Peer, Vec<u8>, ReplyHandle) + Send + Sync + 'static {}
impl<F: Fn(Peer, Vec<u8>, ReplyHandle) + Send + Sync + 'static> OnRequest for F {}

fn accept_all(socket: &SocketServer, connections: &Arc<Connections>, on_request: &Arc<impl OnRequest>) {
    loop {
        let accepted = socket.listener.accept();
        if lock(&connections.state).closed {
            return;
        }
        if accepted.and_then(|(stream, _)| connections.admit(stream, on_request)).is_err() {
            thread::sleep(ACCEPT_PAUSE);
        }
    }
}

/// Reads requests until the client ends, breaks the format or stalls.
fn read_all(peer: Peer, outbox: &Arc<Outbox>, on_request: &impl OnRequest) {
    let limits = outbox.limits;
    let _ending = Ending(outbox);
    let mut stream = BufReader::new(Patient { stream: &outbox.stream, deadline: Instant::now() });
    loop {
        stream.get_mut().deadline = Instant::now() + limits.idle;
        match stream.fill_buf() {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            // Waiting for a slow answer is not idling.
            Err(_) if outbox.has_unanswered() && !lock(&outbox.state).closed => continue,
            Err(_) => break,
        }
        stream.get_mut().deadline = Instant::now() + limits.frame;
        let frame = read_frame(&mut stream, REQUEST_BYTES_MAX);
        let Ok(Some(frame)) = frame else {
            if let Err(e) = frame {
                refuse(outbox, &e);
            }
            break;
        };
        let Some(reply) = outbox.reserve() else { return };
        on_request(peer, frame, reply);
    }
}

/// Ends the outbox when the reader does, also by a panic of the callback.
struct Ending<'a>(&'a Outbox);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn refuse(outbox: &Arc<Outbox>, error: &FrameError) {
    if error.is_malformed() {
        if let Some(reply) = outbox.reserve() {
            reply.send(failure(Code::Usage, "malformed-frame", &error.to_string()));
        }
    }
}

/// Writes replies until there will be no more, then hangs up.
fn write_all(outbox: &Outbox) {
    while let Some(reply) = outbox.next() {
        let deadline = Instant::now() + outbox.limits.write;
        let mut stream = Patient { stream: &outbox.stream, deadline };
        if write_frame(&mut stream, &reply, REPLY_BYTES_MAX).is_err() {
            break;
        }
        outbox.wrote();
    }
    outbox.close(lock(&outbox.state));
}

/// Tells a client that there are too many. The socket is new, so its buffer takes the few bytes without waiting.
fn turn_away(stream: &UnixStream) -> io::Result<()> {
    let message = format!("the owner serves {CONNECTIONS_MAX} clients already");
    let reply = failure(Code::General, "too-many-clients", &message);
    let mut stream = Patient { stream, deadline: Instant::now() + ACCEPT_PAUSE };
    // The client may be gone already; that is no reason to pause accepting.
    let _ = write_frame(&mut stream, &reply, REPLY_BYTES_MAX);
    Ok(())
}

fn failure(code: Code, reason: &str, message: &str) -> Vec<u8> {
    let reply = Reply::refused(None, Failure::new(code, reason, message));
    serde_json::to_vec(&reply).expect("a refusal holds only text")
}

fn peer_of(stream: &UnixStream) -> io::Result<Peer> {
    let peer = sockopt::socket_peercred(stream)?;
    Ok(Peer { uid: peer.uid.as_raw(), pid: peer.pid.as_raw_nonzero().get() })
}

fn private_directory(path: &Path) -> Result<(), BindError> {
    let failed = |source: io::Error| BindError::Io { path: path.into(), source };
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let meta = directory.metadata().map_err(failed)?;
    let (uid, mode) = (meta.uid(), meta.mode() & 0o777);
    if uid != rustix::process::geteuid().as_raw() || mode & 0o077 != 0 {
        return Err(BindError::Directory { path: directory.into(), uid, mode });
    }
    Ok(())
}

fn listen(path: &Path) -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // On Linux the mode of the socket's own inode is what bind gives the file, less the umask. The umask belongs to
    // the whole process, and its other threads create files too: it stays as it is.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(run)
}

/// A poisoned lock means that a callback panicked; what it guards is plain bookkeeping and stays whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
