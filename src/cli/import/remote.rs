//! Rows into a running server, over HTTP. One request at a time: what comes later has to be stored later.

use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode, Url};
use tokio::runtime::Handle;

use crate::cli::TlsArguments;
use crate::cli::stop::Stop;
use crate::telemetry::causes;

use super::error::ImportError;
use super::target::Stored;

/// What of an error's text is shown.
const EXCERPT_CHARS: usize = 500;
/// The longest that one `Retry-After` is heeded.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// How long a server may be busy or away at a stretch.
const PATIENCE: Duration = Duration::from_secs(300);
/// The first pause after a connection failed, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A server.
pub(super) struct Remote {
    runtime: Handle,
    client: Client,
    base: String,
    token: Option<String>,
    stop: Stop,
}

/// Why a piece has to be sent again.
struct Again {
    pause: Duration,
    failure: ImportError,
}

/// What a try to send a piece comes to.
enum Outcome {
    Stored(Stored),
    Again(Again),
    Failed(ImportError),
}

impl Remote {
    /// A server at a URL; a path of the API behind it is taken off.
    pub(super) fn new(
        url: &str,
        token: Option<String>,
        tls: &TlsArguments,
        runtime: Handle,
        stop: Stop,
    ) -> Result<Self, ImportError> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let base = full.split("/api/").next().unwrap_or(&full).trim_end_matches('/').to_owned();
        let wrong = |reason: String| ImportError::Url { url: url.to_owned(), reason };
        let parsed = Url::parse(&base).map_err(|error| wrong(error.to_string()))?;
        if !["http", "https"].contains(&parsed.scheme()) {
            return Err(wrong("expected http:// or https://".to_owned()));
        }
        let builder = Client::builder().connect_timeout(Duration::from_secs(10)).timeout(Duration::from_secs(120));
        let client = tls
            .apply(builder)
            .map_err(ImportError::Setup)?
            .build()
            .map_err(|error| ImportError::Setup(causes(&error)))?;
        Ok(Remote { runtime, client, base, token, stop })
    }

    pub(super) fn store(&mut self, cluster: &str, lines: &[u8]) -> Result<Stored, ImportError> {
        // The base was parsed before; a path can't make it worse.
        let mut url = Url::parse(&format!("{}/api/write/", self.base))
            .map_err(|error| ImportError::Url { url: self.base.clone(), reason: error.to_string() })?;
        if !cluster.is_empty() {
            url.query_pairs_mut().append_pair("cluster", cluster);
        }
        let body = bytes::Bytes::copy_from_slice(lines);
        let runtime = self.runtime.clone();
        let mut stop = self.stop.clone();
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = stop.asked() => Err(ImportError::Stopped),
                outcome = self.send(&url, &body) => outcome,
            }
        })
    }

    /// Sends a piece until the server takes it. To store it twice changes nothing.
    async fn send(&self, url: &Url, body: &bytes::Bytes) -> Result<Stored, ImportError> {
        let begun = Instant::now();
        let mut failures = 0u32;
        loop {
            match self.try_once(url, body).await {
                Outcome::Stored(stored) => return Ok(stored),
                Outcome::Failed(failure) => return Err(failure),
                Outcome::Again(Again { pause, failure }) => {
                    if begun.elapsed() + pause > PATIENCE {
                        return Err(failure);
                    }
                    if failures == 0 && matches!(failure, ImportError::Unreachable { .. }) {
                        eprintln!("{failure}; trying for {} s", PATIENCE.as_secs());
                    }
                    let longer = pause.saturating_mul(1 << failures.min(6));
                    tokio::time::sleep(longer.min(RETRY_AFTER_MAX)).await;
                    failures += u32::from(matches!(failure, ImportError::Unreachable { .. }));
                }
            }
        }
    }

    async fn try_once(&self, url: &Url, body: &bytes::Bytes) -> Outcome {
        let mut request = self.client.post(url.clone()).body(body.clone());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        match request.send().await {
            Ok(response) => self.outcome(response, body).await,
            Err(error) => {
                let failure = ImportError::Unreachable { url: self.base.clone(), reason: causes(&error) };
                Outcome::Again(Again { pause: FIRST_PAUSE, failure })
            }
        }
    }

    async fn outcome(&self, response: Response, body: &bytes::Bytes) -> Outcome {
        let status = response.status();
        let number =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let retry_after = Duration::from_secs(number("retry-after").unwrap_or(1).max(1)).min(RETRY_AFTER_MAX);
        let counts = (number(STORED), number(SKIPPED), number(BAD));
        let text = response.text().await.unwrap_or_default();
        let url = || self.base.clone();
        let answer = || format!("{status}: {}", text.chars().take(EXCERPT_CHARS).collect::<String>().trim());
        match (status, counts) {
            (StatusCode::OK | StatusCode::BAD_REQUEST, (Some(stored), Some(skipped), Some(bad))) => {
                Outcome::Stored(Stored { stored, skipped, bad, first_bad: bad_lines(&text), ..Stored::default() })
            }
            // An older server, or cc-metric-store: it does not say how many it took.
            (StatusCode::OK, _) => {
                let lines = memchr::memchr_iter(b'\n', body).count() as u64;
                Outcome::Stored(Stored { stored: lines, ..Stored::default() })
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
                Outcome::Failed(ImportError::Token { url: url(), answer: answer() })
            }
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => Outcome::Again(Again {
                pause: retry_after,
                failure: ImportError::Busy { waited_secs: PATIENCE.as_secs(), reason: answer() },
            }),
            _ => Outcome::Failed(ImportError::Refused { url: url(), answer: answer() }),
        }
    }
}

/// The bad lines that an answer names: `…; line 3: reason; line 5: reason; and 7 more`.
fn bad_lines(answer: &str) -> Vec<(u64, String)> {
    let text = match serde_json::from_str::<serde_json::Value>(answer) {
        Ok(value) => value["error"].as_str().unwrap_or_default().to_owned(),
        Err(_) => answer.to_owned(),
    };
    let mut found = Vec::new();
    for part in text.split("; line ").skip(1) {
        if let Some((number, reason)) = part.split_once(": ")
            && let Ok(number) = number.parse()
        {
            let reason = reason.rsplit_once("; and ").map_or(reason, |(reason, _)| reason);
            found.push((number, reason.to_owned()));
        }
    }
    found
}

/// The headers in which a server counts.
const STORED: &str = "treering-stored";
const SKIPPED: &str = "treering-skipped";
const BAD: &str = "treering-bad";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_the_bad_lines() {
        let text = r#"{"status":"Bad Request","error":"4 of 6 lines stored; line 2: value \"x; y\": expected a number; line 5: tag \"a\": expected b; and 3 more"}"#;
        let expected = [(2, r#"value "x; y": expected a number"#.to_owned()), (5, r#"tag "a": expected b"#.to_owned())];
        assert_eq!(bad_lines(text), expected);
        assert_eq!(bad_lines("nothing of the kind"), []);
    }
}
