//! The asking side: one connection, requests in order, each under one deadline.

use super::{FrameError, PATH_BYTES_MAX, patient::Patient, read_frame, write_frame};
use crate::core::wire::{REPLY_BYTES_MAX, REQUEST_BYTES_MAX};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::{
    io::{self, BufReader, ErrorKind},
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Why the owner of a board could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The path does not fit into a socket address.
    #[error("the socket path {} has {} bytes, {PATH_BYTES_MAX} are possible", .0.display(), .0.as_os_str().len())]
    PathTooLong(PathBuf),
    /// Nobody accepts connections there.
    #[error("cannot connect to {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could put a socket of theirs in this place.
    #[error("the socket {} lies in a directory that everyone may write to", .0.display())]
    OpenDirectory(PathBuf),
    /// The listener is neither ours, nor root's, nor the socket owner's.
    #[error("the socket {} is served by user {uid}, who is neither you, root nor the socket's owner", path.display())]
    Impostor {
        /// The socket.
        path: PathBuf,
        /// The listener's user.
        uid: u32,
    },
    /// The request was not sent: it is too large.
    #[error("the request was not sent: {0}")]
    Request(FrameError),
    /// The connection closed or failed before a reply came; the request may have been executed.
    #[error("the connection closed before the reply: {0}")]
    Lost(FrameError),
    /// No reply within the time; the request may have been executed.
    #[error("no reply in time")]
    TimedOut,
    /// What came back is no frame; the request may have been executed.
    #[error("the reply is malformed: {0}")]
    Malformed(FrameError),
}

/// A connection to the owner of a board.
#[derive(Debug)]
pub struct SocketClient {
    stream: UnixStream,
}

impl SocketClient {
    /// Connects to the socket `path` and checks who listens there.
    pub fn connect(path: &Path, timeout: Duration) -> Result<Self, ClientError> {
        if path.as_os_str().len() > PATH_BYTES_MAX {
            return Err(ClientError::PathTooLong(path.into()));
        }
        let failed = |source: io::Error| ClientError::Connect { path: path.into(), source };
        let owner = trusted_owner(path)?;
        let stream = connect_within(path, timeout).map_err(failed)?;
        let uid = sockopt::socket_peercred(&stream).map_err(|e| failed(e.into()))?.uid.as_raw();
        if ![rustix::process::geteuid().as_raw(), 0, owner].contains(&uid) {
            return Err(ClientError::Impostor { path: path.into(), uid });
        }
        Ok(Self { stream })
    }

    /// Sends `request` and waits for its reply, both within `timeout`.
    pub fn ask(&mut self, request: &[u8], timeout: Duration) -> Result<Vec<u8>, ClientError> {
        let deadline = Instant::now() + timeout;
        let mut stream = BufReader::new(Patient { stream: &self.stream, deadline });
        let sent = write_frame(stream.get_mut(), request, REQUEST_BYTES_MAX);
        match sent {
            Err(e @ FrameError::TooLarge { .. }) => return Err(ClientError::Request(e)),
            Err(e) if e.is_timeout() => return Err(ClientError::TimedOut),
            // A server that refuses a client answers and hangs up without reading: its answer says more than EPIPE.
            Err(_) | Ok(()) => {}
        }
        match (read_frame(&mut stream, REPLY_BYTES_MAX), sent) {
            (Ok(Some(reply)), _) => Ok(reply),
            (Err(e), _) if e.is_timeout() => Err(ClientError::TimedOut),
            (Err(e), _) if e.is_malformed() => Err(ClientError::Malformed(e)),
            (_, Err(e)) | (Err(e), Ok(())) => Err(ClientError::Lost(e)),
            (Ok(None), Ok(())) => Err(ClientError::Lost(io::Error::from(ErrorKind::UnexpectedEof).into())),
        }
    }
}

/// The uid that owns the socket file, if nobody else can replace it.
fn trusted_owner(path: &Path) -> Result<u32, ClientError> {
    let failed = |source: io::Error| ClientError::Connect { path: path.into(), source };
    let socket = path.symlink_metadata().map_err(failed)?;
    if !socket.file_type().is_socket() {
        return Err(failed(io::Error::new(ErrorKind::InvalidInput, "it is not a socket")));
    }
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if directory.metadata().map_err(failed)?.mode() & 0o002 != 0 {
        return Err(ClientError::OpenDirectory(path.into()));
    }
    Ok(socket.uid())
}

fn connect_within(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // A full backlog makes a Unix connect wait; the send timeout is what bounds that wait.
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(timeout.max(Duration::from_millis(1))))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}
