//! Account ids.

use std::fmt;
use std::str::FromStr;

use crate::grammar;

/// The id of an AWS account: twelve digits.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountId(String);

impl AccountId {
    /// The twelve digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if grammar::is_account(text) { Ok(Self(text.to_owned())) } else { Err(AccountIdError) }
    }
}

/// The text is not an account id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an AWS account id has twelve digits")]
pub struct AccountIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_twelve_digits_are_an_account_id() {
        for text in ["", "12345678901", "1234567890123", "12345678901a", "١٢٣٤٥٦"] {
            assert_eq!(text.parse::<AccountId>(), Err(AccountIdError), "{text}");
        }
        assert_eq!("012345678901".parse::<AccountId>().unwrap().as_str(), "012345678901");
    }
}
