//! The line protocol, our parser against another one.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::formats::line::fuzz(data));
