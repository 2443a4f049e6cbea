//! The body of `/api/query`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::query::fuzz_request(data));
