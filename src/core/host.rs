//! Names of other hosts and of users there. They become arguments of ssh, so what could be an option, a token or a
//! second word never becomes one of these types.

use ::core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest host name, in bytes.
pub const HOST_BYTES_MAX: usize = 253;
/// The longest name of a user on another host, in bytes.
pub const USER_BYTES_MAX: usize = 32;
/// How much of a refused name is repeated, in characters.
const SHOWN_CHARS: usize = 64;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Neither `[A-Za-z0-9][A-Za-z0-9.-]{0,252}` nor an IPv6 address.
    #[error(
        "`{0}` is not a host: use up to {HOST_BYTES_MAX} letters, digits, `.` and `-`, beginning with a letter or digit, or an IPv6 address"
    )]
    Host(String),
    /// Not `[a-z_][a-z0-9_-]{0,31}`.
    #[error("`{0}` is not a user: use up to {USER_BYTES_MAX} of a-z, 0-9, `_` and `-`, beginning with a letter or `_`")]
    User(String),
}

/// A host as ssh takes it: `[A-Za-z0-9][A-Za-z0-9.-]{0,252}`, or an IPv6 address without brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(String);

impl Host {
    /// Checks `name`; an IPv6 address may stand in brackets.
    pub fn new(name: &str) -> Result<Self, HostError> {
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(name).parse::<Ipv6Addr>() {
            return Ok(Self(address.to_string()));
        }
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
        let first = |b: &u8| b.is_ascii_alphanumeric();
        if name.len() <= HOST_BYTES_MAX && name.as_bytes().first().is_some_and(first) && name.bytes().all(inner) {
            return Ok(Self(name.into()));
        }
        Err(HostError::Host(shown(name)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How a `known_hosts` file names this host, whose sshd listens on `port`; `None` is ssh's own default.
    pub fn known_as(&self, port: Option<u16>) -> String {
        let name = self.0.to_ascii_lowercase();
        match port {
            None | Some(22) => name,
            Some(port) => format!("[{name}]:{port}"),
        }
    }
}

/// A user on another host: `[a-z_][a-z0-9_-]{0,31}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct User(String);

impl User {
    /// Checks `name`.
    pub fn new(name: &str) -> Result<Self, HostError> {
        let first = |b: &u8| b.is_ascii_lowercase() || *b == b'_';
        let inner = |b: u8| first(&b) || b.is_ascii_digit() || b == b'-';
        if name.len() <= USER_BYTES_MAX && name.as_bytes().first().is_some_and(first) && name.bytes().all(inner) {
            return Ok(Self(name.into()));
        }
        Err(HostError::User(shown(name)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A refused name as it may be repeated: short, and without characters that would steer a terminal.
fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Host {
    type Error = HostError;
    fn try_from(name: String) -> Result<Self, HostError> {
        Self::new(&name)
    }
}

impl From<Host> for String {
    fn from(host: Host) -> String {
        host.0
    }
}

impl TryFrom<String> for User {
    type Error = HostError;
    fn try_from(name: String) -> Result<Self, HostError> {
        Self::new(&name)
    }
}

impl From<User> for String {
    fn from(user: User) -> String {
        user.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        for good in ["a", "bezalel", "h-1.example.org", "192.0.2.7", "2001:db8::7", &"a".repeat(253)] {
            assert_eq!(Host::new(good).map(String::from), Ok(good.into()));
        }
        assert_eq!(Host::new("[2001:DB8::7]").map(String::from), Ok("2001:db8::7".into()));
        let bad =
            ["", "-oProxyCommand=id", ".a", "a b", "a\nb", "u@h", "h%h", "fe80::1%lo", "a/b", "$(id)", "é", "[a]"];
        for bad in bad.into_iter().chain([&*"a".repeat(254)]) {
            assert!(Host::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn users_follow_the_pattern_of_unix() {
        for good in ["root", "_x", "a-b_c9", &"a".repeat(32)] {
            assert!(User::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-l", "9a", "A", "a b", "a@b", "a%r", "a\n", &"a".repeat(33)] {
            assert!(User::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn known_hosts_names_a_port_only_when_it_is_not_the_usual_one() {
        let host = Host::new("Bezalel").expect("a host");
        let names = [None, Some(22), Some(2222)].map(|port| host.known_as(port));
        assert_eq!(names, ["bezalel", "bezalel", "[bezalel]:2222"]);
    }

    #[test]
    fn a_refused_name_is_repeated_harmlessly() {
        let error = Host::new(&format!("\u{1b}[2J{}", "x".repeat(500))).expect_err("no host");
        assert!(!error.to_string().contains('\u{1b}') && error.to_string().len() < 300);
    }
}
