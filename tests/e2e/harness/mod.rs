//! What the tests share: a store in a directory of its own, a config for it, clients, a NATS server, certificates.
//!
//! Nothing here sleeps for a guessed time: [`eventually`] polls a condition until a deadline.

mod certificates;
mod config;
mod grpc;
mod http;
mod jetstream;
mod lines;
mod metrics;
mod nats;
// By its path, for the harness is built without the library's tools for tests too.
#[path = "../../../src/testing/port.rs"]
mod port;
pub mod programs;
mod prometheus;
mod query;
mod random;
#[cfg(feature = "testing")]
mod remote;
mod store;
mod target;
mod token;

pub use certificates::{Authority, Issued};
pub use config::{Config, FORMATS, setting};
pub use grpc::{Grpc, grid, retry_secs};
pub use http::{Answer, FORM, client, encoded, form, raw_exchange, try_send};
pub use jetstream::{JETSTREAM, Stream};
pub use lines::{Line, T0};
pub use metrics::Metrics;
pub use nats::{NatsServer, NkeyPair, Operator, Publisher};
pub use port::free_port;
pub use prometheus::Prometheus;
pub use query::{Series, dense};
pub use random::Random;
#[cfg(feature = "testing")]
pub use remote::{V2, at_ms, sent};
pub use store::{How, Store, binary};
pub use target::Target;
pub use token::Signer;

use std::time::{Duration, Instant};

/// Makes a test of a function that takes the form of checkpoints, for each form.
macro_rules! in_each_form {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn native() {
                super::$name("native");
            }

            #[test]
            fn wal() {
                super::$name("wal");
            }

            #[test]
            fn json() {
                super::$name("json");
            }
        }
    )*};
}
pub(crate) use in_each_form;

/// How long a condition may take to become true on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `probe` answers something, and panics with `what` when that does not happen in time.
#[track_caller]
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, probe)
}

/// As [`eventually`], for what may take longer.
#[track_caller]
pub fn eventually_within<T>(patience: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "did not happen within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Seconds since 1970, now.
pub fn now_secs() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
