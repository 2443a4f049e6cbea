//! The `treering` binary.

fn main() {}
