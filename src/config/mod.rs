//! The config file: from its text to every module's own options.
//!
//! Nothing below this layer knows the file. A file is read ([`sections`]), JSON or YAML ([`text`]), completed by the
//! environment ([`environment`]), checked against a JSON schema ([`schema`]) that is made of the file's form ([`file`])
//! by `make schema`, and resolved into typed settings ([`resolve`]). Every stage collects its errors, so one run names
//! them all.

mod bytes;
mod environment;
mod error;
mod file;
mod follows;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod load;
mod plain;
mod prometheus;
mod reload;
mod remote_write;
mod resolve;
mod rules;
mod schema;
#[cfg(any(test, feature = "testing"))]
mod schema_of_types;
mod sections;
mod settings;
mod suggest;
#[cfg(test)]
mod tests;
mod text;
mod zstats;

pub use bytes::{BytesError, parse_bytes};
pub use environment::Environment;
pub use error::{Errors, Location, Problem};
#[cfg(any(test, feature = "testing"))]
pub use fuzz::fuzz_config;
pub use load::load;
pub use reload::restart_needed;
pub use schema::SCHEMA_TEXT;
#[cfg(any(test, feature = "testing"))]
pub use schema_of_types::schema_of_types;
pub use settings::{
    Auth, Backend, ClientCerts, Compression, Config, JetStream, MainSettings, NatsSettings, NatsTls, NotifySettings,
    PrometheusSettings, Role, Secret, ServerLimits, SpoolSettings, Subscription, TlsFiles, ZstatsAccount,
    ZstatsSettings,
};
