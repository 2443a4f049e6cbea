//! The form of the section `zstats`: who may ship scrapes, and what becomes of them beside the store.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::Quantity;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct ZstatsSection {
    /// An address and port to listen on, which serve zstats alone; empty: none.
    #[schemars(extend("default" = ""))]
    pub addr: Option<String>,
    /// File with the certificate chain (PEM) of that address; with https-key-file it switches HTTPS on there.
    #[schemars(extend("default" = ""))]
    pub https_cert_file: Option<String>,
    /// File with the certificate's private key (PEM).
    #[schemars(extend("default" = ""))]
    pub https_key_file: Option<String>,
    /// Who may send, by the token that they send; * for any token. Without one, nothing is taken.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub tokens: BTreeMap<String, ZstatsTokenEntry>,
    /// A target that was silent for so long has stopped, or for three of its intervals, as a Go duration.
    #[schemars(extend("default" = "3m"))]
    pub silent_after: Option<String>,
    /// A target that was silent for so long is forgotten, or for three of its intervals, as a Go duration.
    #[schemars(extend("default" = "10m"))]
    pub forget_after: Option<String>,
    /// Bounds against floods.
    #[serde(default)]
    pub limits: ZstatsLimitsSection,
    /// The folder in which every scrape is kept as text; empty: none is.
    #[schemars(extend("default" = ""))]
    pub spool_directory: Option<String>,
    /// Kept scrapes that are older are removed, as a Go duration; 0s: none are.
    #[schemars(extend("default" = "24h"))]
    pub spool_max_age: Option<String>,
    /// The oldest are removed while they take more: bytes, or a text with a unit; 0: none are.
    #[serde(default)]
    #[schemars(with = "Quantity", extend("default" = "1GiB"))]
    pub spool_max_size: Option<Quantity>,
    /// The oldest are removed while there are more of them.
    #[schemars(range(min = 1, max = 1_000_000_000), extend("default" = 1_000_000))]
    pub spool_max_entries: Option<usize>,
    /// Whether a kept scrape is flushed to the disk before its sender is answered.
    #[schemars(extend("default" = false))]
    pub spool_sync: Option<bool>,
    /// Address and port of the reader (gRPC) that is told of kept scrapes; empty: none.
    #[schemars(extend("default" = ""))]
    pub notify: Option<String>,
    /// How long telling it once may take, as a Go duration.
    #[schemars(extend("default" = "6m"))]
    pub notify_timeout: Option<String>,
    /// Scrapes that it is told of at a time.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 32))]
    pub notify_calls: Option<usize>,
    /// Scrapes that wait to be told; beyond, the oldest are given up.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 10_000))]
    pub notify_queue: Option<usize>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline, extend("required" = ["account"]))]
pub(super) struct ZstatsTokenEntry {
    /// Whose scrapes they are: the name of a folder.
    pub account: Option<String>,
    /// Seconds that the sender leaves between two scrapes of a target at least; 0: as it likes.
    #[schemars(range(min = 0, max = 127), extend("default" = 0))]
    pub min_poll_secs: Option<i8>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct ZstatsLimitsSection {
    /// Requests at a time; more wait for their turn.
    #[schemars(range(min = 1, max = 256), extend("default" = 16))]
    pub requests: Option<usize>,
    /// Bytes of one body as it comes, or a text with a unit.
    #[serde(default)]
    #[schemars(with = "Quantity", extend("default" = "32MiB"))]
    pub body: Option<Quantity>,
    /// Bytes of one body unzipped, or a text with a unit.
    #[serde(default)]
    #[schemars(with = "Quantity", extend("default" = "128MiB"))]
    pub unzipped: Option<Quantity>,
    /// Scrapes in one body.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 10_000))]
    pub scrapes_per_body: Option<usize>,
    /// Samples in one body.
    #[schemars(range(min = 1, max = 100_000_000), extend("default" = 1_000_000))]
    pub samples_per_body: Option<usize>,
    /// Labels in one body.
    #[schemars(range(min = 1, max = 400_000_000), extend("default" = 4_000_000))]
    pub labels_per_body: Option<usize>,
    /// Samples that the differences in one body may stand for, those that did not change among them.
    #[schemars(range(min = 1, max = 1_000_000_000), extend("default" = 10_000_000))]
    pub rebuilt_per_body: Option<usize>,
    /// Targets of one account.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 50_000))]
    pub instances: Option<usize>,
    /// Series of one scrape.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 500_000))]
    pub series_per_scrape: Option<usize>,
    /// Bytes of the last scrapes of all targets together, or a text with a unit.
    #[serde(default)]
    #[schemars(with = "Quantity", extend("default" = "1GiB"))]
    pub state: Option<Quantity>,
}
