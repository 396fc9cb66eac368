//! Ids of syncs and of action invocations: KSUIDs, 27 characters that sort by the second of their making.

use jiff::Timestamp;
use svix_ksuid::{Ksuid, KsuidLike};

/// The second that KSUIDs count from: 2014-05-13T16:53:20Z.
const EPOCH: i64 = 1_400_000_000;

/// A new id of this second. Unique without coordination: 128 of its bits are random.
pub fn new() -> String {
    at(Timestamp::now(), rand::random())
}

/// The id of a given second and payload. A time before 2014 or after 2150 counts as the nearest one that an id can
/// carry.
pub fn at(time: Timestamp, payload: [u8; 16]) -> String {
    let seconds = time.as_second().saturating_sub(EPOCH).clamp(0, i64::from(u32::MAX));
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    Ksuid::new_raw(seconds, Some(&payload)).to_base62()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn times_out_of_range_count_as_the_nearest() {
        assert_eq!(at(Timestamp::MIN, [0; 16]), at(second(EPOCH), [0; 16]));
        assert_eq!(at(Timestamp::MAX, [0; 16]), at(second(EPOCH + i64::from(u32::MAX)), [0; 16]));
    }

    #[test]
    fn the_smallest_and_the_largest_id_are_27_characters() {
        assert_eq!(at(second(EPOCH), [0; 16]), "000000000000000000000000000");
        assert_eq!(at(Timestamp::MAX, [0xff; 16]), "aWgEPTl1tmebfsQzFP4bxwgy80V");
    }

    #[test]
    fn a_known_time_and_payload_give_the_known_id() {
        let payload = 0xb5a1_cd34_b5f9_9d11_54fb_6853_345c_9735_u128.to_be_bytes();

        assert_eq!(at(second(EPOCH + 107_608_047), payload), "0ujtsYcgvSTl8PAuAdqWYSMnLOv");
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        assert!(at(second(1_700_000_000), [0xff; 16]) < at(second(1_700_000_001), [0; 16]));
    }

    #[test]
    fn new_ids_differ_and_are_alphanumeric() {
        let (one, other) = (new(), new());

        assert_ne!(one, other);
        assert_eq!(one.len(), 27);
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric()), "{one}");
    }
}
