//! Connections that are not served: accepted, told why, and closed.
//!
//! Invariant: a refused connection costs next to nothing. At most [`FAREWELLS_MAX`] at a time are told, each for
//! [`FAREWELL`]; the others are closed without a word.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Duration, timeout};

/// Refused connections that are being told so.
const FAREWELLS_MAX: usize = 128;
/// How long a refused peer has to take the answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a refused peer gets, whatever it asked.
const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\n\
    Connection: close\r\nContent-Length: 90\r\n\r\n\
    {\"error\":\"too many connections (main.limits.connections)\",\"status\":\"Service Unavailable\"}\n";

/// Refuses connections.
#[derive(Debug, Clone)]
pub(super) struct Refuser {
    farewells: Arc<Semaphore>,
}

impl Refuser {
    pub(super) fn new() -> Self {
        Refuser { farewells: Arc::new(Semaphore::new(FAREWELLS_MAX)) }
    }

    /// Closes a connection; says why if it speaks plain HTTP.
    pub(super) fn refuse(&self, mut stream: TcpStream, is_plain: bool) {
        let Ok(permit) = Arc::clone(&self.farewells).try_acquire_owned() else { return };
        if !is_plain {
            return;
        }
        tokio::spawn(async move {
            let farewell = async {
                stream.write_all(ANSWER).await?;
                stream.shutdown().await?;
                // What the peer sends meanwhile would turn the answer into a reset.
                let mut waste = [0; 4096];
                while stream.read(&mut waste).await? > 0 {}
                Ok::<(), std::io::Error>(())
            };
            // Whether it took the answer or not, it goes.
            let _ = timeout(FAREWELL, farewell).await;
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
