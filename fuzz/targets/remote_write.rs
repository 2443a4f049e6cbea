//! A remote write body, compressed or not, of either version.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::formats::remote::fuzz_write(data));
