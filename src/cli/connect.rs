//! From settings of the config to options of the server, NATS and cc-backend included: the one place that knows both.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::{self, ClientCerts, Config, Role};
use crate::engine;
use crate::server::{self, AnnouncerOptions, AuthOptions, ClientCertificates, PublicKey, Roles, Tls, TlsOptions, nats};

use super::run::RunError;

/// The options of the HTTP server. Reads the certificates.
pub(super) fn server_options(
    config: &Config,
    dev: bool,
    ready: watch::Receiver<bool>,
) -> Result<server::Options, RunError> {
    let main = &config.main;
    let mut options = server::Options::new(ready);
    options.body_bytes_max = main.body_bytes_max;
    options.compression = match main.compression {
        config::Compression::Auto => server::Compression::Auto,
        config::Compression::On => server::Compression::On,
        config::Compression::Off => server::Compression::Off,
    };
    options.dev = dev;
    options.limits = server_limits(&main.limits);
    options.prometheus = prometheus_options(config);
    if main.jwt_public_key.is_some() || !main.auth.certificates.is_empty() {
        let values = |role| main.auth.roles(role).map(<[String]>::to_vec);
        options.auth = Some(AuthOptions {
            public_key: main.jwt_public_key.as_ref().map(PublicKey::from_bytes).transpose()?,
            roles: Roles {
                read: values(Role::Read),
                write: values(Role::Write),
                free: values(Role::Free),
                debug: values(Role::Debug),
            },
            certificates: main.auth.certificates.clone().into_iter().collect(),
            protect_metrics: main.auth.protect_metrics,
        });
    }
    if let Some(files) = &main.https {
        let clients = match (main.client_certs, main.client_ca_file.clone()) {
            (ClientCerts::Optional, Some(file)) => ClientCertificates::Optional(file),
            (ClientCerts::Required, Some(file)) => ClientCertificates::Required(file),
            // The config asks for the file where it is needed.
            (ClientCerts::Off, _) | (_, None) => ClientCertificates::Off,
        };
        options.tls = Some(Arc::new(Tls::load(TlsOptions {
            certificate_file: files.cert_file.clone(),
            key_file: files.key_file.clone(),
            clients,
            revocation_file: main.client_crl_file.clone(),
        })?));
    }
    options.zstats = config.zstats.as_ref().map(zstats_options).transpose()?;
    Ok(options)
}

/// How scrapes are collected by the engine.
pub(super) fn collect_options(settings: &config::ZstatsSettings) -> engine::ZstatsOptions {
    let mut accounts: Vec<String> = settings.tokens.values().map(|token| token.account.clone()).collect();
    accounts.sort();
    accounts.dedup();
    let spool = settings.spool.as_ref().map(|spool| engine::SpoolOptions {
        max_age: spool.max_age,
        bytes_max: spool.bytes_max,
        entries_max: spool.entries_max,
        is_synced: spool.is_synced,
        ..engine::SpoolOptions::new(&spool.directory)
    });
    engine::ZstatsOptions { accounts, limits: settings.state_limits.clone(), spool }
}

/// Who may ship scrapes to the server. Reads the certificates.
fn zstats_options(settings: &config::ZstatsSettings) -> Result<server::ZstatsOptions, RunError> {
    let token = |(token, of): (&String, &config::ZstatsAccount)| {
        let of = server::ZstatsToken { account: of.account.clone(), min_poll_secs: of.min_poll_secs };
        (token.clone(), of)
    };
    let tls = settings.https.as_ref().map(|files| {
        Tls::load(TlsOptions {
            certificate_file: files.cert_file.clone(),
            key_file: files.key_file.clone(),
            clients: ClientCertificates::Off,
            revocation_file: None,
        })
    });
    Ok(server::ZstatsOptions {
        tokens: settings.tokens.iter().map(token).collect(),
        limits: settings.request_limits.clone(),
        requests_max: settings.requests_max,
        tls: tls.transpose()?.map(Arc::new),
        announcer: None,
    })
}

/// Who is told of kept scrapes, and how.
pub(super) fn announcer_options(settings: &config::NotifySettings) -> AnnouncerOptions {
    AnnouncerOptions {
        timeout: settings.timeout,
        queue_max: settings.queue_max,
        calls_max: settings.calls_max,
        ..AnnouncerOptions::new(&settings.address)
    }
}

/// Threads for one PromQL query; others want cores too.
const QUERY_THREADS_MAX: usize = 4;

/// How PromQL is answered.
fn prometheus_options(config: &Config) -> server::PrometheusOptions {
    let settings = &config.prometheus;
    server::PrometheusOptions {
        cors_origin: settings.cors_origin.clone(),
        external_labels: config.rules.notify.external_labels.clone(),
        lookback: settings.lookback,
        query_timeout: settings.query_timeout,
        query_samples_max: settings.query_samples_max,
        queries_max: settings.queries_max,
        query_threads: std::thread::available_parallelism().map_or(1, usize::from).min(QUERY_THREADS_MAX),
        parse: settings.parse_options(),
        delayed_name_removal: settings.delayed_name_removal,
    }
}

/// The server's bounds; what the config leaves open keeps its default.
fn server_limits(settings: &config::ServerLimits) -> server::Limits {
    let default = server::Limits::default();
    server::Limits {
        connections_max: settings.connections_max,
        ingests_max: settings.writes_max.unwrap_or(default.ingests_max),
        queries_max: settings.queries_max.unwrap_or(default.queries_max),
        grpc_streams_max: settings.grpc_streams_max,
        header_timeout: settings.header_timeout,
        idle_timeout: settings.idle_timeout,
        stall_timeout: settings.stall_timeout,
        turn_timeout: settings.turn_timeout,
        // What is left is for the logs and the last checkpoint.
        shutdown_timeout: settings.shutdown_timeout.mul_f64(REQUESTS_SHARE),
        ..default
    }
}

/// The part of the end's time that requests under way have.
const REQUESTS_SHARE: f64 = 0.4;

/// How to reach the NATS servers.
pub(super) fn nats_options(settings: &config::NatsSettings) -> nats::Options {
    let client = settings
        .tls
        .client
        .as_ref()
        .map(|files| nats::CertificateFiles { cert_file: files.cert_file.clone(), key_file: files.key_file.clone() });
    let subscriptions = settings.subscriptions.iter().map(|subscription| nats::Subscription {
        subject: subscription.subject.clone(),
        cluster: subscription.cluster.clone(),
        jetstream: subscription.jetstream.as_ref().map(|of| nats::JetStream {
            stream: of.stream.clone(),
            durable: of.durable.clone(),
            ack_wait: of.ack_wait,
        }),
    });
    nats::Options {
        addresses: settings.addresses.clone(),
        user: settings.user.as_ref().map(|(name, password)| (name.clone(), password.reveal().to_owned())),
        creds_file: settings.creds_file.clone(),
        nkey_seed_file: settings.nkey_seed_file.clone(),
        tls: nats::TlsFiles { ca_file: settings.tls.ca_file.clone(), client },
        subscriptions: subscriptions.collect(),
        queue_bytes_max: None,
    }
}

/// How to reach cc-backend.
pub(super) fn backend_options(backend: &config::Backend) -> server::BackendOptions {
    server::BackendOptions {
        url: backend.url.clone(),
        token: backend.token.as_ref().map(|token| token.reveal().to_owned()),
    }
}
