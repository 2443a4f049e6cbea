//! A text of an exporter, in both formats.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::formats::exposition::fuzz_exposition(data));
