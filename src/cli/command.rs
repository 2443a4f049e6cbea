//! The sub-commands and their arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use crate::engine::CheckpointFormat;
use crate::time::{DurationError, parse_duration};

use super::client::TlsArguments;
use super::instant::{InstantError, parse_instant};

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
    /// Ask the archive: `treering archive export` writes rows of it as Parquet, CSV or line protocol
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Store line protocol, Parquet files and checkpoints, in a running server or in its checkpoint directory
    Import(ImportArguments),
    /// Measure this program, and another store beside it: what storing, holding, asking and restarting costs
    Bench(BenchArguments),
    /// Check rule files, as `promtool check rules` does; the exit code is 1 if one of them is bad
    CheckRules(CheckRulesArguments),
    /// Print the config's section zstats for the config file of a zstats server; what it does not say goes to standard
    /// error
    ConvertConfig(ConvertConfigArguments),
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
    /// TLS towards the server.
    #[command(flatten)]
    pub tls: TlsArguments,
    /// Name of the simulated cluster
    #[arg(long, value_name = "NAME", default_value = "demo")]
    pub cluster: String,
    /// The server's config file: its address and metrics
    #[arg(long, value_name = "FILE", default_value = "./config.json", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// Instead of a cluster, scrape a page of metrics at each interval and ship it as the zstats collector does: in
    /// full, and then what changed
    #[arg(long, conflicts_with_all = ["nats", "hosts", "backfill", "cluster"])]
    pub zstats: bool,
    /// With --zstats: the page; otherwise the server's own
    #[arg(long, value_name = "URL", requires = "zstats", value_hint = ValueHint::Url)]
    pub scrape: Option<String>,
    /// With --zstats: the token, one of zstats.tokens
    #[arg(long, value_name = "TOKEN", requires = "zstats", default_value = "12345")]
    pub zstats_token: String,
    /// With --zstats: the page's label job
    #[arg(long, value_name = "NAME", requires = "zstats", default_value = "treering")]
    pub job: String,
    /// With --zstats: end after so many scrapes; a failure ends it, too
    #[arg(long, value_name = "NUMBER", requires = "zstats", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// With --zstats: end after one scrape
    #[arg(long, requires = "zstats", conflicts_with = "count")]
    pub once: bool,
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

/// The arguments of `check-rules`.
#[derive(Debug, Clone, Args)]
pub struct CheckRulesArguments {
    /// The files; their names may have *, ? and [a-z] in them
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<String>,
    /// Accept what the config's prometheus.features can switch on
    #[arg(long)]
    pub experimental: bool,
}

/// The arguments of `convert-config`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Example:
  treering convert-config /etc/zstats/stats.json.txt > zstats.json

What is printed is the section itself: put it into the config as \"zstats\", or name the file there as \
\"zstats-file\". With stats.https_enabled the variable PEMFILE has to name the file with certificate and key, as it \
does for the zstats server.")]
pub struct ConvertConfigArguments {
    /// The zstats server's config file [default: the variable ZEBRIUM_STATS_CONFIG_FILE_LOC, or where the server looks
    /// without it]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
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

/// What to do with the archive.
#[derive(Debug, Clone, Subcommand)]
pub enum ArchiveCommand {
    /// Write the archive's rows of a time range, sorted by cluster, host, metric, component and time
    Export(ExportArguments),
}

/// The arguments of `archive export`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  treering archive export --from 2026-11-01 --to 2026-12-01 --format csv --output november.csv
  treering archive export --from 1795190400 --to 1795276800 --host a0101 --format parquet -o job.parquet
  treering archive export --archive /data/archive --from 2026-11-21T08:00:00Z --to 2026-11-21T09:00:00Z --format lp \\
      | treering import --url http://localhost:8082 -

Where two files of the archive hold the same row, a late correction, the later file counts.")]
pub struct ExportArguments {
    /// The first time: 2026-11-21T16:13:39Z, 2026-11-21 (midnight UTC), or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = instant, allow_hyphen_values = true)]
    pub from: i64,
    /// The time before which rows lie, in the same forms
    #[arg(long, value_name = "TIME", value_parser = instant, allow_hyphen_values = true)]
    pub to: i64,
    /// Rows of this cluster only; needed for Parquet if the archive holds several: a file is one cluster's
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Rows of this host only; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Rows of this metric only; may be given several times
    #[arg(long = "metric", value_name = "NAME")]
    pub metrics: Vec<String>,
    /// What to write: parquet as the archive's own files, csv with a header, lp as `/api/write` takes it
    #[arg(long, value_name = "FORMAT")]
    pub format: ExportFormat,
    /// Where to; `-` is standard output. A file is complete or not there
    #[arg(long, short, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// The archive's directory; otherwise the one of the config
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "config")]
    pub archive: Option<PathBuf>,
    /// The server's config file
    #[arg(long, value_name = "FILE", default_value = "./config.json", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
}

