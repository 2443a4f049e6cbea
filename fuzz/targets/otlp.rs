//! A request of OpenTelemetry, as protobuf and as JSON.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::formats::otlp::fuzz_otlp(data));
