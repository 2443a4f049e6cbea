//! From the config's words to those of the modules that connect to others: NATS servers and cc-backend.

use crate::config::{Backend, NatsSettings};
use crate::server::{BackendOptions, nats};

/// How to reach the NATS servers.
pub(super) fn nats_options(settings: &NatsSettings) -> nats::Options {
    let client = settings
        .tls
        .client
        .as_ref()
        .map(|files| nats::CertificateFiles { cert_file: files.cert_file.clone(), key_file: files.key_file.clone() });
    let subscriptions = settings.subscriptions.iter().map(|subscription| nats::Subscription {
        subject: subscription.subject.clone(),
        cluster: subscription.cluster.clone(),
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
pub(super) fn backend_options(backend: &Backend) -> BackendOptions {
    BackendOptions { url: backend.url.clone(), token: backend.token.as_ref().map(|token| token.reveal().to_owned()) }
}
