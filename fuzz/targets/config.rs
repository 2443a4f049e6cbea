//! A config file.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::config::fuzz_config(data));
