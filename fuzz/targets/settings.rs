//! See `batond_fuzz::settings`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| batond_fuzz::settings::check(text));
