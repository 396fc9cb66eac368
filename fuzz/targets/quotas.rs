//! See `batond_fuzz::quotas`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| batond_fuzz::quotas::check(data));
