//! Passwords that nobody chose.

use rand::Rng as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::ProvisionError;
use crate::baton::v2::PasswordConstraint;
use crate::baton::v2::credential_options::RandomPassword;

/// Lengths that the protocol allows.
const LENGTHS: std::ops::RangeInclusive<i64> = 8..=64;
/// Without constraints, one of each at least: what the strictest password policy of IAM asks for.
const SETS: [&str; 4] =
    ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "!@#$%^&*()_+-=[]{}|'"];

/// How a password is made, read from a request.
#[derive(Debug)]
pub(super) struct Recipe {
    length: usize,
    /// The letters of a set, and how many of them there must be.
    sets: Vec<(Vec<u8>, usize)>,
}

impl Recipe {
    /// Refuses a length outside of 8 to 64, sets that hold more than visible ASCII, and more letters than fit.
    pub(super) fn parse(options: &RandomPassword) -> Result<Self, ProvisionError> {
        if !LENGTHS.contains(&options.length) {
            return Err(ProvisionError::invalid("the length of a random password is 8 to 64"));
        }
        let sets: Result<Vec<_>, _> = options.constraints.iter().map(set).collect();
        let mut sets = sets?;
        if sets.is_empty() {
            sets = SETS.iter().map(|letters| (letters.as_bytes().to_vec(), 1)).collect();
        }
        let length = usize::try_from(options.length).unwrap_or_default();
        let least = sets.iter().fold(0_usize, |sum, (_, count)| sum.saturating_add(*count));
        if least > length {
            return Err(ProvisionError::invalid(format!(
                "the constraints ask for {least} letters, and the password has {length}"
            )));
        }
        Ok(Self { length, sets })
    }

    /// A password as the recipe has it, from the operating system's randomness.
    pub(super) fn make(&self) -> SecretString {
        let mut random = rand::rng();
        let mut letters = Zeroizing::new(Vec::<u8>::with_capacity(self.length));
        for (set, count) in &self.sets {
            letters.extend((0..*count).filter_map(|_| set.choose(&mut random)));
        }
        // Each letter once, whatever sets it is in: none is likelier than another.
        let mut all: Vec<u8> = self.sets.iter().flat_map(|(set, _)| set).copied().collect();
        all.sort_unstable();
        all.dedup();
        while letters.len() < self.length && !all.is_empty() {
            letters.extend(all.get(random.random_range(0..all.len())));
        }
        letters.shuffle(&mut random);
        // As long as it will be from the start: one that grows leaves copies behind.
        let mut text = String::with_capacity(self.length);
        text.extend(letters.iter().copied().map(char::from));
        text.into()
    }
}

fn set(constraint: &PasswordConstraint) -> Result<(Vec<u8>, usize), ProvisionError> {
    let letters = constraint.char_set.as_bytes();
    if letters.is_empty() || letters.len() > 256 || !letters.iter().all(u8::is_ascii_graphic) {
        return Err(ProvisionError::invalid(
            "a set of letters of the password is empty, or holds more than visible ASCII",
        ));
    }
    Ok((letters.to_vec(), usize::try_from(constraint.min_count).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn options(length: i64, constraints: &[(&str, u32)]) -> RandomPassword {
        let constraint = |(set, count): &(&str, u32)| PasswordConstraint {
            char_set: (*set).to_owned(),
            min_count: *count,
        };
        RandomPassword { length, constraints: constraints.iter().map(constraint).collect() }
    }

    #[test]
    fn a_password_has_its_length_and_one_of_each_set() {
        let mut seen = BTreeSet::new();
        for length in [8, 20, 64] {
            for _ in 0..200 {
                let made = Recipe::parse(&options(length, &[])).unwrap().make();
                let text = made.expose_secret();
                assert_eq!(text.len(), usize::try_from(length).unwrap());
                assert!(SETS.iter().all(|set| text.chars().any(|letter| set.contains(letter))), "{text}");
                assert!(seen.insert(text.to_owned()), "it came twice");
            }
        }
    }

    #[test]
    fn constraints_are_held() {
        let recipe = Recipe::parse(&options(8, &[("ab", 3), ("19", 2)])).unwrap();
        for _ in 0..200 {
            let made = recipe.make();
            let text = made.expose_secret();
            let of = |set: &str| text.chars().filter(|letter| set.contains(*letter)).count();
            assert!(of("ab") >= 3 && of("19") >= 2 && of("ab19") == 8, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        for refused in [
            options(7, &[]),
            options(65, &[]),
            options(-1, &[]),
            options(8, &[("a", 9)]),
            options(8, &[("a", u32::MAX), ("b", u32::MAX)]),
            options(8, &[("", 0)]),
            options(8, &[("ä", 1)]),
            options(8, &[("a b", 1)]),
        ] {
            assert!(matches!(Recipe::parse(&refused), Err(ProvisionError::Invalid(_))), "{refused:?}");
        }
    }
}
