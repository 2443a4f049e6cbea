//! The flags of the server.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, ValueEnum};

use super::command::Command;
use super::flags::with_two_dashes;

/// What the command line says.
#[derive(Debug, Parser)]
#[command(
    name = "treering",
    about = "An in-memory metric store for compute clusters, a drop-in replacement for cc-metric-store",
    long_about = LONG_ABOUT,
    after_long_help = AFTER_HELP,
    disable_version_flag = true,
    args_override_self = true,
    max_term_width = 100
)]
pub struct Arguments {
    /// The flags of the server; sub-commands take those of the log too
    #[command(flatten)]
    pub server: ServerFlags,

    /// What to do instead of running the server
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The flags of the server.
#[derive(Debug, Parser)]
#[command(disable_version_flag = true, args_override_self = true)]
pub struct ServerFlags {
    /// The config file, JSON or YAML
    #[arg(long, value_name = "FILE", default_value = "./config.json", allow_hyphen_values = true)]
    pub config: PathBuf,

    /// Serve the Swagger UI at /swagger/
    #[arg(long)]
    pub dev: bool,

    /// Log events of this level and more urgent ones
    #[arg(long, value_name = "LEVEL", default_value = "warn", global = true)]
    pub loglevel: LogLevel,

    /// Log date and time (UTC) too
    #[arg(long, global = true)]
    pub logdate: bool,

    /// Print version, git hash and build time, and exit
    #[arg(long)]
    pub version: bool,

    /// Accepted for the sake of old unit files; without effect, for the agent belongs to the Go runtime
    #[arg(long)]
    pub gops: bool,

    /// Delete or archive (cleanup.mode) what is older than retention-in-memory in the checkpoint directory, and exit
    #[arg(long)]
    pub cleanup_checkpoints: bool,
}

impl Arguments {
    /// What a command line says; the error is what clap has to say to one that is wrong or asks for help.
    ///
    /// A line of nothing but the server's flags, as services have it, is read without making the sub-commands: these
    /// are most of the parser, and a store would keep the pages of their code in memory.
    pub fn of(line: &[OsString]) -> Result<Arguments, clap::Error> {
        match ServerFlags::try_parse_from(with_two_dashes(ServerFlags::command(), line)) {
            Ok(server) => Ok(Arguments { server, command: None }),
            Err(_) => Arguments::try_parse_from(with_two_dashes(Arguments::command(), line)),
        }
    }
}

/// How urgent an event must be to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What happens in a normal run.
    Info,
    /// What somebody should look at.
    Warn,
    /// What went wrong.
    #[value(alias = "fatal")]
    Err,
    /// What ends the program.
    Crit,
}

const LONG_ABOUT: &str = "\
An in-memory metric store for compute clusters, a drop-in replacement for cc-metric-store.

Without a command, treering runs the server: it recovers what lies in the checkpoint directory, takes samples as \
line protocol over HTTP and NATS, answers queries over HTTP, and writes a checkpoint at every interval and at its end.

Flags are written with one dash or two, values behind a space or an equals sign.";

const AFTER_HELP: &str = "\
Examples:
  treering -config /etc/treering/config.json -loglevel info
  treering -config config.json -dev            API browser at http://ADDR/swagger/
  treering demo --hosts 16                     a store with a simulated cluster
  treering inspect var/checkpoints/alex/a0101/current.wal
  treering convert --to wal var/checkpoints /tmp/for-cc-metric-store
  treering archive export --from 2026-11-01 --to 2026-12-01 --format csv > november.csv
  treering import --url http://localhost:8082 yesterday.lp.zst
  treering bench --against /usr/bin/cc-metric-store
  treering schema > treering.schema.json
  treering completions bash > /etc/bash_completion.d/treering

Signals:
  SIGTERM, SIGINT  finish requests, write a checkpoint, exit; a second one exits at once
  SIGHUP           read the config again: metrics and certificates take effect, the log names what needs a restart

Exit codes:
  0  all went well
  1  a bad config, or a failure; the log says which
  2  a bad flag

