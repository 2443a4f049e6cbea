//! The life of the server: config, engine, port, signals, end.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::config::{self, Config, Environment, Errors};
use crate::disk::{SharedDisk, SystemDisk};
use crate::engine::{ArchiveError, Background, CleanupMode, CleanupProgress, CleanupReport, Engine, OpenError};
use crate::rules::file::FileError;
use crate::rules::{self, Manager, SenderError};
use crate::server::{
    self, Announcer, AnnouncerError, BackendError, BackendNodes, Listeners, PublicKeyError, Tls, TlsError, nats,
};
use crate::telemetry::Telemetry;
use crate::time::SystemClock;

use super::arguments::ServerFlags;
use super::connect::{announcer_options, backend_options, collect_options, nats_options, server_options};
use super::listen::{Bound, bind};
use super::logging::CRITICAL;
use super::process::{ProcessError, connections_within, drop_privileges, file_limit, raise_file_limit};
use super::signals::{Request, Signals};

/// How long the port waits for the first attempt to reach a NATS server.
const NATS_FIRST_TRY: Duration = Duration::from_secs(1);

/// The part of the end's time after which a checkpoint that is not over is given up.
const CHECKPOINT_SHARE: f64 = 0.85;
/// Between two lines of progress of a cleanup.
const CLEANUP_TELLS: Duration = Duration::from_secs(2);

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
    #[error("listening on {addr:?} ({setting}): {error}")]
    Listen {
        /// The setting of the config.
        setting: &'static str,
        /// What it says.
        addr: String,
        /// The system's answer.
        error: io::Error,
    },
    /// cc-backend can't be asked.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The process could not become the user or the group of the config.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The checkpoint directory can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The cleanup failed; the next one goes on from there.
    #[error("cleanup: {0}")]
    Cleanup(#[from] ArchiveError),
    /// The certificates can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Scrapes can't be kept.
    #[error("zstats.spool-directory: {0}")]
    Spool(io::Error),
    /// Nobody can be told of kept scrapes.
    #[error("zstats.notify: {0}")]
    Notify(#[from] AnnouncerError),
    /// Rule files are bad.
    #[error("{}", lines(.0))]
    Rules(Vec<FileError>),
    /// Alerts can't be sent.
    #[error("rules.alertmanagers: {0}")]
    Alertmanager(#[from] SenderError),
    /// The key that signs tokens can't be used.
    #[error("main.jwt-public-key: {0}")]
    Key(#[from] PublicKeyError),
}

/// Errors, one a line.
fn lines(errors: &[FileError]) -> String {
    errors.iter().map(FileError::to_string).collect::<Vec<_>>().join("\n")
}

/// Runs the server until a signal ends it; logs why it failed if it does.
pub(super) fn main(flags: &ServerFlags) -> ExitCode {
    match run(flags) {
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

fn run(flags: &ServerFlags) -> Result<(), RunError> {
    let config = config::load(&flags.config, &Environment::of_process())?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    if flags.gops {
        warn!("-gops has no effect: the agent belongs to the Go runtime");
    }
    if flags.cleanup_checkpoints {
        return cleanup_checkpoints(&config);
    }
    // The one provider of TLS; only the first call of a process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let files_max = raise_file_limit().unwrap_or_else(|failure| {
        // The store runs with fewer too.
        warn!("{failure}");
        file_limit()
    });
    info!("up to {files_max} files may be open");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("treering")
        .thread_stack_size(crate::server::STACK_BYTES)
        .build()
        .map_err(RunError::Runtime)?;
    let outcome = runtime.block_on(serve(flags.config.clone(), config, files_max, flags.dev));
    // What still runs by now has had its time.
    runtime.shutdown_background();
    outcome
}

/// Takes what is older than the retention out of the checkpoint directory of a store that is not running, and puts it
/// into the archive if there is one.
fn cleanup_checkpoints(config: &Config) -> Result<(), RunError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The node provider asks on it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RunError::Runtime)?;
    let engine = open(config)?;
    if let Some(backend) = &config.main.backend {
        engine.set_node_provider(Arc::new(BackendNodes::new(backend_options(backend), runtime.handle().clone())?));
    }
    let told = std::cell::Cell::new(std::time::Instant::now());
    let report = engine.cleanup_offline(&|progress| {
        let CleanupProgress { hosts, of_hosts, rows } = progress;
        if told.get().elapsed() >= CLEANUP_TELLS || hosts == of_hosts {
            told.set(std::time::Instant::now());
            eprintln!("cleanup: {hosts} of {of_hosts} hosts, {rows} rows for the archive");
        }
    })?;
    let CleanupReport { blocks, files, rows, bytes, .. } = report;
    super::print(&match config.engine_options().cleanup {
        CleanupMode::Archive(_) => format!("Cleanup done: {rows} rows archived in {files} files, {bytes} bytes.\n"),
        CleanupMode::Delete => format!("Cleanup done: {blocks} blocks dropped.\n"),
    });
    Ok(())
}

fn open(config: &Config) -> Result<Arc<Engine>, RunError> {
    let telemetry = Arc::new(Telemetry::default());
    let (disk, clock) = (Arc::new(SystemDisk), Arc::new(SystemClock));
    let engine = Engine::open(config.engine_options(), config.metric_table(), disk, clock, telemetry)?;
    engine.set_remote_options(config.remote_write.clone());
    if let Some(zstats) = &config.zstats {
        engine.collect_scrapes(collect_options(zstats)).map_err(RunError::Spool)?;
    }
    Ok(Arc::new(engine))
}

/// Binds the port, gives privileges up, and serves until a signal asks for the end.
async fn serve(path: PathBuf, config: Config, files_max: u64, dev: bool) -> Result<(), RunError> {
    // First of all, so that no signal ends the process without a checkpoint from here on.
    let mut signals = Signals::take_over().map_err(RunError::Runtime)?;
    let (ready, is_ready) = watch::channel(false);
    let mut options = server_options(&config, dev, is_ready.clone())?;
    let connections_max = connections_within(files_max);
    if options.limits.connections_max > connections_max {
        warn!("{connections_max} connections at a time are the limit: no more than {files_max} files may be open");
        options.limits.connections_max = connections_max;
    }
    let zstats_tls = options.zstats.as_ref().and_then(|zstats| zstats.tls.clone());
    let tls: Vec<_> = options.tls.clone().into_iter().chain(zstats_tls).collect();
    let groups = rules::load(&SystemDisk, &config.rules).map_err(RunError::Rules)?;
    let mut bound = Vec::new();
    for address in addresses(&config) {
        bound.push((address, bind(address.addr).await.map_err(|error| address.failed(error))?));
    }
    drop_privileges(config.main.user.as_deref(), config.main.group.as_deref())?;
    let engine = open(&config)?;
    if let Some(backend) = &config.main.backend {
        let nodes = BackendNodes::new(backend_options(backend), tokio::runtime::Handle::current())?;
        engine.set_node_provider(Arc::new(nodes));
    }
    let rules = Arc::new(Manager::new(rules::Parts {
        sources: Arc::clone(&engine) as _,
        sink: Arc::clone(&engine) as _,
        disk: Arc::new(SystemDisk),
        clock: Arc::new(SystemClock),
        telemetry: Arc::clone(engine.telemetry()),
        runtime: tokio::runtime::Handle::current(),
    }));
    rules.apply(&config.rules, groups).await?;
    options.rules = Some(Arc::clone(&rules));
    let reader = config.zstats.as_ref().and_then(|zstats| zstats.notify.as_ref());
    let announcer = reader.map(|reader| start_announcer(reader, &engine)).transpose()?;
    if let Some(zstats) = &mut options.zstats {
        zstats.announcer.clone_from(&announcer);
    }
    let (stop, mut stopped) = watch::channel(false);
    let (first_try, mut nats_tried) = watch::channel(config.nats.is_none());
    let nats = config.nats.as_ref().map(|settings| {
        let mut stopped = stopped.clone();
        let stop_nats = async move { _ = stopped.changed().await };
        let telemetry = Arc::clone(engine.telemetry());
        tokio::spawn(nats::run(Arc::clone(&engine), nats_options(settings), telemetry, is_ready, first_try, stop_nats))
    });
    // Who sees the port open may publish at once: where a NATS server is there, its subscriptions stand by then.
    let _ = tokio::time::timeout(NATS_FIRST_TRY, nats_tried.wait_for(|&tried| tried)).await;
    let listeners = listen(&config, bound)?;
    notify(&[NotifyState::Ready, NotifyState::Status("recovering")]);
    let stop_server = async move { _ = stopped.changed().await };
    let telemetry = Arc::clone(engine.telemetry());
    let server = tokio::spawn(server::run(
        listeners,
        Arc::clone(&engine),
        options,
        telemetry,
        Arc::new(SystemClock),
        stop_server,
    ));
    let mut recovery = tokio::task::spawn_blocking({
        let engine = Arc::clone(&engine);
        move || engine.recover().map(|()| Background::start(&engine))
    });
    let mut background = None;
    let outcome = loop {
        tokio::select! {
            request = signals.next() => match request {
                Request::Shutdown => break Ok(()),
                Request::Reload => reload(&path, &config, &engine, &rules, &tls).await,
            },
            recovered = &mut recovery, if background.is_none() => {
                match recovered {
                    Ok(Ok(Ok(started))) => {
                        background = Some(started);
                        _ = ready.send(true);
                        rules.begin();
                        info!("ready");
                        notify(&[NotifyState::Status("running")]);
                    }
                    Ok(Ok(Err(failure))) => break Err(RunError::Runtime(failure)),
                    Ok(Err(failure)) => break Err(failure.into()),
                    Err(failure) => break Err(RunError::Runtime(io::Error::other(failure))),
                }
            }
        }
    };
    info!("shutting down");
    let (begun, time) = (Instant::now(), config.main.limits.shutdown_timeout);
    engine.end_checkpoints_within(time.mul_f64(CHECKPOINT_SHARE));
    notify(&[NotifyState::Stopping, NotifyState::Status("shutting down")]);
    tokio::spawn(exit_at_second_request(signals));
    _ = stop.send(true);
    let (ended, ()) = tokio::join!(server, rules.stop());
    if let Some(announcer) = announcer {
        announcer.stop().await;
    }
    if let Ok(Err(failure)) = ended {
        warn!("the server ended with: {failure}");
    }
    if let Some(nats) = nats
        && let Err(failure) = nats.await
    {
        error!("NATS: {failure}");
    }
    // First of all what was promised: it is never cut short.
    let sealing = Arc::clone(&engine);
    if let Err(failure) = tokio::task::spawn_blocking(move || sealing.seal()).await {
        error!("closing the store: {failure}");
    }
    let closing = tokio::task::spawn_blocking(move || {
        if let Some(background) = background {
            background.stop();
        }
        engine.close();
    });
    // A disk that takes long over a single file can't be told to hurry; as after a crash, the logs hold everything.
    match tokio::time::timeout(time.saturating_sub(begun.elapsed()), closing).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => error!("closing the store: {failure}"),
        Err(_) => warn!("leaving without the last checkpoint after {time:?}: the next start replays the logs"),
    }
    info!("shut down");
    outcome
}

