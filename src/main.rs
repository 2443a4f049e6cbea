//! The `treering` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    treering::cli::main(std::env::args_os())
}
