//! A request of a zstats collector, zipped and not, and an answer to one.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::formats::zstats::fuzz_zstats(data));
