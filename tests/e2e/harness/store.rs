//! A store in a process and a directory of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::blocking::{Body, Client, RequestBuilder};
use tempfile::TempDir;

use super::http::{client, try_send};
use super::{Answer, Config, Metrics, PATIENCE, eventually_within, free_port};

/// The program under test.
pub fn binary() -> PathBuf {
    match std::env::var_os("TREERING_BINARY") {
        Some(path) => fs::canonicalize(&path).unwrap_or_else(|error| panic!("TREERING_BINARY {path:?}: {error}")),
        None => PathBuf::from(env!("CARGO_BIN_EXE_treering")),
    }
}

/// How a store stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// SIGTERM: with a checkpoint.
    Term,
    /// SIGKILL: as a crash.
    Kill,
}

/// A store under test. Dropped, it is killed, and its log is shown if the test failed.
pub struct Store {
    pub dir: TempDir,
    pub port: u16,
    pub client: Client,
    base: String,
    config: Config,
    arguments: Vec<String>,
    /// A limit of file descriptors for the process, soft and hard; `None` for the machine's.
    descriptors_max: Option<u32>,
    variables: Vec<(String, String)>,
    child: Option<Child>,
}

impl Store {
    /// Starts a store in a fresh directory and waits until it is ready.
    pub fn start(config: Config) -> Store {
        let mut store = Store::prepare(config);
        store.resume();
        store
    }

    /// Starts a store with more flags.
    pub fn start_with(config: Config, arguments: &[&str]) -> Store {
        let mut store = Store::prepare(config);
        store.add_arguments(arguments);
        store.resume();
        store
    }

    /// Gives the process more flags from the next start on.
    pub fn add_arguments(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
    }

    /// The directory with its config; the process comes with [`Store::resume`].
    pub fn prepare(config: Config) -> Store {
        let dir = tempfile::Builder::new().prefix("treering-test-").tempdir().unwrap();
        fs::create_dir_all(dir.path().join("var/checkpoints")).unwrap();
        fs::create_dir_all(dir.path().join("var/archive")).unwrap();
        let port = free_port();
        let base = format!("http://127.0.0.1:{port}");
        let arguments = ["-config", "config.json", "-loglevel", "info"].map(str::to_owned).to_vec();
        Store {
            dir,
            port,
            client: client(),
            base,
            config,
            arguments,
            descriptors_max: None,
            variables: Vec::new(),
            child: None,
        }
    }

    /// Talks to it over HTTPS with this client.
    pub fn with_https(mut self, client: Client) -> Store {
        self.base = format!("https://localhost:{}", self.port);
        self.client = client;
        self
    }

    /// Bounds the file descriptors of the process.
    pub fn with_descriptors_max(mut self, descriptors_max: u32) -> Store {
        self.descriptors_max = Some(descriptors_max);
        self
    }

    /// Replaces the config; it counts from the next start.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// Sets an environment variable for the next start.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the process (again) in the directory and waits until it is ready.
    pub fn resume(&mut self) {
        self.spawn();
        let pid = self.pid();
        eventually_within(2 * PATIENCE, "the store is ready", || {
            self.check_alive();
            // Only when it is ready does it answer, or (cc-metric-store) know no such path.
            let answer = try_send(self.client.get(self.url("/-/ready"))).ok()?;
            matches!(answer.status, 200 | 404).then_some(())
        });
        assert_eq!(pid, self.pid());
    }

    /// Starts the process and waits for nothing.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.path("log.txt")).unwrap();
        let mut command = self.command();
        self.child = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    /// Runs a process that is expected to end by itself.
    pub fn run_to_end(&mut self) -> Output {
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() >= deadline {
                child.kill().unwrap();
                panic!("it runs, and should have refused to: {:?}", child.wait_with_output());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.wait_with_output().unwrap()
    }

    /// The process to be, with its config written.
    fn command(&self) -> Command {
        let config = self.config.clone().set("/main/addr", format!("127.0.0.1:{}", self.port));
        fs::write(self.path("config.json"), serde_json::to_vec_pretty(config.json()).unwrap()).unwrap();
        let mut command = match self.descriptors_max {
            None => Command::new(binary()),
            Some(limit) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]).arg(binary());
                shell
            }
        };
        command.args(&self.arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Panics when the process has ended.
    pub fn check_alive(&mut self) {
        if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
            panic!("the store ended by itself: {status}\n{}", self.log());
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Sends a signal by its name, as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.pid())]).status().unwrap();
        assert!(status.success(), "kill -s {name}: {status}");
    }

    /// Stops the process and waits for its end.
    pub fn stop(&mut self, how: How) -> ExitStatus {
        self.signal(match how {
            How::Term => "TERM",
            How::Kill => "KILL",
        });
        let mut child = self.child.take().unwrap();
        let status = eventually_within(3 * PATIENCE, "the store ends after a signal", || child.try_wait().unwrap());
        if how == How::Term {
            assert!(status.success(), "after SIGTERM: {status}");
        }
        status
    }

    /// Stops and starts again.
    pub fn restart(&mut self, how: How) {
        self.stop(how);
        self.resume();
    }

    /// What the process has printed since the first start.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("log.txt")).unwrap_or_default()).into_owned()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A request that the caller completes; send it with [`Store::send`].
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), self.url(path))
    }

    #[track_caller]
    pub fn send(&self, request: RequestBuilder) -> Answer {
        try_send(request).unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path))
    }

    /// GET with a body, as cc-backend asks.
    #[track_caller]
    pub fn get_with_body(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(self.request("GET", path).body(body))
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(self.request("POST", path).body(body))
    }

    /// Writes lines; every one must be good.
    #[track_caller]
    pub fn write<L: std::fmt::Display>(&self, lines: impl IntoIterator<Item = L>) {
        use std::fmt::Write as _;
        let mut body = String::new();
        for line in lines {
            writeln!(body, "{line}").unwrap();
        }
        self.post("/api/write", body).expect_status(200);
    }

    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.get("/metrics").expect_status(200).text())
    }

    /// A figure of `/proc/PID/status` in KiB, as `VmRSS`.
    pub fn memory_kib(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key} in {status}"));
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// How many file descriptors the process holds.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// All files below a path of the store's directory, sorted.
    pub fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.path(below), &mut found);
        found.sort();
        found
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(4000);
            let start = (start..log.len()).find(|&at| log.is_char_boundary(at)).unwrap_or(start);
            eprintln!("--- the store's log ends with\n{}\n---", &log[start..]);
        }
    }
}
