//! A store of the demo's own: the same program as a child process.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::StatusCode;
use tokio::task::JoinHandle;

use crate::cli::signals::{Request, Signals};

use super::error::DemoError;
use super::http::Http;
use super::show::say;

/// A running child. It lives in a process group of its own: a Ctrl-C in the terminal reaches the demo alone, which then
/// ends the child in order. (A store that is told twice to end leaves without its last checkpoint.)
#[derive(Debug)]
pub(super) struct Store {
    pid: Pid,
    end: JoinHandle<std::io::Result<ExitStatus>>,
}

/// Who has the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Occupant {
    /// Nobody.
    Nobody,
    /// A store.
    Store,
    /// Somebody who answers this.
    Other(String),
}

/// Finds out who has the port.
pub(super) async fn occupant(http: &Http) -> Occupant {
    match http.page("/-/healthy").await {
        Ok((StatusCode::OK, _)) => Occupant::Store,
        // With `auth.protect-metrics`, that path too wants a token.
        Ok((StatusCode::UNAUTHORIZED, _)) => Occupant::Store,
        Ok((status, _)) => Occupant::Other(format!("it answers {status} to /-/healthy")),
        Err(_) => Occupant::Nobody,
    }
}

/// Waits until a store has recovered its data.
///
/// # Errors
///
/// It cannot be reached, or answers otherwise.
pub(super) async fn wait_until_ready(http: &Http) -> Result<(), DemoError> {
    let mut waited = Duration::ZERO;
    loop {
        match http.page("/-/ready").await {
            Ok((StatusCode::OK, _)) => return Ok(()),
            Ok((StatusCode::SERVICE_UNAVAILABLE, _)) => {}
            Ok((StatusCode::UNAUTHORIZED, _)) if !http.has_token() => {
                return Err(DemoError::TokenMissing { url: http.base().to_owned() });
            }
            Ok((status, text)) => {
                let answer = format!("{status} to /-/ready: {}", text.trim());
                return Err(DemoError::Refused { url: http.base().to_owned(), answer });
            }
            // It may not have come so far yet.
            Err(_) if waited < CONNECT_TIME => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(POLL_TIME).await;
        waited += POLL_TIME;
        if waited.as_millis().is_multiple_of(NEWS_TIME.as_millis()) {
            say(&format!("waiting for the store to recover its data, {} s so far", waited.as_secs()));
        }
    }
}

impl Store {
    /// Starts one on a config file.
    ///
    /// # Errors
    ///
    /// The program cannot be started a second time.
    pub(super) fn start(config: &Path, loglevel: &str) -> Result<Self, DemoError> {
        let failed = |error: std::io::Error| DemoError::Store(format!("could not be started: {error}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .arg("-config")
            .arg(config)
            .args(["-loglevel", loglevel])
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        // The system's process ids are positive and small.
        let pid = Pid::from_raw(child.id().cast_signed());
        Ok(Store { pid, end: tokio::task::spawn_blocking(move || child.wait()) })
    }

    /// Waits for its end, which is an error whatever the reason, for nobody asked for it.
    pub(super) async fn ended(&mut self) -> DemoError {
        match (&mut self.end).await {
            Ok(Ok(status)) => DemoError::Store(format!("ended ({status}); its log is above")),
            Ok(Err(error)) => DemoError::Store(format!("cannot be watched: {error}")),
            Err(error) => DemoError::Store(format!("cannot be watched: {error}")),
        }
    }

    /// Asks it to end and waits for that; a further signal asks again, and then it leaves at once.
    ///
    /// # Errors
    ///
    /// It ended with a failure.
    pub(super) async fn stop(mut self, signals: &mut Signals) -> Result<(), DemoError> {
        // The end that `ended` has seen already cannot be waited for again.
        if self.end.is_finished() {
            return Ok(());
        }
        say("Stopping the store; it writes a checkpoint first.");
        self.ask_to_end();
        loop {
            tokio::select! {
                end = &mut self.end => return match end {
                    Ok(Ok(status)) if status.success() => Ok(()),
                    Ok(Ok(status)) => Err(DemoError::Store(format!("ended with a failure ({status})"))),
                    _ => Err(DemoError::Store("ended, but nobody knows how".to_owned())),
                },
                request = signals.next() => {
                    if request == Request::Shutdown {
                        self.ask_to_end();
                    }
                }
            }
        }
    }

    fn ask_to_end(&self) {
        // A process that has gone but was not waited for still has its id, so no other one is meant by it.
        let _ = kill(self.pid, Signal::SIGTERM);
    }
}

const POLL_TIME: Duration = Duration::from_millis(50);
/// How long a child may take until it listens.
const CONNECT_TIME: Duration = Duration::from_secs(10);
const NEWS_TIME: Duration = Duration::from_secs(5);
