//! A request of a push over gRPC.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::formats::push::fuzz_push(data));
