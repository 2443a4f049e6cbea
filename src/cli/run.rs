//! The life of the server: config, engine, port, signals, end.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use crate::config::{self, Config, Environment, Errors};

use super::arguments::Arguments;
use super::listen::bind;
use super::logging::CRITICAL;
use super::process::{ProcessError, drop_privileges, raise_file_limit};
use super::signals::{Request, Signals};

/// Why the server ended, or never began.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The config is bad.
    #[error(transparent)]
    Config(#[from] Errors),
    /// The threads could not be started, or signals not be taken over.
    #[error("starting the runtime: {0}")]
    Runtime(io::Error),
    /// The port could not be bound.
    #[error("listening on {addr:?} (main.addr): {error}")]
    Listen {
        /// The address of the config.
        addr: String,
        /// The system's answer.
        error: io::Error,
    },
    /// The process could not become the user or the group of the config.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The flag `-cleanup-checkpoints` was given to a build that lacks it.
    #[error("this build can't clean checkpoints up")]
    NoCleanup,
}

/// Runs the server until a signal ends it; logs why it failed if it does.
pub(super) fn main(arguments: &Arguments) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // One event for each problem: the journal shows them one a line.
            for line in failure.to_string().lines() {
                error!(target: CRITICAL, "{line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), RunError> {
    let config = config::load(&arguments.config, &Environment::of_process())?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    if arguments.gops {
        warn!("-gops has no effect: the agent belongs to the Go runtime");
    }
    if arguments.cleanup_checkpoints {
        return cleanup_checkpoints(&config);
    }
    // The one provider of TLS; only the first call of a process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match raise_file_limit() {
        Ok(limit) => info!("up to {limit} files may be open"),
        // The store runs with fewer too.
        Err(failure) => warn!("{failure}"),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("treering")
        .build()
        .map_err(RunError::Runtime)?;
    let outcome = runtime.block_on(serve(arguments.config.clone(), config, arguments.dev));
    // What still runs by now has had its time.
    runtime.shutdown_background();
    outcome
}

fn cleanup_checkpoints(_config: &Config) -> Result<(), RunError> {
    Err(RunError::NoCleanup)
}

/// Binds the port, gives privileges up, and serves until a signal asks for the end.
async fn serve(path: PathBuf, config: Config, _dev: bool) -> Result<(), RunError> {
    // First of all, so that no signal ends the process without a checkpoint from here on.
    let mut signals = Signals::take_over().map_err(RunError::Runtime)?;
    let listener = listen(&config).await?;
    drop_privileges(config.main.user.as_deref(), config.main.group.as_deref())?;
    notify(&[NotifyState::Ready, NotifyState::Status("running")]);
    loop {
        match signals.next().await {
            Request::Shutdown => break,
            Request::Reload => reload(&path, &config),
        }
    }
    info!("shutting down");
    notify(&[NotifyState::Stopping, NotifyState::Status("shutting down")]);
    tokio::spawn(exit_at_second_request(signals));
    drop(listener);
    Ok(())
}

/// Who asks twice does not want to wait for the last checkpoint; the logs hold everything, and files are replaced
/// atomically, so nothing is lost by it.
async fn exit_at_second_request(mut signals: Signals) {
    while signals.next().await != Request::Shutdown {}
    error!(target: CRITICAL, "asked to end a second time: leaving without the last checkpoint");
    std::process::exit(1);
}

async fn listen(config: &Config) -> Result<TcpListener, RunError> {
    let addr = &config.main.addr;
    let listener = bind(addr).await.map_err(|error| RunError::Listen { addr: addr.clone(), error })?;
    let scheme = if config.main.https.is_some() { "https" } else { "http" };
    match listener.local_addr() {
        Ok(local) => info!("listening on {scheme}://{local}"),
        Err(_) => info!("listening on {scheme}://{addr}"),
    }
    Ok(listener)
}

/// Reads the config again; a bad one changes nothing.
fn reload(path: &Path, running: &Config) {
    let reloading = match NotifyState::monotonic_usec_now() {
        Ok(now) => vec![NotifyState::Reloading, now],
        // Without the time, systemd would wait in vain for the reload to end: better it hears of none.
        Err(_) => Vec::new(),
    };
    notify(&reloading);
    match config::load(path, &Environment::of_process()) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                warn!("{warning}");
            }
            for pointer in config::restart_needed(running, &loaded) {
                warn!("{pointer} changed: it takes effect at the next start");
            }
            info!("config reloaded");
        }
        Err(failure) => {
            error!("the config was not reloaded:");
            for problem in failure.0 {
                error!("{problem}");
            }
        }
    }
    notify(&[NotifyState::Ready]);
}

/// Tells systemd, if it is there; it is no error if it isn't.
fn notify(state: &[NotifyState<'_>]) {
    if !state.is_empty()
        && let Err(failure) = sd_notify::notify(state)
    {
        warn!("systemd could not be told: {failure}");
    }
}
