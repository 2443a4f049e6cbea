//! A state file.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::formats::ccms::fuzz_state(data));
