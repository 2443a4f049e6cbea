//! Scrapes shipped as differences: what the zstats collector posts, what it is answered, and the scrapes rebuilt.
//!
//! A request is one gzip stream with one gob value: a list of blobs, each a scrape of one target, in full or as
//! differences from the scrape before it. [`Instances`] keeps the last scrape of every target, which is what
//! differences are added to; [`SpoolEntry`] is a rebuilt scrape as the text files of the original receiver.

mod body;
mod encode;
mod error;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod gob;
mod headers;
#[cfg(test)]
mod hostile_tests;
mod instance_name;
mod instances;
#[cfg(test)]
mod instances_tests;
mod limits;
mod notification;
#[cfg(test)]
mod recorded_tests;
mod refusal;
mod request;
mod response;
mod scrape;
mod sender;
mod spool;
mod spool_text;
mod undo;

pub use body::{gunzip, gzip};
pub use encode::encode_request;
pub use error::ZstatsError;
#[cfg(any(test, feature = "testing"))]
pub use fuzz::fuzz_zstats;
pub use headers::{CONTENT_TYPE, PATH, TOKEN_HEADER, check_headers};
pub use instance_name::check_instance;
pub use instances::{Applied, Ended, Instances};
pub use limits::{RequestLimits, StateLimits};
pub use notification::{NOTIFY_METHOD, Notification, decode_notified};
pub use refusal::{Code, Refusal};
pub use request::{Blob, BlobSample, Request, decode_request};
pub use response::{Response, decode_response};
pub use scrape::{Scrape, ScrapedSeries};
pub use spool::SpoolEntry;
pub use undo::Undo;
