//! A PromQL query, or what selects series.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| treering::promql::parse::fuzz_query(data));
