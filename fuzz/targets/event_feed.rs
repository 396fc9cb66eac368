//! See `batond_fuzz::event_feed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| batond_fuzz::event_feed::check(text));
