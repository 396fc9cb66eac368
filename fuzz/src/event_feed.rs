//! The cursor of the event feed, which the control plane keeps between two pages, and the records of sign-ins.

use batond::connector::last_login::{Cursor, SignIn};
use jiff::Timestamp;

const LONGEST_MESSAGE: usize = 256;

/// Panics where something of this does not hold.
pub fn check(text: &str) {
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    match Cursor::read(text, now) {
        Ok(cursor) => {
            let again = Cursor::read(&cursor.write(), now).expect("what was written is accepted");
            assert_eq!(again, cursor, "a cursor changes as it is passed on");
        }
        Err(error) => assert!(error.to_string().len() <= LONGEST_MESSAGE, "{error}"),
    }
    if let Some(sign_in) = SignIn::read(text) {
        assert!(
            ![sign_in.user, sign_in.store, sign_in.account].iter().any(String::is_empty),
            "somebody without a name"
        );
    }
}
