//! See `batond_fuzz::task`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| batond_fuzz::task::check(data));
