//! Sealed blocks, times, columns and histogram columns.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::block::fuzz(data));
