//! See `batond_fuzz::c1z_reader`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| batond_fuzz::c1z_reader::check(data));
