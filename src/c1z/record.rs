//! The form of a staged row: fields of bytes, each behind its length.

/// Appends a field.
pub(super) fn put(record: &mut Vec<u8>, field: &[u8]) {
    // A field is part of one message and far below 4 GiB; a longer one would be cut, and then refused on reading.
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(field);
}

/// Reads fields back in the order in which they were put; `None` when they are used up or damaged.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        self.0 = rest;
        Some(field)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A field of one byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes()?.first().copied()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        self.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, put};

    #[test]
    fn fields_come_back_in_order() {
        let mut record = Vec::new();
        put(&mut record, b"one");
        put(&mut record, b"");
        put(&mut record, &[7]);
        let mut fields = Fields(&record);
        assert_eq!(fields.text(), Some("one"));
        assert_eq!(fields.bytes(), Some(&b""[..]));
        assert_eq!(fields.byte(), Some(7));
        assert_eq!(fields.bytes(), None);
    }

    #[test]
    fn a_cut_field_is_none() {
        let mut record = Vec::new();
        put(&mut record, b"whole");
        record.pop();
        assert_eq!(Fields(&record).bytes(), None);
        assert_eq!(Fields(&[1, 0]).bytes(), None);
        assert_eq!(Fields(&[1, 0, 0, 0, 0xff]).text(), None);
    }
}
