//! The Unix socket between the owner of a board and everyone on its host: frames, client and server.
//!
//! Bytes only. What a request means is the engine's business; nothing in here looks inside a frame.

mod client;
mod frame;
mod patient;
mod server;

pub use client::{ClientError, SocketClient};
pub use frame::{FrameError, HEADER_BYTES_MAX, read_frame, write_frame};
pub use server::{BindError, Limits, Peer, ReplyHandle, Server, SocketServer, serve, serve_with};

/// The longest path that fits into a Unix socket address, in bytes.
pub const PATH_BYTES_MAX: usize = 107;
/// Connections that a server keeps open at once; more are answered `too-many-clients` and closed.
pub const CONNECTIONS_MAX: usize = 256;
/// Requests of one connection that wait for their reply at once; a server reads no further before one is written.
pub const REPLY_QUEUE_MAX: usize = 64;
/// Bytes of finished replies that wait for one client; a client that lets more pile up is dropped.
pub const REPLY_QUEUE_BYTES_MAX: usize = 512 << 20;
/// Seconds after which a server drops a connection that asks nothing.
pub const IDLE_SECS_MAX: u64 = 600;
/// Seconds that a client may take to send one frame to the end.
pub const FRAME_SECS_MAX: u64 = 30;
/// Seconds that a client may take to read one reply to the end.
pub const WRITE_SECS_MAX: u64 = 30;
