//! Identifiers in the shapes that AWS uses, derived from names so that a fixture gives the same ids every time.

use ring::digest;

/// Derives identifiers for one organization; two organizations with different names share none.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    seed: String,
}

impl Ids {
    pub(crate) fn new(seed: &str) -> Self {
        Self { seed: seed.to_owned() }
    }

    /// `length` digits of `alphabet` that depend on the organization and on `parts`.
    fn derive(&self, alphabet: &[u8], length: usize, parts: &[&str]) -> String {
        let mut out = String::with_capacity(length);
        let mut block = 0_u32;
        while out.len() < length {
            let mut context = digest::Context::new(&digest::SHA256);
            context.update(self.seed.as_bytes());
            context.update(&block.to_be_bytes());
            for part in parts {
                context.update(b"\0");
                context.update(part.as_bytes());
            }
            for byte in context.finish().as_ref() {
                let digit = alphabet.get(usize::from(*byte) % alphabet.len()).copied().unwrap_or(b'0');
                out.push(char::from(digit));
            }
            block += 1;
        }
        out.truncate(length);
        out
    }

    pub(crate) fn hex(&self, length: usize, parts: &[&str]) -> String {
        self.derive(b"0123456789abcdef", length, parts)
    }

    /// Lower-case letters and digits, as organizations use.
    pub(crate) fn lower(&self, length: usize, parts: &[&str]) -> String {
        self.derive(b"abcdefghijklmnopqrstuvwxyz0123456789", length, parts)
    }

    /// Upper-case letters and digits, as IAM unique ids and access key ids use.
    pub(crate) fn upper(&self, length: usize, parts: &[&str]) -> String {
        self.derive(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", length, parts)
    }

    /// Twelve digits that do not start with zero.
    pub(crate) fn account(&self, parts: &[&str]) -> String {
        format!("1{}", self.derive(b"0123456789", 11, parts))
    }

    /// The shape of a version 4 UUID.
    pub(crate) fn uuid(&self, parts: &[&str]) -> String {
        shape_uuid(&self.hex(32, parts))
    }

    /// Seconds to add to a base time so that things are not all created at once.
    pub(crate) fn offset_seconds(&self, parts: &[&str]) -> i64 {
        i64::from_str_radix(&self.hex(6, parts), 16).unwrap_or_default()
    }
}

/// A random UUID, for request ids and ids of things created at run time.
pub(crate) fn random_uuid() -> String {
    shape_uuid(&random_hex(32))
}

/// `length` random hexadecimal digits.
pub(crate) fn random_hex(length: usize) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    (0..length).map(|_| char::from(DIGITS.get(rand::random_range(0..16)).copied().unwrap_or(b'0'))).collect()
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn shape_uuid(hex: &str) -> String {
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
