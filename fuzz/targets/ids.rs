//! See `batond_fuzz::ids`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| batond_fuzz::ids::check(data));
