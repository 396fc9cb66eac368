//! See `batond_fuzz::trust`.
#![no_main]

libfuzzer_sys::fuzz_target!(|document: &str| batond_fuzz::trust::check(document));
