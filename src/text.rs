//! Text from outside, made fit to be shown: printable, on one line, and of bounded length.
//!
//! What AWS, a control plane, a file or another process says passes here before a log, a terminal, an error or an
//! outcome repeats it. A terminal obeys control characters, a reader of lines takes a line end for the end of a
//! record, and a bidirectional override shows a name as another one.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Bytes of somebody else's message that are repeated: the text of an error, a description.
pub const MESSAGE: usize = 2048;
/// Bytes of a name, an id or a code that are repeated.
pub const NAME: usize = 256;

/// The text on one line, without what a reader cannot see or a terminal would obey.
///
/// Line ends and tabs become spaces; other characters that are not [printable](is_printable) are written as
/// `\u{1b}`. At most `longest` bytes are given, and after them how many bytes of the text were left out.
pub fn printable(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest && text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for (at, character) in text.char_indices() {
        let length = shown.len();
        match character {
            '\t' | '\n' | '\r' => shown.push(' '),
            _ if is_printable(character) => shown.push(character),
            _ => shown.extend(character.escape_unicode()),
        }
        if shown.len() > longest {
            shown.truncate(length);
            // Writing to a text cannot fail.
            let _ = write!(shown, "... ({} bytes more)", text.len() - at);
            break;
        }
    }
    Cow::Owned(shown)
}

/// The text with at most `longest` bytes, and after them how many were left out. Its characters stay what they are:
/// for records that are read by a program, or written in a form that escapes them.
pub fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest {
        return Cow::Borrowed(text);
    }
    let (kept, rest) = text.split_at(text.floor_char_boundary(longest));
    Cow::Owned(format!("{kept}... ({} bytes more)", rest.len()))
}

/// Whether a character shows as itself: it is neither a control character, a line or paragraph separator, nor one
/// of the invisible characters that set the direction of text or hide in it.
///
/// The two joiners (U+200C, U+200D) count as printable: Persian names and emoji are spelled with them.
pub fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_and_what_reorders_text_is_written_out() {
        for (text, shown) in [
            ("a\u{1b}[2Jb", r"a\u{1b}[2Jb"),
            ("bell\u{7}", r"bell\u{7}"),
            ("delete\u{7f}", r"delete\u{7f}"),
            ("eight-bit \u{9b}2J", r"eight-bit \u{9b}2J"),
            ("first\nsecond\r\n\tthird", "first second   third"),
            ("user\u{202e}nimda", r"user\u{202e}nimda"),
            ("\u{2066}a\u{2069}", r"\u{2066}a\u{2069}"),
            ("a\u{2028}b\u{85}c", r"a\u{2028}b\u{85}c"),
            ("zero\u{200b}width", r"zero\u{200b}width"),
        ] {
            assert_eq!(printable(text, MESSAGE), shown);
        }
    }

    #[test]
    fn names_of_all_scripts_stay_as_they_are() {
        for name in
            ["O'Brien", "Зоя", "山田　太郎", "José", "Jose\u{301}", "علی\u{200c}رضا", "👩\u{200d}🚀", ""]
        {
            assert!(matches!(printable(name, NAME), Cow::Borrowed(same) if same == name), "{name}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_how_much_is_missing() {
        assert_eq!(printable("abcdef", 6), "abcdef");
        assert_eq!(printable("abcdef", 4), "abcd... (2 bytes more)");
        assert_eq!(printable("äöü", 3), "ä... (4 bytes more)");
        assert_eq!(printable("ab\u{1b}", 4), "ab... (1 bytes more)");
        assert_eq!(cut("a\nö", 4), "a\nö");
        assert_eq!(cut("a\nö", 3), "a\n... (2 bytes more)");
        let refusal = printable(&"x".repeat(5_000_000), MESSAGE).into_owned();
        assert!(refusal.len() < MESSAGE + 32 && refusal.ends_with("... (4997952 bytes more)"), "{refusal}");
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_printable_and_bounded(text in any::<String>(), longest in 0_usize..100) {
            let shown = printable(&text, longest);
            prop_assert!(shown.chars().all(is_printable));
            prop_assert!(shown.len() <= longest + 32);
        }
    }
}
