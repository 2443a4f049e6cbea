//! The sub-commands and their arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};

use crate::engine::CheckpointFormat;
use crate::time::{DurationError, parse_duration};

/// What to do instead of running the server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate a cluster that sends samples: first the last hours, then live, until Ctrl-C
    Demo(DemoArguments),
    /// Print logs, snapshots and checkpoints, Treering's or cc-metric-store's, with offsets, and check them; the exit
    /// code is 1 if anything is damaged
    Inspect(InspectArguments),
    /// Write the content of a checkpoint directory to another one in another form; no server may use them meanwhile
    Convert(ConvertArguments),
    /// Print the JSON schema of the config file
    Schema,
    /// Print a script that completes commands and flags in a shell
    Completions(CompletionsArguments),
}

/// The arguments of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArguments {
    /// Hosts of the simulated cluster
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub hosts: u32,
    /// Feed the store at this URL; otherwise the one on the config's address, which is started if nobody has
    #[arg(long, value_hint = ValueHint::Url, conflicts_with = "nats")]
    pub url: Option<String>,
    /// Send to this NATS server instead of HTTP, to the first subject that the config subscribes to
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub nats: Option<String>,
    /// Time between two samples of a metric
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub interval: Duration,
    /// Send this much of the past first
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = duration)]
    pub backfill: Duration,
    /// Token for the server; otherwise the variable TREERING_TOKEN
    #[arg(long)]
    pub token: Option<String>,
    /// Name of the simulated cluster
    #[arg(long, value_name = "NAME", default_value = "demo")]
    pub cluster: String,
    /// The server's config file: its address and metrics
    #[arg(long, value_name = "FILE", default_value = "./config.json", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
}

/// The arguments of `inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArguments {
    /// The files; of a folder, all below it. What a file is, its content tells
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
    /// Print at most this many records, series and blocks of a file; all are checked [default: 200]
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<u64>,
}

/// The arguments of `convert`.
#[derive(Debug, Clone, Args)]
pub struct ConvertArguments {
    /// Refuse a SOURCE of another form than this: native, wal or json; otherwise whatever lies there is read
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    pub from: Option<CheckpointFormat>,
    /// The form to write: native, wal or json
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    pub to: CheckpointFormat,
    /// The server's config file, for the frequencies of metrics that lie in logs alone: no snapshot names them yet
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The checkpoint directory to read; nothing in it is changed
    #[arg(value_name = "SOURCE", value_hint = ValueHint::DirPath)]
    pub source: PathBuf,
    /// The checkpoint directory to write; it must be empty or missing
    #[arg(value_name = "TARGET", value_hint = ValueHint::DirPath)]
    pub target: PathBuf,
}

/// The arguments of `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

fn duration(text: &str) -> Result<Duration, DurationError> {
    parse_duration(text)
}

/// Reads the three names of [`CheckpointFormat`], and lists them in errors and completions.
fn format_parser() -> impl clap::builder::TypedValueParser<Value = CheckpointFormat> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    PossibleValuesParser::new(["native", "wal", "json"]).map(|name| match name.as_str() {
        "wal" => CheckpointFormat::Wal,
        "json" => CheckpointFormat::Json,
        // Only the three names pass the parser before.
        _ => CheckpointFormat::Native,
    })
}
