//! HTTP and NATS.
