//! A JSON web token.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::server::fuzz_token(data));
