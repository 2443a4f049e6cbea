//! The course of the demo: a target, the past, three questions, live until a signal ends it.

use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;

use crate::cli::arguments::LogLevel;
use crate::cli::command::DemoArguments;
use crate::cli::signals::Signals;
use crate::config::{self, Config, Environment};
use crate::time::{Clock, SystemClock};

use super::cluster::Cluster;
use super::error::{DemoError, TOKEN_VARIABLE};
use super::feed::Feed;
use super::http::Http;
use super::nats::Nats;
use super::questions::{ask, questions};
use super::show::{grouped, say};
use super::store::{Occupant, Store, occupant, wait_until_ready};
use super::target::Target;
use super::zstats;

/// Runs the demo until a signal ends it; prints why it failed if it does.
pub(in crate::cli) fn main(arguments: &DemoArguments, loglevel: LogLevel) -> ExitCode {
    // The one provider of TLS; only the first call of a process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("demo").build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(arguments, loglevel)),
        Err(error) => Err(DemoError::Setup(error.to_string())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("treering demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &DemoArguments, loglevel: LogLevel) -> Result<(), DemoError> {
    let token =
        arguments.token.clone().or_else(|| std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()));
    let interval_secs = interval_secs(arguments)?;
    let mut signals = Signals::take_over().map_err(|error| DemoError::Setup(error.to_string()))?;
    if let (true, Some(url)) = (arguments.zstats, &arguments.url) {
        // What is shipped is the page's, and no store is started: there may be no config.
        let http = Http::new(url, token, &arguments.tls, false)?;
        return tokio::select! {
            outcome = zstats::ship(arguments, http) => outcome,
            () = asked_to_end(&mut signals) => Ok(()),
        };
    }
    let config = config::load(&arguments.config, &Environment::of_process())?;
    let cluster = Arc::new(simulated(arguments, interval_secs, &config)?);
    let mut store = None;
    let course = async {
        let (target, own) = target(arguments, &config, token, loglevel, &mut store).await?;
        let course = async {
            match target {
                Target::Http(http) if arguments.zstats => {
                    wait_until_ready(&http).await?;
                    zstats::ship(arguments, http).await
                }
                target => feed(arguments, &config, cluster, target, own).await,
            }
        };
        match &mut store {
            Some(store) => tokio::select! {
                outcome = course => outcome,
                error = store.ended() => Err(error),
            },
            None => course.await,
        }
    };
    let outcome = tokio::select! {
        outcome = course => outcome,
        () = asked_to_end(&mut signals) => Ok(()),
    };
    match store {
        Some(store) => outcome.and(store.stop(&mut signals).await),
        None => outcome,
    }
}

/// Waits for a signal. A terminal that is closed sends one that asks servers to reload; here it means the end.
async fn asked_to_end(signals: &mut Signals) {
    signals.next().await;
    // Behind the `^C` that a terminal shows.
    say("");
}

/// Seconds between two samples or scrapes.
fn interval_secs(arguments: &DemoArguments) -> Result<i64, DemoError> {
    let interval = arguments.interval;
    let secs = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX);
    if !(1..=86_400).contains(&secs) || interval.subsec_nanos() > 0 {
        return Err(DemoError::Argument(format!("--interval {interval:?}: expected whole seconds, 1s to 24h")));
    }
    Ok(secs)
}

fn simulated(arguments: &DemoArguments, interval_secs: i64, config: &Config) -> Result<Cluster, DemoError> {
    let name = &arguments.cluster;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        let text = format!("--cluster {name:?}: expected 1 to 64 letters, digits, \"_\" or \"-\"");
        return Err(DemoError::Argument(text));
    }
    if arguments.backfill.as_secs() > BACKFILL_SECS_MAX {
        return Err(DemoError::Argument(format!("--backfill {:?}: expected at most 8760h", arguments.backfill)));
    }
    Ok(Cluster::new(name, arguments.hosts, interval_secs, config.metrics()))
}

