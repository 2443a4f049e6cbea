//! Where samples go.

use super::cluster::Body;
use super::error::DemoError;
use super::http::Http;
use super::nats::Nats;

/// A store, or a NATS server that stores listen to.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// A store.
    Http(Http),
    /// A NATS server.
    Nats(Nats),
}

impl Target {
    /// Sends lines.
    ///
    /// # Errors
    ///
    /// Nobody is there, or the lines are refused.
    pub(super) async fn send(&self, body: Body) -> Result<(), DemoError> {
        match self {
            Target::Http(http) => http.write(body).await,
            Target::Nats(nats) => nats.publish(&body.text).await,
        }
    }
}
