//! NATS: subscriptions whose messages are lines to store.
//!
//! Of a plain subscription, a message goes from the client to its subscription's queue at once (`session`), waits there
//! in batches (`queue`) and is stored by the subscription's one worker (`worker`), so that the order of a subscription
//! is kept. What does not fit into the queue is dropped, counted and logged; nothing else loses a message that was
//! received.
//!
//! Of a subscription with a stream, messages are pulled (`pull`) from its durable consumer (`durable`), and
//! acknowledged once they are in the log (`consumer`): nothing is dropped, and what is not acknowledged comes again.

mod connect;
mod consumer;
mod credentials;
mod delivery;
mod durable;
mod echo;
mod options;
mod pull;
mod queue;
mod run;
mod session;
mod storing;
mod worker;

#[cfg(test)]
mod jetstream_tests;
#[cfg(test)]
mod tests;

pub use options::{CertificateFiles, JetStream, Options, Subscription, TlsFiles};
pub use run::run;
