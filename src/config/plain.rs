//! The sections `server`, `storage` and `tls`: another way to say some of what `main`, `metric-store` and
//! `prometheus` say.
//!
//! Invariant: a setting that both ways give is an error, and a key that has no effect is named in the log with the
//! reason. What is wrong with a setting is told at the key that gave it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::ConfigFile;
use super::schema::Violation;
use super::settings::ClientCerts;

/// The names of the sections.
pub(super) const PLAIN_SECTIONS: [&str; 3] = ["server", "storage", "tls"];

/// The folder in `storage.data_dir` that `metric-store.checkpoints.directory` means. A folder of its own: every folder
/// in it is a cluster to the adoption of other stores' files.
const CHECKPOINTS: &str = "checkpoints";

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct ServerSection {
    /// Address and port of gRPC: the same as main.grpc-addr.
    pub grpc_addr: Option<String>,
    /// Address and port to listen on: the same as main.addr.
    pub http_addr: Option<String>,
    /// Calls of gRPC at a time on one connection: the same as main.limits.grpc-streams; 0 is its default.
    #[schemars(range(min = 0, max = 4_294_967_295u64))]
    pub max_concurrent_streams: Option<u64>,
    /// Seconds that a query in PromQL may take: prometheus.query-timeout in seconds; 0 is its default.
    #[schemars(range(min = 0, max = 86_400))]
    pub query_timeout_seconds: Option<u64>,
    /// Samples that a query in PromQL may hold: the same as prometheus.query-max-samples; 0 is its default.
    #[schemars(range(min = 0, max = 1_000_000_000_000u64))]
    pub max_samples_per_query: Option<u64>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct StorageSection {
    /// The folder of all data: logs and checkpoints lie in checkpoints below it.
    pub data_dir: Option<String>,
    /// Days that data stays in memory: metric-store.retention-in-memory in days.
    #[schemars(range(min = 1, max = 36_500))]
    pub retention_days: Option<u64>,
    /// Megabytes of a segment of the log; without effect.
    #[schemars(range(min = 0, max = 1_048_576))]
    pub wal_segment_size_mb: Option<u64>,
    /// Hours of a block; without effect.
    #[schemars(range(min = 0, max = 876_000))]
    pub block_duration_hours: Option<u64>,
    /// Samples that are not in a block yet; without effect.
    #[schemars(range(min = 0, max = 9_223_372_036_854_775_807u64))]
    pub max_head_samples: Option<u64>,
    /// Seconds between two compactions; without effect.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub compaction_interval_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct TlsSection {
    /// File with the certificate chain (PEM): the same as main.https-cert-file.
    pub cert_file: Option<String>,
    /// File with the private key (PEM): the same as main.https-key-file.
    pub key_file: Option<String>,
    /// File with the authorities of client certificates (PEM): the same as main.client-ca-file.
    pub ca_file: Option<String>,
    /// Whether clients must show a certificate: main.client-certs, required or optional.
    pub require_client_cert: Option<bool>,
}

/// What became of the three sections.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// Pointers of settings in `main` and `metric-store`, with those that they came from.
    places: Vec<(&'static str, &'static str)>,
    /// The same for settings that neither way gives.
    absent: Vec<(&'static str, &'static str)>,
    /// Settings that came both ways.
    pub violations: Vec<Violation>,
    /// Keys without effect: their pointers, and why.
    pub without_effect: Vec<(&'static str, &'static str)>,
}

