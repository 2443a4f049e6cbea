//! What the NATS client needs to know; the config makes it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How to reach the NATS servers and what to receive from them.
#[derive(Clone, Default)]
pub struct Options {
    /// The servers: `nats://host:port`, `tls://host:port`, or a bare host with or without a port. A URL may hold user
    /// and password; one pair is used for all servers.
    pub addresses: Vec<String>,
    /// User name and password; they go before those of URLs.
    pub user: Option<(String, String)>,
    /// The file with a JWT and its seed. It is read at every connect, so it can be replaced while the store runs.
    pub creds_file: Option<PathBuf>,
    /// The file with the seed of an NKey, read at every connect too.
    pub nkey_seed_file: Option<PathBuf>,
    /// TLS towards the servers.
    pub tls: TlsFiles,
    /// What to receive.
    pub subscriptions: Vec<Subscription>,
    /// Bytes of messages that may wait to be stored, over all subscriptions; `None` for 256 MiB.
    pub queue_bytes_max: Option<usize>,
}

/// The files of TLS, all PEM, read at every connect. When one is given, connections without TLS are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities to trust, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificate to show.
    pub client: Option<CertificateFiles>,
}

/// A certificate in PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate chain.
    pub cert_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

/// A subject to receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The subject; wildcards work.
    pub subject: String,
    /// The cluster of lines without a cluster tag.
    pub cluster: String,
    /// The stream to receive from, with acknowledgements; `None` for what is published at the moment.
    pub jetstream: Option<JetStream>,
}

/// A durable consumer of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JetStream {
    /// The stream; who runs the NATS servers makes it.
    pub stream: String,
    /// The durable pull consumer; it is made when there is none, and used as it is when there is one.
    pub durable: String,
    /// After this time, what is not acknowledged comes again; for a consumer that is made.
    pub ack_wait: Duration,
}

impl Options {
    /// Bytes that may wait of one subscription: an equal share, so that a flood on one subject takes nothing from the
    /// others.
    pub(super) fn queue_bytes_each(&self) -> usize {
        self.queue_bytes_max.unwrap_or(QUEUE_BYTES_MAX) / self.subscriptions.len().max(1)
    }
}

impl fmt::Debug for Options {
    /// Without addresses and users: both hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("subscriptions", &self.subscriptions).finish_non_exhaustive()
    }
}

/// Enough for a minute of 10,000 nodes.
const QUEUE_BYTES_MAX: usize = 256 << 20;
