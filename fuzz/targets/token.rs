//! See `batond_fuzz::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| batond_fuzz::token::check(body));
