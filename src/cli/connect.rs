//! From settings of the config to options of the server, NATS and cc-backend included: the one place that knows both.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::{self, ClientCerts, Config, Role};
use crate::server::{self, AuthOptions, ClientCertificates, PublicKey, Roles, Tls, TlsOptions, nats};

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
    Ok(options)
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
