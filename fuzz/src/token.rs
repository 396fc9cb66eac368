//! What the token endpoint answers: an authorization that fits into a header for a bounded time, or a fault that quotes
//! nothing of it.

use std::time::Duration;

use batond::control_plane::TokenAnswer;

const DAY: Duration = Duration::from_hours(24);
const CANARY: &str = "zanzibar";

/// Panics where something of this does not hold.
pub fn check(body: &[u8]) {
    let shown = match TokenAnswer::read(body) {
        Ok(answer) => {
            assert!(answer.life <= DAY);
            let text = answer.authorization.to_str().expect("an authorization in ASCII");
            let (kind, token) = text.split_once(' ').expect("a kind and a token");
            assert!(!kind.is_empty() && !token.is_empty());
            format!("{answer:?} {:?}", answer.authorization)
        }
        Err(fault) => {
            assert!(!fault.is_permanent(), "somebody in between may have answered");
            format!("{fault} {fault:?}")
        }
    };
    assert!(!shown.contains(CANARY), "the answer is quoted");
    assert!(shown.len() < 200);
}
