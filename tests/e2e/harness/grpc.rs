//! A gRPC client for the tests, which block: tonic's on a runtime of its own.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use tonic_types::StatusExt;
use treering::server::proto::metrics_client::MetricsClient;
use treering::server::proto::{
    GridSeries, QueryRangeRequest, QueryRangeResponse, QueryRequest, QueryResponse, Sample, WriteRequest, WriteResponse,
};

use super::{Authority, Issued};

/// A connection, and what runs it.
pub struct Grpc {
    pub runtime: Runtime,
    pub channel: Channel,
    token: Option<String>,
}

impl Grpc {
    /// A client of a port without certificates. It connects at the first call.
    pub fn plain(port: u16) -> Grpc {
        Grpc::of(Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap())
    }

    /// A client that trusts this authority alone and shows a certificate if it has one.
    pub fn secured(port: u16, authority: &Authority, identity: Option<&Issued>) -> Grpc {
        super::http::install_crypto();
        let mut tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority.pem())).domain_name("localhost");
        if let Some(issued) = identity {
            tls = tls.identity(Identity::from_pem(&issued.certificate, &issued.key));
        }
        Grpc::of(Endpoint::from_shared(format!("https://127.0.0.1:{port}")).unwrap().tls_config(tls).unwrap())
    }

    fn of(endpoint: Endpoint) -> Grpc {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let channel = runtime.block_on(async { endpoint.connect_lazy() });
        Grpc { runtime, channel, token: None }
    }

    /// Sends a token with every call from now on.
    pub fn with_token(mut self, token: String) -> Grpc {
        self.token = Some(token);
        self
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub fn client(&self) -> MetricsClient<Channel> {
        MetricsClient::new(self.channel.clone())
    }

    /// A request with the token, if there is one.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let value: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    /// Pushes requests on one stream; the responses up to its end.
    pub fn push(&self, requests: Vec<WriteRequest>) -> Result<Vec<WriteResponse>, Status> {
        self.block_on(async {
            let requests = self.request(futures_util::stream::iter(requests));
            let mut answers = self.client().push(requests).await?.into_inner();
            let mut responses = Vec::new();
            while let Some(response) = answers.message().await? {
                responses.push(response);
            }
            Ok(responses)
        })
    }

    pub fn query(&self, request: QueryRequest) -> Result<QueryResponse, Status> {
        let answer = self.block_on(self.client().query(self.request(request)))?;
        Ok(answer.into_inner())
    }

    /// All parts of a range query.
    pub fn query_range(&self, request: QueryRangeRequest) -> Result<Vec<QueryRangeResponse>, Status> {
        self.block_on(async {
            let mut answer = self.client().query_range(self.request(request)).await?.into_inner();
            let mut parts = Vec::new();
            while let Some(part) = answer.message().await? {
                parts.push(part);
            }
            Ok(parts)
        })
    }
}

/// A series of the grid, of a whole host, with values a minute apart.
pub fn grid(metric: &str, host: &str, first_secs: i64, values: &[f64]) -> GridSeries {
    let sample = |(at, &value): (usize, &f64)| Sample { value, time_ms: 1000 * (first_secs + 60 * at as i64) };
    GridSeries {
        cluster: "alex".to_owned(),
        hostname: host.to_owned(),
        metric: metric.to_owned(),
        samples: values.iter().enumerate().map(sample).collect(),
        ..GridSeries::default()
    }
}

/// Seconds after which a status says that the call may be tried again.
pub fn retry_secs(status: &Status) -> Option<u64> {
    Some(status.get_details_retry_info()?.retry_delay?.as_secs())
}
