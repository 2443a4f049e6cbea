//! The `treering` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything begins a thread.
    treering::allocator::set_up();
    treering::cli::main(std::env::args_os())
}