Files and variables:
  ./config.json            the config, unless -config names another
  ./var/checkpoints        logs and checkpoints, unless the config names another folder
  TREERING_JWT_PUBLIC_KEY, TREERING_BACKEND_TOKEN, TREERING_NATS_USERNAME, TREERING_NATS_PASSWORD,
  TREERING_NATS_CREDS_FILE_PATH
                           override the config; with _FILE behind the name, the value is read from a file
  TREERING_TOKEN           the token that demo and import send
  NOTIFY_SOCKET            set by systemd: told when the port is open, when the store reloads and stops";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::{ArchiveCommand, ImportFormat};

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        let line: Vec<OsString> = ["treering"].into_iter().chain(line.split_whitespace()).map(Into::into).collect();
        Arguments::of(&line)
    }

    fn parse_flags(line: &str) -> Result<ServerFlags, clap::Error> {
        parse(line).map(|arguments| arguments.server)
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_are_go_flags() {
        let none = parse_flags("").unwrap();
        assert_eq!(none.config, PathBuf::from("./config.json"));
        assert_eq!(none.loglevel, LogLevel::Warn);
        assert!(!none.dev && !none.logdate && !none.version && !none.gops && !none.cleanup_checkpoints);
        let all = parse_flags("-config a.json -dev -loglevel=debug --logdate -gops=true -cleanup-checkpoints -version")
            .unwrap();
        assert_eq!(all.config, PathBuf::from("a.json"));
        assert_eq!(all.loglevel, LogLevel::Debug);
        assert!(all.dev && all.logdate && all.version && all.gops && all.cleanup_checkpoints);
        assert!(!parse_flags("-dev -dev=false").unwrap().dev, "the last one counts");
        assert!(parse_flags("-dev=F --dev=1").unwrap().dev);
        assert_eq!(parse_flags("-config a -config=b").unwrap().config, PathBuf::from("b"));
        assert_eq!(parse_flags("-config -dev").unwrap().config, PathBuf::from("-dev"), "a value, as Go takes it");
        assert_eq!(parse_flags("-loglevel fatal").unwrap().loglevel, LogLevel::Err);
    }

    #[test]
    fn bad_flags_are_errors_that_name_them() {
        for (line, part) in [
            ("-bad", "-b"),
            ("--bad", "--bad"),
            ("-dev=maybe", "maybe"),
            ("-loglevel warning", "[possible values: debug, info, warn, err, crit]"),
            ("-config", "--config"),
            ("nonsense", "nonsense"),
            ("demo -interval 1d", "1d"),
            ("inspect", "FILE"),
            ("import", "PATH"),
            ("import -format tar a", "possible values: auto, lp, parquet, checkpoints"),
            ("import -url http://a -config b c", "--config"),
            ("archive", "export"),
            ("archive export -to 5 -format csv", "--from"),
            ("archive export -from 2026-02-30 -to 5 -format csv", "expected 2026-11-21T16:13:39Z"),
            ("archive export -from 1 -to 5 -format xls", "possible values: parquet, csv, lp"),
            ("archive export -from 1 -to 5 -format csv -archive a -config b", "--config"),
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(part), "{line}: {error}");
        }
        for line in ["-help", "--help", "-h", "help", "help demo", "demo -help", "archive export -help"] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 0, "{line}");
        }
    }

    #[test]
    fn sub_commands_have_their_defaults() {
        let Some(Command::Demo(demo)) = parse("demo").unwrap().command else { panic!("no demo") };
        assert_eq!((demo.hosts, demo.cluster.as_str()), (8, "demo"));
        assert_eq!((demo.interval.as_secs(), demo.backfill.as_secs()), (10, 7200));
        let line = "-loglevel info demo -hosts 3 --interval=1s -nats nats://a:1 -logdate";
        let arguments = parse(line).unwrap();
        assert!(arguments.server.logdate);
        assert_eq!(arguments.server.loglevel, LogLevel::Info);
        let Some(Command::Demo(demo)) = arguments.command else { panic!("no demo") };
        assert_eq!((demo.hosts, demo.nats.as_deref()), (3, Some("nats://a:1")));
        let Some(Command::Convert(convert)) = parse("convert -to wal a b").unwrap().command else { panic!() };
        assert_eq!(convert.to, crate::engine::CheckpointFormat::Wal);
        assert_eq!((convert.source, convert.target), ("a".into(), "b".into()));
        let line = "archive export -from 2026-11-21 -to=1795277619 -host a1 -host a2 -format lp -archive /data";
        let Some(Command::Archive(ArchiveCommand::Export(export))) = parse(line).unwrap().command else { panic!() };
        assert_eq!((export.from, export.to, export.hosts.len()), (1_795_219_200, 1_795_277_619, 2));
        assert_eq!((export.output, export.archive), ("-".into(), Some("/data".into())));
        let Some(Command::Import(import)) = parse("import -url http://a -cluster x - b").unwrap().command else {
            panic!()
        };
        assert_eq!((import.paths, import.format), (vec!["-".into(), "b".into()], ImportFormat::Auto));
    }
}