/// Where to send, and whether it is the store of the config on this machine.
async fn target(
    arguments: &DemoArguments,
    config: &Config,
    token: Option<String>,
    loglevel: LogLevel,
    store: &mut Option<Store>,
) -> Result<(Target, Option<Http>), DemoError> {
    if let Some(url) = &arguments.nats {
        let nats = Nats::connect(url, token, config.nats.as_ref()).await?;
        say(&format!("Publishing on {url}, subject {}.", nats.subject()));
        return Ok((Target::Nats(nats), None));
    }
    if let Some(url) = &arguments.url {
        let http = Http::new(url, token, &arguments.tls, false)?;
        say(&format!("Feeding the store at {}.", http.base()));
        return Ok((Target::Http(http), None));
    }
    let http = Http::new(&local_url(config), token, &arguments.tls, true)?;
    let url = http.base().to_owned();
    if config.main.jwt_public_key.is_some() && !http.has_token() {
        return Err(DemoError::TokenMissing { url });
    }
    match occupant(&http).await {
        Occupant::Store => say(&format!("A store is running at {url} already: feeding that one.")),
        Occupant::Other(answer) => return Err(DemoError::PortTaken { url, answer }),
        Occupant::Nobody => {
            let level = loglevel.to_possible_value().map_or_else(String::new, |level| level.get_name().to_owned());
            let config = arguments.config.display();
            say(&format!("Starting a store at {url} with {config}."));
            *store = Some(Store::start(&arguments.config, &level)?);
        }
    }
    Ok((Target::Http(http.clone()), Some(http)))
}

/// Sends the past, asks, and sends what comes.
async fn feed(
    arguments: &DemoArguments,
    config: &Config,
    cluster: Arc<Cluster>,
    target: Target,
    own: Option<Http>,
) -> Result<(), DemoError> {
    if let Some(http) = &own {
        wait_until_ready(http).await?;
    }
    let (hosts, lines) = (cluster.hosts(), cluster.lines_of_host());
    let (name, interval_secs, period_secs) = (cluster.name(), cluster.interval_secs(), cluster.period_secs());
    say(&format!(
        "Cluster {name}: {hosts} hosts, each with {lines} series of {} metrics, every {period_secs} s.",
        config.metrics().len()
    ));
    let finer = config.metrics().iter().filter(|metric| i64::from(metric.frequency_secs) < interval_secs).count();
    if finer > 0 {
        say(&format!(
            "{finer} metrics have a smaller frequency than --interval: every other of their slots stays empty."
        ));
    }
    // At most a year, which fits.
    let backfill_secs = arguments.backfill.as_secs().cast_signed();
    let start_secs = cluster.tick_at(SystemClock.now_secs() - backfill_secs);
    let mut feed = Feed::new(Arc::clone(&cluster), target, start_secs);
    feed.backfill().await?;
    if let Some(http) = &own {
        let now_secs = SystemClock.now_secs();
        ask(http, true, &questions(&cluster, config.metrics(), now_secs - ASKED_SECS, now_secs)).await?;
    }
    let samples = grouped(u64::from(hosts) * lines);
    say(&format!("\nLive: {samples} samples every {period_secs} s. Ctrl-C ends it."));
    match feed.live().await {}
}

/// The address of the config as a client on this machine reaches it.
fn local_url(config: &Config) -> String {
    let scheme = if config.main.https.is_some() { "https" } else { "http" };
    let addr = &config.main.addr;
    let (host, port) = addr.rsplit_once(':').unwrap_or((addr.as_str(), "8082"));
    // Where a store listens on all addresses, it listens on this one.
    let host = match host {
        "" | "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        host => host,
    };
    format!("{scheme}://{host}:{port}")
}

const BACKFILL_SECS_MAX: u64 = 8760 * 3600;
/// How far back the questions go.
const ASKED_SECS: i64 = 600;
