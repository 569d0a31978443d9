//! What the live tests stand on: a sandbox, real programs in it, and bounded waiting for what they do.

pub mod clients;
pub mod daemon;
pub mod desk;
pub mod fleet;
pub mod live;
pub mod process;
pub mod program;
pub mod pty;
pub mod random;
pub mod sandbox;
pub mod sshd;
