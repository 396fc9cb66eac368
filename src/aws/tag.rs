//! Tags, which several services attach to their things.

/// A tag of an IAM entity or an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value; empty where AWS sends none.
    pub value: String,
}
