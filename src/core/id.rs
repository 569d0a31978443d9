//! Names that were checked once, at the edge, and can be trusted everywhere inside.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest agent name, in bytes.
pub const AGENT_BYTES_MAX: usize = 32;
/// The longest request id, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// Names that no agent may carry: they mark events that are not an agent's.
pub const RESERVED_NAMES: [&str; 4] = ["human", "system", "fleet", "gate"];

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not `[a-z0-9][a-z0-9_-]{0,31}`.
    #[error(
        "`{0}` is not an agent name: use 1 to {AGENT_BYTES_MAX} of a-z, 0-9, `_` and `-`, beginning with a letter or digit"
    )]
    Agent(String),
    /// One of [`RESERVED_NAMES`].
    #[error("`{0}` is reserved and cannot be an agent's name")]
    Reserved(String),
    /// Not 1 to 128 printable ASCII characters without blanks.
    #[error("a request id is 1 to {REQUEST_ID_BYTES_MAX} printable ASCII characters without blanks")]
    Request,
    /// Not `EPOCH-NUMBER`.
    #[error("`{0}` is not a token: use the one that the claim returned, such as `1-42`")]
    Token(String),
}

/// The name of an agent: `[a-z0-9][a-z0-9_-]{0,31}`, none of the reserved ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentName(String);

impl AgentName {
    /// Checks `name`.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let first = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if name.len() > AGENT_BYTES_MAX || !name.as_bytes().first().is_some_and(first) || !name.bytes().all(inner) {
            return Err(NameError::Agent(name.chars().take(2 * AGENT_BYTES_MAX).collect()));
        }
        if RESERVED_NAMES.contains(&name) {
            return Err(NameError::Reserved(name.into()));
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names one request of one agent, so that a repeat can be recognised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(String);

impl RequestId {
    /// Checks `id`.
    pub fn new(id: &str) -> Result<Self, NameError> {
        let length = 1..=REQUEST_ID_BYTES_MAX;
        if length.contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(id.into()))
        } else {
            Err(NameError::Request)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of a claim: epoch of the journal and number of the claim event. Callers compare it, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token {
    /// Grows with a new journal, a restored backup, a change of engine.
    pub epoch: u32,
    /// The number of the claim event in the journal.
    pub number: u64,
}

impl Token {
    /// Whether this is the token of an earlier claim than `other`.
    pub fn is_before(self, other: Token) -> bool {
        (self.epoch, self.number) < (other.epoch, other.number)
    }
}

impl std::str::FromStr for Token {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = || NameError::Token(text.chars().take(64).collect());
        let (epoch, number) = text.split_once('-').ok_or_else(bad)?;
        Ok(Self { epoch: epoch.parse().map_err(|_| bad())?, number: number.parse().map_err(|_| bad())? })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AgentName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(&name)
    }
}

impl From<AgentName> for String {
    fn from(name: AgentName) -> String {
        name.0
    }
}

impl TryFrom<String> for RequestId {
    type Error = NameError;
    fn try_from(id: String) -> Result<Self, NameError> {
        Self::new(&id)
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> String {
        id.0
    }
}

impl TryFrom<String> for Token {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Token> for String {
    fn from(token: Token) -> String {
        token.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_names_follow_the_pattern() {
        for good in ["timmy", "a", "0x", "a-b_c", &"a".repeat(32)] {
            assert!(AgentName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a b", "é", "a/b", "..", &"a".repeat(33)] {
            assert_eq!(AgentName::new(bad), Err(NameError::Agent(bad.into())));
        }
        for reserved in RESERVED_NAMES {
            assert_eq!(AgentName::new(reserved), Err(NameError::Reserved(reserved.into())));
        }
    }

    #[test]
    fn tokens_survive_text() {
        let token = Token { epoch: 3, number: 41 };
        assert_eq!(token.to_string().parse(), Ok(token));
        assert!("3".parse::<Token>().is_err());
        assert!("a-1".parse::<Token>().is_err());
    }

    #[test]
    fn request_ids_are_short_and_printable() {
        assert!(RequestId::new("0197-ab").is_ok());
        for bad in ["", "a b", "a\n", &"x".repeat(129)] {
            assert_eq!(RequestId::new(bad), Err(NameError::Request));
        }
    }
}
