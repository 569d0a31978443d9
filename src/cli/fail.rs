//! The one way in which a verb does not succeed: a negative reply, from the owner of the board or made here.

use crate::core::{
    code::Code,
    wire::{Failure, Reply},
};

/// A negative reply, whoever gave it.
#[derive(Debug)]
pub struct Refused(Box<Reply>);

impl Refused {
    /// The reply, to be printed as JSON.
    pub fn reply(&self) -> &Reply {
        &self.0
    }

    /// What went wrong.
    pub fn failure(&self) -> &Failure {
        self.0.error.as_ref().expect("only made of replies with an error")
    }

    /// Sorts a reply of the owner by its `ok`.
    pub fn sort(mut reply: Reply) -> Result<Reply, Refused> {
        if reply.ok {
            return Ok(reply);
        }
        let unexplained =
            || Failure::new(Code::General, "unexplained", "the owner of the board refused without saying why");
        reply.error.get_or_insert_with(unexplained);
        Err(Refused(Box::new(reply)))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused(Box::new(Reply::refused(None, failure)))
    }
}

/// A call that is wrong in a way that the argument parser cannot see.
pub fn usage(reason: &str, message: impl Into<String>) -> Failure {
    Failure::new(Code::Usage, reason, message)
}
