//! A snapshot of the native form.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::formats::native::fuzz_snapshot(data));
