//! A message to oneself: it comes back behind everything that the server had sent before.
//!
//! Invariant: waiting for it ends, whatever the server does.

use std::time::Duration;

use async_nats::Client;
use futures_util::StreamExt;

/// How long a message to itself may take.
const ECHO_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends a message to itself. What this answers is ready when it has come back: the server delivers in order, so
/// nothing that it had before is still under way. (The client's own drain forgets a subscription at once, without
/// waiting for the server.) Who may not publish waits for nothing, for a moment only.
pub(super) async fn echo(client: &Client) -> Option<impl Future<Output = ()> + use<>> {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await.ok()?;
    client.publish(inbox, Vec::new().into()).await.ok()?;
    client.flush().await.ok()?;
    Some(async move {
        let _ = tokio::time::timeout(ECHO_TIMEOUT, echo.next()).await;
    })
}
