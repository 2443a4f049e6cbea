//! A running store in a folder of its own.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};

use crate::cli::stop::Stop;

use super::client::{Answered, Client};
use super::error::BenchError;
use super::folder::{Folder, bytes_below};
use super::process::{self, Memory};
use super::subject::Subject;

/// What a store's config says beside what all have in common.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// The section `metrics`.
    pub metrics: Map<String, Value>,
    /// How long samples stay.
    pub retention: &'static str,
    /// The address of a NATS server, and the subject to listen to.
    pub nats: Option<(String, &'static str)>,
}

/// How long something took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    /// On the clock.
    pub wall: Duration,
    /// Processor time of the store.
    pub processor: Duration,
}

/// A process that works in a folder. Dropped, it is killed and the folder removed.
#[derive(Debug)]
pub(super) struct Store<'a> {
    subject: &'a Subject,
    stop: &'a Stop,
    address: String,
    // Killed before its folder goes.
    child: Option<Guard>,
    folder: Folder,
}

/// A child that does not outlive its owner.
#[derive(Debug)]
pub(super) struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl<'a> Store<'a> {
    /// Starts a store and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It does not start, or the user has asked to end.
    pub(super) fn start(
        subject: &'a Subject,
        setting: &Setting,
        base: &Path,
        stop: &'a Stop,
    ) -> Result<Store<'a>, BenchError> {
        let folder = Folder::create(base)?;
        let address = format!("127.0.0.1:{}", free_port().map_err(BenchError::file("a free port"))?);
        for name in ["var", "var/checkpoints"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).map_err(BenchError::file(path))?;
        }
        let path = folder.path().join("config.json");
        let config = config(subject, setting, &address).to_string();
        fs::write(&path, config).map_err(BenchError::file(path))?;
        let mut store = Store { subject, stop, address, child: None, folder };
        store.resume()?;
        Ok(store)
    }

    /// Starts the process again and waits until it is ready; returns what that took.
    ///
    /// # Errors
    ///
    /// As [`Store::start`].
    pub(super) fn resume(&mut self) -> Result<Took, BenchError> {
        let path = self.folder.path().join("log.txt");
        let log = File::options().create(true).append(true).open(&path).map_err(BenchError::file(&path))?;
        let errors = log.try_clone().map_err(BenchError::file(path))?;
        let program = &self.subject.program;
        let started = Instant::now();
        let child = Command::new(program)
            .args(["-config", "config.json"])
            .current_dir(self.folder.path())
            // A Ctrl-C in the terminal reaches the bench alone, which then ends the store.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| BenchError::Program { program: program.clone(), error })?;
        self.child = Some(Guard(child));
        let mut client = self.client();
        self.wait_for("its start", || {
            // cc-metric-store knows no such path: it listens when it is ready.
            Ok(matches!(client.whole("GET", "/-/ready", b""), Ok((200 | 404, _))))
        })?;
        Ok(Took { wall: started.elapsed(), processor: self.processor_time()? })
    }

    /// Waits until `holds`; asked often, for it is a time that is measured.
    ///
    /// # Errors
    ///
    /// The process ends, minutes pass, the user asks to end, and what `holds` says.
    pub(super) fn wait_for(
        &mut self,
        what: &'static str,
        mut holds: impl FnMut() -> Result<bool, BenchError>,
    ) -> Result<(), BenchError> {
        let begin = Instant::now();
        while !holds()? {
            if self.stop.is_asked() {
                return Err(BenchError::Interrupted);
            }
            self.check_alive()?;
            if begin.elapsed() > PATIENCE {
                let store = self.name();
                return Err(BenchError::Late { store, what, limit_secs: PATIENCE.as_secs() });
            }
            std::thread::sleep(POLL_TIME);
        }
        Ok(())
    }

    /// A client for it.
    pub(super) fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// The name in the table.
    pub(super) fn name(&self) -> String {
        self.subject.name.clone()
    }

    /// Processor time of the process at hand.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(super) fn processor_time(&self) -> Result<Duration, BenchError> {
        process::processor_time(self.pid())
    }

    /// Memory of the process at hand.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(super) fn memory(&self) -> Result<Memory, BenchError> {
        process::memory(self.pid())
    }

    /// Bytes of its logs and checkpoints.
    pub(super) fn disk_bytes(&self) -> u64 {
        bytes_below(&self.folder.path().join("var/checkpoints"))
    }

    /// Ends the process as a crash does.
    pub(super) fn kill(&mut self) {
        self.child = None;
    }

    /// Ends the process with a checkpoint; returns how long that took, and the processor time that it took.
    ///
    /// # Errors
    ///
    /// It fails, or minutes pass.
    pub(super) fn terminate(&mut self) -> Result<Took, BenchError> {
        // One store runs at a time: the next child that is waited for is this one.
        let before = process::processor_time_of_ended()? + self.processor_time()?;
        let begin = Instant::now();
        // A child that was not waited for still has its id, so no other process is meant by it.
        let _ = kill(Pid::from_raw(self.pid().cast_signed()), Signal::SIGTERM);
        loop {
            match self.child.as_mut().map(|child| child.0.try_wait()) {
                Some(Ok(Some(status))) if status.success() => break,
                Some(Ok(None)) if begin.elapsed() < PATIENCE => std::thread::sleep(POLL_TIME),
                Some(Ok(None)) => {
                    let (store, limit_secs) = (self.name(), PATIENCE.as_secs());
                    return Err(BenchError::Late { store, what: "its end", limit_secs });
                }
                Some(Ok(Some(status))) => return Err(self.ended(&status.to_string())),
                Some(Err(error)) => return Err(self.ended(&error.to_string())),
                None => return Err(self.ended("it does not run")),
            }
        }
        self.child = None;
        let used = process::processor_time_of_ended()?;
        Ok(Took { wall: begin.elapsed(), processor: used.saturating_sub(before) })
    }

    /// Asks a question; an answer of another status than 200 is an error.
    ///
    /// # Errors
    ///
    /// Nobody answers, or not with 200.
    pub(super) fn ask(
        &self,
        client: &mut Client,
        question: &[u8],
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Answered, BenchError> {
        let failed = |error: String| BenchError::Request { store: self.name(), what: "a question", error };
        let answered = client.ask("GET", "/api/query", question, sink).map_err(|error| failed(error.to_string()))?;
        match answered.status {
            200 => Ok(answered),
            status => Err(failed(format!("the answer's status is {status}"))),
        }
    }

    fn check_alive(&mut self) -> Result<(), BenchError> {
        match self.child.as_mut().map(|child| child.0.try_wait()) {
            Some(Ok(None)) => Ok(()),
            Some(Ok(Some(status))) => Err(self.ended(&status.to_string())),
            Some(Err(error)) => Err(self.ended(&error.to_string())),
            None => Err(self.ended("it does not run")),
        }
    }

    fn ended(&self, status: &str) -> BenchError {
        let log = fs::read(self.folder.path().join("log.txt")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_BYTES)..]).trim().to_owned();
        BenchError::Ended { store: self.name(), status: status.to_owned(), log }
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, |child| child.0.id())
    }
}

/// The config that both kinds of stores understand.
fn config(subject: &Subject, setting: &Setting, address: &str) -> Value {
    let mut config = json!({
        "main": {"addr": address, "jwt-public-key": ""},
        "metrics": setting.metrics,
        "metric-store": {
            "checkpoints": {"file-format": subject.format, "directory": "./var/checkpoints"},
            "checkpoint-interval": "12h",
            "retention-in-memory": setting.retention,
            // Far above what is stored: nothing is to be dropped.
            "memory-cap": 64,
            "cleanup": {"mode": "delete"},
        },
    });
    if let Some((address, subject)) = &setting.nats {
        config["nats"] = json!({"address": address, "username": "", "password": ""});
        config["metric-store"]["nats-subscriptions"] =
            json!([{"subscribe-to": subject, "cluster-tag": super::workload::CLUSTER}]);
    }
    config
}

/// A port that nobody has at this moment.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

const POLL_TIME: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(300);
/// What of a store's log an error shows.
const LOG_BYTES: usize = 600;
