//! gRPC: the service of `api/treering/v1/metrics.proto`, with health and reflection; `docs/grpc.md` describes it.
//!
//! Connections, certificates, tokens, roles and turns are those of HTTP. Messages are read within bounds before
//! anything decodes them, so the server's side is written by hand over tonic's parts.

mod call;
mod deadline;
mod gate;
mod health;
mod meter;
pub mod proto;
mod push;
mod query;
mod query_range;
mod raw;
mod router;
mod series;
mod status;

pub(super) use self::raw::RawCodec;
pub(super) use self::router::router;
