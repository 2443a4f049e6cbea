//! Flags and sub-commands.
//!
//! Invariant: whatever cc-metric-store's command line accepts is accepted here, with the same meaning.

mod archive;
mod arguments;
mod bench;
mod check_rules;
mod client;
mod command;
mod completions;
mod connect;
mod convert;
mod convert_config;
mod demo;
mod flags;
mod import;
mod inspect;
mod instant;
mod listen;
mod logging;
mod meter;
mod process;
mod run;
mod signals;
mod stop;
mod text;
mod version;

pub use arguments::{Arguments, LogLevel, ServerFlags};
pub use client::TlsArguments;
pub use command::{
    ArchiveCommand, BenchArguments, BenchPart, CheckRulesArguments, Command, CompletionsArguments, ConvertArguments,
    ConvertConfigArguments, DemoArguments, ExportArguments, ExportFormat, ImportArguments, ImportFormat,
    InspectArguments,
};
pub use logging::CRITICAL;
pub use run::RunError;

use std::ffi::OsString;
use std::process::ExitCode;

/// Does what the command line asks for; the exit code is 0 for success, 1 for a failure and 2 for a bad flag.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line: Vec<OsString> = arguments.into_iter().collect();
    // clap prints what is wrong, or the help, and exits with 2 or 0.
    let Arguments { server, command } = Arguments::of(&line).unwrap_or_else(|error| error.exit());
    if server.version {
        print(&version::text());
        return ExitCode::SUCCESS;
    }
    logging::start(server.loglevel, server.logdate);
    match &command {
        None => run::main(&server),
        Some(Command::Demo(demo)) => demo::main(demo, server.loglevel),
        Some(Command::Inspect(arguments)) => inspect::main(arguments),
        Some(Command::Convert(arguments)) => convert::main(arguments),
        Some(Command::Archive(ArchiveCommand::Export(arguments))) => archive::main(arguments),
        Some(Command::Import(arguments)) => import::main(arguments),
        Some(Command::Bench(arguments)) => bench::main(arguments),
        Some(Command::CheckRules(arguments)) => check_rules::main(arguments),
        Some(Command::ConvertConfig(arguments)) => convert_config::main(arguments),
        Some(Command::Schema) => {
            print(crate::config::SCHEMA_TEXT);
            ExitCode::SUCCESS
        }
        Some(Command::Completions(shell)) => {
            print(&completions::script(shell));
            ExitCode::SUCCESS
        }
    }
}

/// Prints to standard output. Nobody is left to tell when its reader has gone, as in `treering schema | head -1`.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
