//! NATS: subscriptions whose messages are lines to store.
//!
//! A message goes from the client to its subscription's queue at once (`session`), waits there in batches (`queue`)
//! and is stored by the subscription's one worker (`worker`), so that the order of a subscription is kept. What does
//! not fit into the queue is dropped, counted and logged; nothing else loses a message that was received.

mod connect;
mod credentials;
mod options;
mod queue;
mod run;
mod session;
mod worker;

#[cfg(test)]
mod tests;

pub use options::{CertificateFiles, Options, Subscription, TlsFiles};
pub use run::run;
