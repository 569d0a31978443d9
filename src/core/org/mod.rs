//! Reading and editing one org text, losslessly: what org-element says a heading is, we say.
//!
//! A board is its preamble (everything before the first headline) and then one *section* per headline, from its
//! first star up to the next headline or the end. Everything here works on one section at a time: spans are byte
//! offsets into the section's text, edits are [`TextEdit`](crate::core::edit::TextEdit)s of it. Nothing is ever
//! printed back from a tree, so what was not understood stays as it was, byte for byte.
//!
//! Where Org 9.5 to 9.8 disagree, we read what a person sees in most of them and write what all of them read alike.

mod blocks;
mod draft;
mod keywords;
mod log;
mod planning;
pub mod repeater;
pub mod safe;
mod section;
mod settings;
mod span;
pub mod timestamp;

pub use draft::{Draft, state_change};
pub use keywords::{KeywordKind, Keywords};
pub use planning::{Drawer, Planning, Property};
pub use safe::UnsafeText;
pub use section::{Heading, body_text, file_property, heads, sections};
pub use settings::Settings;
pub use span::Span;
pub use timestamp::OrgTime;

#[cfg(test)]
mod properties;