/// Begins to tell of kept scrapes.
fn start_announcer(settings: &config::NotifySettings, engine: &Engine) -> Result<Arc<Announcer>, RunError> {
    let (disk, runtime): (SharedDisk, _) = (Arc::new(SystemDisk), tokio::runtime::Handle::current());
    let telemetry = Arc::clone(engine.telemetry());
    Ok(Arc::new(Announcer::start(announcer_options(settings), disk, telemetry, &runtime)?))
}

/// Who asks twice does not want to wait for the last checkpoint; the logs hold everything, and files are replaced
/// atomically, so nothing is lost by it.
async fn exit_at_second_request(mut signals: Signals) {
    while signals.next().await != Request::Shutdown {}
    error!(target: CRITICAL, "asked to end a second time: leaving without the last checkpoint");
    std::process::exit(1);
}

/// An address of the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Address<'c> {
    setting: &'static str,
    addr: &'c str,
    /// What is spoken there, without certificates.
    scheme: &'static str,
}

impl Address<'_> {
    fn failed(&self, error: io::Error) -> RunError {
        RunError::Listen { setting: self.setting, addr: self.addr.to_owned(), error }
    }
}

/// Where the config wants the server to listen: the main address first.
fn addresses(config: &Config) -> impl Iterator<Item = Address<'_>> {
    let main = Address { setting: MAIN, addr: &config.main.addr, scheme: "http" };
    let prometheus = config.prometheus.addr.as_deref();
    let prometheus = prometheus.map(|addr| Address { setting: PROMETHEUS, addr, scheme: "http" });
    let zstats = config.zstats.as_ref().and_then(|zstats| zstats.addr.as_deref());
    let zstats = zstats.map(|addr| Address { setting: ZSTATS, addr, scheme: "http" });
    let grpc = config.main.grpc_addr.as_deref().map(|addr| Address { setting: GRPC, addr, scheme: "grpc" });
    [Some(main), prometheus, zstats, grpc].into_iter().flatten()
}

