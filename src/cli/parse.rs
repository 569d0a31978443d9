//! Parsers of single arguments. What they refuse is wrong for every board; what a board makes of the rest is its owner's.

use super::moment;
use crate::core::{
    host::Host,
    id::{AgentName, RequestId, Token},
    queue::lease::{LEASE_SECS_MAX, LEASE_SECS_MIN},
};

/// An agent's name.
pub fn agent(text: &str) -> Result<AgentName, String> {
    AgentName::new(text).map_err(|e| e.to_string())
}

/// A host.
pub fn host(text: &str) -> Result<Host, String> {
    Host::new(text).map_err(|e| e.to_string())
}

/// A request id.
pub fn request_id(text: &str) -> Result<RequestId, String> {
    RequestId::new(text).map_err(|e| e.to_string())
}

/// The token of a claim.
pub fn token(text: &str) -> Result<Token, String> {
    text.parse().map_err(|e: crate::core::id::NameError| e.to_string())
}

/// A lease in seconds: a length of time such as `90s`, `30m` or `2h`, or `none`, which is 0 and lasts for ever.
pub fn lease(text: &str) -> Result<u64, String> {
    if matches!(text, "none" | "0") {
        return Ok(0);
    }
    let secs = moment::span_ms(text).and_then(|ms| u64::try_from(ms / 1_000).ok());
    secs.filter(|secs| (LEASE_SECS_MIN..=LEASE_SECS_MAX).contains(secs)).ok_or_else(|| {
        let days = LEASE_SECS_MAX / 86_400;
        format!("a lease lasts from {LEASE_SECS_MIN}s to {days}d, such as 90s, 30m or 2h, or none for ever")
    })
}

/// What a task is called: one line of text.
pub fn task(text: &str) -> Result<String, String> {
    one_line(text, "a task's name")
}

/// A title: one line of text.
pub fn title(text: &str) -> Result<String, String> {
    one_line(text, "a title")
}

/// A tag as org knows it: letters, digits, `_`, `@`, `#` and `%`.
pub fn tag(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_alphanumeric() || "_@#%".contains(c);
    if !text.is_empty() && text.chars().all(inner) {
        Ok(text.into())
    } else {
        Err("a tag is made of letters, digits, `_`, `@`, `#` and `%`".into())
    }
}

/// A priority, one letter.
pub fn priority(text: &str) -> Result<char, String> {
    match text.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Ok(letter.to_ascii_uppercase().into()),
        _ => Err("a priority is one letter from A to Z".into()),
    }
}

fn one_line(text: &str, what: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(format!("{what} is one line of text without control characters"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_a_unit_and_two_bounds() {
        let leases = ["none", "0", "5s", "90s", "30m", "1d12h", "7d"].map(lease);
        assert_eq!(leases, [0, 0, 5, 90, 1_800, 129_600, 604_800].map(Ok));
        for bad in ["", "60", "4s", "0s", "8d", "-1h", "never"] {
            assert!(lease(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_one_line_and_tags_are_org_tags() {
        assert_eq!(task(" Fix it "), Ok("Fix it".into()));
        for bad in ["", "  ", "a\nb", "a\u{1b}[2J"] {
            assert!(task(bad).is_err(), "{bad:?}");
        }
        assert!(tag("über_1@#%").is_ok());
        for bad in ["", "a-b", "a b", ":a:"] {
            assert!(tag(bad).is_err(), "{bad:?}");
        }
        assert_eq!(priority("b"), Ok('B'));
        assert!(priority("AB").is_err());
        assert!(priority("1").is_err());
    }
}
