//! What the server needs to know; the config makes it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Announcer, AuthOptions, Tls};
use crate::formats::zstats::RequestLimits;
use crate::model::{Labels, Pattern};
use crate::promql::parse::ParseOptions;
use crate::rules::Manager;

/// The stack that the runtime's threads need: queries nest up to 256 levels, and a build without optimisation takes
/// more than 4 MiB for that. Only what is used takes memory.
pub const STACK_BYTES: usize = 16 << 20;

/// How the server serves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The most bytes that the body of a write may have once inflated.
    pub body_bytes_max: u64,
    /// When answers to queries are compressed.
    pub compression: Compression,
    /// Who may do what; `None` lets everybody do everything.
    pub auth: Option<AuthOptions>,
    /// Certificates; `None` for plain HTTP. Keep a clone to [`Tls::reload`] them.
    pub tls: Option<Arc<Tls>>,
    /// Whether `/swagger/` is there.
    pub dev: bool,
    /// Becomes `true` when recovery is over. Requests wait for it.
    pub ready: watch::Receiver<bool>,
    /// Bounds against floods and slow or dead peers.
    pub limits: Limits,
    /// How PromQL is answered.
    pub prometheus: PrometheusOptions,
    /// The rules that are evaluated, to be shown.
    pub rules: Option<Arc<Manager>>,
    /// Who may ship scrapes as differences; `None`: nobody.
    pub zstats: Option<ZstatsOptions>,
}

/// Who may ship scrapes as differences. The engine has to [collect](crate::engine::Engine::collect_scrapes) those of
/// the same accounts.
#[derive(Clone, Default)]
pub struct ZstatsOptions {
    /// Who sends, by token; `*` stands for any other token.
    pub tokens: HashMap<String, ZstatsToken>,
    /// What one request may hold.
    pub limits: RequestLimits,
    /// Requests at a time.
    pub requests_max: usize,
    /// The certificates of an address of its own; `None` for plain HTTP there. Keep a clone to [`Tls::reload`] them.
    pub tls: Option<Arc<Tls>>,
    /// Who tells readers of the spool what lies there.
    pub announcer: Option<Arc<Announcer>>,
}

impl fmt::Debug for ZstatsOptions {
    /// Without the tokens: they are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ZstatsOptions { limits, requests_max, .. } = self;
        let f = &mut f.debug_struct("ZstatsOptions");
        f.field("limits", limits).field("requests_max", requests_max).finish_non_exhaustive()
    }
}

/// Who a token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZstatsToken {
    /// The account.
    pub account: String,
    /// Seconds that a sender leaves between two scrapes of a target at least; 0 for no limit.
    pub min_poll_secs: i8,
}

/// How PromQL is answered.
#[derive(Debug, Clone)]
pub struct PrometheusOptions {
    /// The origins whose scripts may read answers; `None`: those of no origin.
    pub cors_origin: Option<Pattern>,
    /// Labels that federation gives to series that have none of that name.
    pub external_labels: Labels,
    /// How long a sample stays current.
    pub lookback: Duration,
    /// How long a query may take.
    pub query_timeout: Duration,
    /// Samples that a query may hold at once.
    pub query_samples_max: u64,
    /// Queries at a time that are being computed.
    pub queries_max: usize,
    /// Threads for one query.
    pub query_threads: usize,
    /// What queries may contain.
    pub parse: ParseOptions,
    /// Whether metric names go at the end of a query instead of in each function.
    pub delayed_name_removal: bool,
}

impl Default for PrometheusOptions {
    fn default() -> Self {
        PrometheusOptions {
            cors_origin: None,
            external_labels: Labels::empty(),
            lookback: Duration::from_secs(300),
            query_timeout: Duration::from_secs(120),
            query_samples_max: 50_000_000,
            queries_max: 20,
            query_threads: 1,
            parse: ParseOptions::plain(),
            delayed_name_removal: false,
        }
    }
}

