//! A remote read request.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::formats::remote::fuzz_read(data));
