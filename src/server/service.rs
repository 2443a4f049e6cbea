//! What the server asks of the layers below, as a trait: the engine is one, tests have others.
//!
//! Every method but [`Service::is_ready`] may block; [`Service::answer_quickly`] no longer than a writer holds a host.

use std::io;
use std::sync::Arc;

use crate::engine::{
    Engine, ImportOptions, IngestError, IngestReport, OtlpForm, PushReport, RemoteError, RemoteOptions, RemoteReport,
    TakeError, Taken, WriteVersion,
};
use crate::formats::push::PushRequest;
use crate::formats::zstats;
use crate::model::MetricTable;
use crate::query;
use crate::store::{LevelSummary, Store};

/// The store behind the server.
pub(super) trait Service: Send + Sync + 'static {
    /// Whether recovery is over.
    fn is_ready(&self) -> bool;

    /// Stores whole lines of a body that came over HTTP.
    fn ingest(&self, default_cluster: &str, lines: &[u8], report: &mut IngestReport) -> Result<(), IngestError>;

    /// The rules by which series with labels of their own are taken in.
    fn remote_options(&self) -> Arc<RemoteOptions>;

    /// Stores a decompressed body of remote write.
    fn write_remote(&self, version: WriteVersion, body: &[u8]) -> Result<RemoteReport, RemoteError>;

    /// Stores a body of exposition text.
    fn import_text(&self, options: &ImportOptions, body: &[u8]) -> Result<RemoteReport, RemoteError>;

    /// Stores a decompressed body of OpenTelemetry's metrics.
    fn write_otlp(&self, form: OtlpForm, body: &[u8]) -> Result<RemoteReport, RemoteError>;

    /// Takes the scrapes of an account.
    fn take_scrapes(&self, account: &str, request: &zstats::Request<'_>) -> Result<Taken, TakeError>;

    /// Stores what came over gRPC.
    fn push(&self, request: &PushRequest<'_>, report: &mut PushReport) -> Result<(), RemoteError>;

    /// Frees what lies before `to` below each selector; answers how many blocks went.
    fn free(&self, selectors: &[Vec<String>], to: i64) -> Result<u64, IngestError>;

    /// Writes the answer to a query piece by piece.
    fn answer(&self, request: &query::Request, out: &mut dyn query::Sink) -> io::Result<()>;

    /// The answer to a query that is little work; `None` when it is more, or takes longer than there is time.
    fn answer_quickly(&self, request: &query::Request, has_time: &dyn Fn() -> bool) -> Option<Vec<u8>>;

    /// The names of the clusters, sorted.
    fn clusters(&self) -> Vec<Arc<str>>;

    /// The names of a cluster's hosts, sorted; `None` when there is no such cluster.
    fn hosts(&self, cluster: &str) -> Option<Vec<Arc<str>>>;

    /// A host, or what lies below a path of names in it: cluster, host, …; `None` when the path leads nowhere.
    fn summary(&self, path: &[String]) -> Option<LevelSummary>;

    /// What is in memory, for those who read it as PromQL does.
    fn store(&self) -> &Store;

    /// The configured metrics.
    fn metrics(&self) -> Arc<MetricTable>;

    /// Bytes of memory by kind.
    fn memory(&self) -> Vec<(&'static str, u64)>;

    /// Things in memory by kind.
    fn objects(&self) -> Vec<(&'static str, u64)>;
}

impl Service for Engine {
    fn is_ready(&self) -> bool {
        Engine::is_ready(self)
    }

    fn ingest(&self, default_cluster: &str, lines: &[u8], report: &mut IngestReport) -> Result<(), IngestError> {
        Engine::ingest(self, "http", default_cluster, lines, report)
    }

    fn remote_options(&self) -> Arc<RemoteOptions> {
        Engine::remote_options(self)
    }

    fn write_remote(&self, version: WriteVersion, body: &[u8]) -> Result<RemoteReport, RemoteError> {
        Engine::write_remote(self, version, body)
    }

    fn import_text(&self, options: &ImportOptions, body: &[u8]) -> Result<RemoteReport, RemoteError> {
        Engine::import_text(self, options, body)
    }

    fn write_otlp(&self, form: OtlpForm, body: &[u8]) -> Result<RemoteReport, RemoteError> {
        Engine::write_otlp(self, form, body)
    }

    fn take_scrapes(&self, account: &str, request: &zstats::Request<'_>) -> Result<Taken, TakeError> {
        Engine::take_scrapes(self, account, request)
    }

    fn push(&self, request: &PushRequest<'_>, report: &mut PushReport) -> Result<(), RemoteError> {
        Engine::push(self, "grpc", request, report)
    }

    fn free(&self, selectors: &[Vec<String>], to: i64) -> Result<u64, IngestError> {
        Engine::free(self, selectors, to)
    }

    fn answer(&self, request: &query::Request, out: &mut dyn query::Sink) -> io::Result<()> {
        query::answer(self.store(), request, out)
    }

    fn clusters(&self) -> Vec<Arc<str>> {
        self.store().cluster_names()
    }

    fn hosts(&self, cluster: &str) -> Option<Vec<Arc<str>>> {
        let is_known = self.clusters().iter().any(|known| **known == *cluster);
        is_known.then(|| self.store().host_names(cluster))
    }

    fn answer_quickly(&self, request: &query::Request, has_time: &dyn Fn() -> bool) -> Option<Vec<u8>> {
        query::answer_quickly(self.store(), request, has_time)
    }

    fn summary(&self, path: &[String]) -> Option<LevelSummary> {
        self.store().summary(path)
    }

    fn store(&self) -> &Store {
        Engine::store(self)
    }

    fn metrics(&self) -> Arc<MetricTable> {
        self.store().metrics()
    }

    fn memory(&self) -> Vec<(&'static str, u64)> {
        self.store().memory()
    }

    fn objects(&self) -> Vec<(&'static str, u64)> {
        self.store().objects()
    }
}