impl Options {
    /// The defaults, with `ready` as the sign that recovery is over.
    pub fn new(ready: watch::Receiver<bool>) -> Self {
        Options {
            body_bytes_max: 1 << 30,
            compression: Compression::default(),
            auth: None,
            tls: None,
            dev: false,
            ready,
            limits: Limits::default(),
            prometheus: PrometheusOptions::default(),
            rules: None,
            zstats: None,
        }
    }
}

/// When answers to queries are compressed; never without the client's `Accept-Encoding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// With zstd for everybody who asks for it; with gzip unless the peer is on this machine or the answer is large,
    /// for then compressing takes longer than sending.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Bounds against floods and slow or dead peers. The defaults suit 10,000 nodes on one server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; more are refused.
    pub connections_max: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long the head of a request may take, from its first byte, and how long the first byte of a connection.
    pub header_timeout: Duration,
    /// How long a connection without a request stays open.
    pub idle_timeout: Duration,
    /// How long a peer may take to send the next 16 KiB of a body it owes, or its end, and to take the next 16 KiB of
    /// an answer.
    pub stall_timeout: Duration,
    /// How long requests wait for the end of recovery.
    pub ready_timeout: Duration,
    /// How long requests wait for their turn before they are told to come back later.
    pub turn_timeout: Duration,
    /// How long requests under way may take once the server shuts down.
    pub shutdown_timeout: Duration,
    /// The most bytes of one line.
    pub line_bytes_max: usize,
    /// Bytes of whole lines that go to the engine at a time.
    pub piece_bytes: usize,
    /// Bodies at a time that may gather a whole piece; others go in pieces of a line's limit.
    pub large_pieces_max: usize,
    /// Bodies of writes at a time.
    pub uploads_max: usize,
    /// Pieces at a time that are being stored.
    pub ingests_max: usize,
    /// Bodies at a time that are inflated with zstd, up to 8 MiB of window each.
    pub zstd_bodies_max: usize,
    /// The most bytes of a JSON body.
    pub json_bytes_max: usize,
    /// Bytes of all JSON bodies together, and of all that they were parsed to.
    pub json_bytes_in_flight_max: usize,
    /// Queries at a time that are being computed, and frees and health checks.
    pub queries_max: usize,
    /// Answers at a time that are computed or wait for their clients to take them.
    pub answers_max: usize,
    /// Bytes of all answers together that are computed and not sent yet.
    pub answer_bytes_in_flight_max: usize,
    /// Scrapes of own metrics at a time.
    pub scrapes_max: usize,
    /// Calls at a time on one connection of gRPC.
    pub grpc_streams_max: u32,
    /// The most bytes of one message that comes over gRPC.
    pub grpc_message_bytes_max: usize,
    /// Bytes of all those messages together that are gathered or dealt with.
    pub grpc_bytes_in_flight_max: usize,
    /// The most bytes of one message that goes out over gRPC.
    pub grpc_answer_bytes_max: usize,
    /// Calls at a time on all connections of gRPC together.
    pub grpc_calls_max: usize,
    /// Bytes of all requests of zstats together that are unzipped and decoded; a larger one is alone.
    pub zstats_bytes_in_flight_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(4, usize::from);
        Limits {
            connections_max: 16_384,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(150),
            stall_timeout: Duration::from_secs(30),
            ready_timeout: Duration::from_secs(60),
            turn_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(4),
            line_bytes_max: 64 << 10,
            piece_bytes: 1 << 20,
            large_pieces_max: 128,
            uploads_max: 4096,
            ingests_max: (2 * threads).clamp(4, 64),
            zstd_bodies_max: 32,
            json_bytes_max: 64 << 20,
            json_bytes_in_flight_max: 512 << 20,
            queries_max: (4 * threads).clamp(16, 128),
            answers_max: 256,
            answer_bytes_in_flight_max: 256 << 20,
            scrapes_max: 4,
            grpc_streams_max: 100,
            grpc_message_bytes_max: 4 << 20,
            grpc_bytes_in_flight_max: 256 << 20,
            grpc_answer_bytes_max: 64 << 20,
            grpc_calls_max: 65_536,
            zstats_bytes_in_flight_max: 512 << 20,
        }
    }
}
