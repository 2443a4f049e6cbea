//! The part `nats`: the same lines through a real NATS server.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::error::BenchError;
use super::figures::{Figure, Outcome};
use super::folder::Folder;
use super::questions::{count, samples_there};
use super::run::Course;
use super::store::{Guard, Setting, Store, free_port};
use super::subject::Subject;
use super::workload::{CLUSTER, STEP_SECS, metrics_of_config};
use super::writer::Load;

/// Where the server's program is, if there is one.
pub(super) fn find_server() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps it where only root looks.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    folders.map(|folder| folder.join("nats-server")).find(|program| program.is_file())
}

/// Measures one store.
///
/// # Errors
///
/// It or the server does not start, or the store has lost lines.
pub(super) fn nats(course: &Course<'_>, subject: &Subject, program: &std::path::Path) -> Result<Outcome, BenchError> {
    let mut outcome = Outcome::default();
    let folder = Folder::create(course.base)?;
    let port = free_port().map_err(BenchError::file("a free port"))?;
    let address = format!("127.0.0.1:{port}");
    let config = folder.path().join("nats.conf");
    // Nobody is cut off for being slow: what is measured is who stores how fast, not who drops.
    let text = format!("listen: \"{address}\"\nmax_pending: 1073741824\nwrite_deadline: \"120s\"\n");
    std::fs::write(&config, text).map_err(BenchError::file(&config))?;
    let server = Command::new(program)
        .arg("-c")
        .arg(&config)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| BenchError::Program { program: program.to_owned(), error })?;
    let _server = Guard(server);
    let failed = |error: io::Error| {
        let error = error.to_string();
        BenchError::Request { store: "nats-server".to_owned(), what: "a connection", error }
    };
    let begin = Instant::now();
    while let Err(error) = TcpStream::connect(&address) {
        if begin.elapsed() > CONNECT_TIME || course.stop.is_asked() {
            return Err(failed(error));
        }
        std::thread::sleep(POLL_TIME);
    }

    let setting =
        Setting { metrics: metrics_of_config(), retention: "48h", nats: Some((format!("nats://{address}"), SUBJECT)) };
    let mut store = Store::start(subject, &setting, course.base, course.stop)?;
    let (hosts, ticks) = (course.sizes.ingest_hosts, course.sizes.ingest_ticks);
    let load = Load { hosts, ticks: (0, ticks), start_secs: course.start_secs(ticks), connections: 2 };
    await_subscription(&address, &mut store, course.start_secs(1)).map_err(|error| match error {
        Failure::Server(error) => failed(error),
        Failure::Store(error) => error,
    })?;

    let bodies = load.bodies();
    let before = store.processor_time()?;
    let begin = Instant::now();
    load.each(
        Some(&bodies),
        course.stop,
        || Publisher::connect(&address).map_err(failed),
        |publisher, body| publisher.publish(body).map_err(failed),
        |publisher| publisher.finish().map_err(failed),
    )?;
    let expected = u64::from(hosts) * u64::from(ticks);
    let (mut got, mut news) = (0, Instant::now());
    // A store that has lost some would never have all: it has time while more come.
    while got < expected && news.elapsed() < STANDSTILL_TIME {
        if course.stop.is_asked() {
            return Err(BenchError::Interrupted);
        }
        let now = samples_there(&store, hosts, &["cpu_load"], load.start_secs, ticks)?;
        if now > got {
            (got, news) = (now, Instant::now());
        }
        if got < expected {
            std::thread::sleep(ASK_TIME);
        }
    }
    let (took, used) = (begin.elapsed(), store.processor_time()?.saturating_sub(before));
    if course.all_there(subject, "after publishing", got, expected, &mut outcome)? {
        let lines = load.lines() as f64;
        outcome.push(Figure::NatsProcessor, used.as_secs_f64() / lines * 1e6);
        outcome.push(Figure::NatsRate, lines / took.as_secs_f64());
    }
    Ok(outcome)
}

/// Who failed.
enum Failure {
    Server(io::Error),
    Store(BenchError),
}

/// Publishes a sample again and again until the store has it: what is published before it listens reaches nobody.
fn await_subscription(address: &str, store: &mut Store<'_>, secs: i64) -> Result<(), Failure> {
    let mut publisher = Publisher::connect(address).map_err(Failure::Server)?;
    let line = format!("cpu_load,cluster={CLUSTER},hostname=probe,type=node value=1 {secs}\n");
    let question = serde_json::json!({"cluster": CLUSTER, "from": secs, "to": secs + STEP_SECS,
        "queries": [{"metric": "cpu_load", "host": "probe", "aggreg": false}]});
    let begin = Instant::now();
    loop {
        publisher.publish(line.as_bytes()).map_err(Failure::Server)?;
        publisher.flush().map_err(Failure::Server)?;
        // Also when it has not yet heard of that host.
        if matches!(count(store, &question), Ok(1)) {
            return Ok(());
        }
        if begin.elapsed() > CONNECT_TIME {
            let (store, limit_secs) = (store.name(), CONNECT_TIME.as_secs());
            return Err(Failure::Store(BenchError::Late { store, what: "its subscription", limit_secs }));
        }
        store.wait_for("a moment", || Ok(true)).map_err(Failure::Store)?;
        std::thread::sleep(ASK_TIME);
    }
}

/// A connection to a NATS server that only publishes.
struct Publisher {
    reader: BufReader<TcpStream>,
    writer: BufWriter<TcpStream>,
}

impl Publisher {
    fn connect(address: &str) -> io::Result<Publisher> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(CONNECT_TIME))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut greeting = String::new();
        reader.read_line(&mut greeting)?;
        if !greeting.starts_with("INFO ") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("no NATS server: {greeting:?}")));
        }
        let mut writer = BufWriter::with_capacity(256 << 10, stream);
        writer.write_all(b"CONNECT {\"verbose\":false}\r\n")?;
        Ok(Publisher { reader, writer })
    }

    fn publish(&mut self, body: &[u8]) -> io::Result<()> {
        write!(self.writer, "PUB {SUBJECT} {}\r\n", body.len())?;
        self.writer.write_all(body)?;
        self.writer.write_all(b"\r\n")
    }

    /// Waits until the server has everything.
    fn flush(&mut self) -> io::Result<()> {
        self.writer.write_all(b"PING\r\n")?;
        self.writer.flush()?;
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "PONG" => return Ok(()),
                "PING" => {
                    self.writer.write_all(b"PONG\r\n")?;
                    self.writer.flush()?;
                }
                line if line.starts_with("-ERR") => return Err(io::Error::other(line.to_owned())),
                _ => {}
            }
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

const SUBJECT: &str = "hpc-nats";
const POLL_TIME: Duration = Duration::from_millis(5);
const ASK_TIME: Duration = Duration::from_millis(100);
const CONNECT_TIME: Duration = Duration::from_secs(30);
/// After so long without a new sample, no more are awaited.
const STANDSTILL_TIME: Duration = Duration::from_secs(15);