/// What an export writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Parquet.
    Parquet,
    /// Comma-separated values.
    Csv,
    /// Line protocol.
    Lp,
}

/// The arguments of `import`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  treering import --url http://localhost:8082 --token $TOKEN yesterday.lp.zst
  treering import -config config.json /data/archive/alex        the server must not run meanwhile
  treering import -config config.json /var/lib/cc-metric-store/checkpoints
  zcat old.lp.gz | treering import --cluster alex --url http://localhost:8082 -

Samples older than retention-in-memory are accepted; they stay in memory until the server's next cleanup, which \
deletes or archives them. In cleanup mode archive, samples of a time that the archive holds already are not shown by \
queries, and go into its next file. Samples of metrics that the config does not name are skipped and counted, as are \
those too far in the future. Importing twice changes nothing.

Ctrl-C ends an import behind the piece at hand; what the summary counts as stored is stored.")]
pub struct ImportArguments {
    /// Files of lines (plain, .gz, .zst), Parquet files, checkpoint directories, folders; `-` is standard input
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// What the PATHs are; auto looks at each
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub format: ImportFormat,
    /// The cluster of lines that name none
    #[arg(long, value_name = "NAME", default_value = "")]
    pub cluster: String,
    /// Send to the server at this URL; otherwise write to the checkpoint directory of the config
    #[arg(long, value_hint = ValueHint::Url, conflicts_with = "config")]
    pub url: Option<String>,
    /// Token for the server; otherwise the variable TREERING_TOKEN
    #[arg(long, requires = "url")]
    pub token: Option<String>,
    /// TLS towards the server.
    #[command(flatten)]
    pub tls: TlsArguments,
    /// The config of the server whose checkpoint directory to write; the server must not run
    #[arg(long, value_name = "FILE", default_value = "./config.json", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
}

/// What there is to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    /// What it looks like.
    Auto,
    /// Line protocol.
    Lp,
    /// Parquet files, Treering's or cc-metric-store's.
    Parquet,
    /// A checkpoint directory, Treering's or cc-metric-store's.
    Checkpoints,
}

/// The arguments of `bench`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  treering bench                                           everything but `scale`, three rounds: 5 minutes
  treering bench --against /usr/bin/cc-metric-store        both stores in turn
  treering bench ingest queries --rounds 5 --json-file out.json
  treering bench scale                                     100, 1,000 and 10,000 hosts: needs 10 GB of memory
  treering bench --quick                                   seconds, to see that it works

Stores run in folders of their own below --dir, on ports of their own, and are ended and removed with what they wrote, \
on Ctrl-C too. Progress goes to standard error, the table as Markdown to standard output. Processor time is the \
store's own, as the kernel counts it; times contain the load generator, which runs on the same cores.

The exit code is 1 if a part fails: the store ends, answers with an error, or has lost a sample.")]
pub struct BenchArguments {
    /// What to measure [default: all but scale]
    #[arg(value_name = "PART")]
    pub parts: Vec<BenchPart>,
    /// The program to measure, one that takes cc-metric-store's config [default: this one]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::ExecutablePath)]
    pub binary: Option<PathBuf>,
    /// Another such program, run in turn with the first one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::ExecutablePath)]
    pub against: Option<PathBuf>,
    /// The form of logs and checkpoints: native, wal or json
    #[arg(long, value_name = "FORMAT", default_value = "native", value_parser = format_parser())]
    pub format: CheckpointFormat,
    /// The same for the other program
    #[arg(long, value_name = "FORMAT", default_value = "wal", value_parser = format_parser())]
    pub against_format: CheckpointFormat,
    /// Measure everything so often; medians are shown [default: 3, with --quick 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: Option<u32>,
    /// Measure with so little data that it takes seconds and no figure means anything
    #[arg(long)]
    pub quick: bool,
    /// Write all values as JSON, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub json_file: Option<PathBuf>,
    /// Lines of a real job, plain, .gz or .zst [default: tests/data/job-first-hours.lp.zst, if it is there]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub job_file: Option<PathBuf>,
    /// Where stores write, 1 GB at most (scale: 3 GB) [default: the directory for temporary files]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BenchPart {
    /// Lines over HTTP: 64 hosts, 30 ticks of 860 lines; what a crash costs.
    Ingest,
    /// The same through a NATS server, if there is one on this machine.
    Nats,
    /// Memory that two days of 16 hosts take.
    Memory,
    /// Questions to these two days: a job's page, sums, the status of all nodes.
    Queries,
    /// Start after `kill -9` and after SIGTERM, with these two days.
    Recovery,
    /// Memory that a real job on a hundred clusters takes.
    Job,
    /// 100, 1,000 and 10,000 hosts.
    Scale,
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

fn instant(text: &str) -> Result<i64, InstantError> {
    parse_instant(text)
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