/// The settings that hold addresses.
const MAIN: &str = "main.addr";
const PROMETHEUS: &str = "prometheus.addr";
const ZSTATS: &str = "zstats.addr";
const GRPC: &str = "main.grpc-addr";

/// Lets peers connect to what was bound.
fn listen(config: &Config, bound: Vec<(Address<'_>, Bound)>) -> Result<Listeners, RunError> {
    let (mut main, mut prometheus, mut zstats, mut grpc) = (None, None, None, None);
    let zstats_has_tls = config.zstats.as_ref().is_some_and(|zstats| zstats.https.is_some());
    for (address, bound) in bound {
        let listener = bound.listen().map_err(|error| address.failed(error))?;
        let has_tls = if address.setting == ZSTATS { zstats_has_tls } else { config.main.https.is_some() };
        let scheme = format!("{}{}", address.scheme, if has_tls { "s" } else { "" });
        match listener.local_addr() {
            Ok(local) => info!("listening on {scheme}://{local}"),
            Err(_) => info!("listening on {scheme}://{}", address.addr),
        }
        let place = match address.setting {
            PROMETHEUS => &mut prometheus,
            ZSTATS => &mut zstats,
            GRPC => &mut grpc,
            _ => &mut main,
        };
        *place = Some(listener);
    }
    let missing = || RunError::Runtime(io::Error::other("nothing to listen on"));
    Ok(Listeners { main: main.ok_or_else(missing)?, prometheus, zstats, grpc })
}

/// Reads the config again; a bad one changes nothing.
async fn reload(path: &Path, running: &Config, engine: &Engine, rules: &Manager, tls: &[Arc<Tls>]) {
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
            engine.reload_metrics(loaded.metrics().iter().cloned());
            engine.set_remote_options(loaded.remote_write.clone());
            reload_rules(running, loaded.rules, rules).await;
            for tls in tls {
                match tls.reload() {
                    Err(failure) => error!("the certificates stay as they are: {failure}"),
                    Ok(()) => info!("certificates reloaded"),
                }
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

/// Reads the rule files again; a bad one changes nothing.
async fn reload_rules(running: &Config, loaded: rules::Options, manager: &Manager) {
    // How queries are answered takes effect at the next start.
    let options = rules::Options { query: running.rules.query.clone(), ..loaded };
    let groups = match rules::load(&SystemDisk, &options) {
        Ok(groups) => groups,
        Err(failures) => {
            error!("the rules stay as they are:");
            return failures.iter().for_each(|failure| error!("{failure}"));
        }
    };
    match manager.apply(&options, groups).await {
        Ok(()) => info!("{} groups of rules loaded", manager.groups().len()),
        Err(failure) => error!("the rules stay as they are: {failure}"),
    }
}

/// Tells systemd, if it is there; it is no error if it isn't.
fn notify(state: &[NotifyState<'_>]) {
    if !state.is_empty()
        && let Err(failure) = sd_notify::notify(state)
    {
        warn!("systemd could not be told: {failure}");
    }
}
