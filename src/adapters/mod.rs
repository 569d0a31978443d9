//! The outside world, one thing per file.

pub mod archive_file;
pub mod board_file;
pub mod clock;
pub mod config_file;
pub mod emacs_daemon;
pub mod emacsclient;
#[cfg(feature = "cli")]
pub mod far_emacs;
pub mod halt;
pub mod journal;
pub mod notify_socket;
pub mod owner;
pub mod process;
pub mod socket;
#[cfg(feature = "cli")]
pub mod ssh;
pub mod watch;