impl Moved {
    /// Moves the settings of the three sections to where they belong.
    pub(super) fn out_of(file: &mut ConfigFile) -> Self {
        let mut moved = Moved::default();
        let ConfigFile { main, metric_store, prometheus, server, storage, tls, .. } = file;
        moved.set("/server/http_addr", server.http_addr.take(), "/main/addr", &mut main.addr);
        moved.set("/server/grpc_addr", server.grpc_addr.take(), "/main/grpc-addr", &mut main.grpc_addr);
        let streams = server.max_concurrent_streams.filter(|&streams| streams > 0);
        let to = &mut main.limits.grpc_streams;
        moved.set("/server/max_concurrent_streams", streams, "/main/limits/grpc-streams", to);
        let directory = storage.data_dir.take().filter(|folder| !folder.is_empty());
        let directory = directory.map(|folder| format!("{}/{CHECKPOINTS}", folder.trim_end_matches('/')));
        let to = &mut metric_store.checkpoints.directory;
        moved.set("/storage/data_dir", directory, "/metric-store/checkpoints/directory", to);
        let retention = storage.retention_days.map(|days| format!("{}h", days * 24));
        let to = &mut metric_store.retention_in_memory;
        moved.set("/storage/retention_days", retention, "/metric-store/retention-in-memory", to);
        moved.set("/tls/cert_file", tls.cert_file.take(), "/main/https-cert-file", &mut main.https_cert_file);
        moved.set("/tls/key_file", tls.key_file.take(), "/main/https-key-file", &mut main.https_key_file);
        moved.set("/tls/ca_file", tls.ca_file.take(), "/main/client-ca-file", &mut main.client_ca_file);
        // Not required is what authorities alone mean: those who show a certificate must show a good one.
        let required = tls.require_client_cert.filter(|&required| required).map(|_| ClientCerts::Required);
        moved.set("/tls/require_client_cert", required, "/main/client-certs", &mut main.client_certs);
        if moved.places.iter().any(|(_, from)| from.starts_with(TLS)) {
            // Who gives one file here is told here which other one is missing.
            moved.places.extend(moved.absent.iter().filter(|(_, from)| from.starts_with(TLS)));
        }
        let timeout = server.query_timeout_seconds.filter(|&seconds| seconds > 0).map(|seconds| format!("{seconds}s"));
        let to = &mut prometheus.query_timeout;
        moved.set("/server/query_timeout_seconds", timeout, "/prometheus/query-timeout", to);
        let samples = server.max_samples_per_query.filter(|&samples| samples > 0);
        let to = &mut prometheus.query_max_samples;
        moved.set("/server/max_samples_per_query", samples, "/prometheus/query-max-samples", to);
        moved.ignore("/storage/wal_segment_size_mb", storage.wal_segment_size_mb.is_some(), SEGMENTS);
        moved.ignore("/storage/block_duration_hours", storage.block_duration_hours.is_some(), BLOCKS);
        moved.ignore("/storage/max_head_samples", storage.max_head_samples.is_some(), HEAD);
        moved.ignore("/storage/compaction_interval_seconds", storage.compaction_interval_seconds.is_some(), COMPACTION);
        moved
    }

    fn set<T>(&mut self, from: &'static str, value: Option<T>, to: &'static str, setting: &mut Option<T>) {
        let Some(value) = value else {
            if setting.is_none() {
                self.absent.push((to, from));
            }
            return;
        };
        if setting.is_some() {
            let text = format!("found both it and {to}, which mean the same, expected one of them");
            self.violations.push(Violation { pointer: from.to_owned(), text });
            return;
        }
        *setting = Some(value);
        self.places.push((to, from));
    }

    fn ignore(&mut self, pointer: &'static str, is_set: bool, why: &'static str) {
        if is_set {
            self.without_effect.push((pointer, why));
        }
    }

    /// A pointer, or a text with pointers, in the words of the file: with the keys that its settings came from.
    pub(super) fn in_the_files_words(&self, text: &str) -> String {
        self.places.iter().fold(text.to_owned(), |text, (to, from)| text.replace(to, from))
    }
}

/// Where the pointers to certificates begin.
const TLS: &str = "/tls/";

const SEGMENTS: &str = "has no effect: a segment of the log ends at a checkpoint, or at 64 MiB";
const BLOCKS: &str = "has no effect: a block holds 512 values of a series, whatever time they take";
const HEAD: &str = "has no effect: metric-store.memory-cap bounds the memory of all data";
const COMPACTION: &str = "has no effect: blocks are merged as they fill; metric-store.checkpoint-interval is the time \
                          between two checkpoints";
