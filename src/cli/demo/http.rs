//! A store over HTTP.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};

use crate::cli::TlsArguments;
use crate::telemetry::causes;

use super::cluster::Body;
use super::error::DemoError;

/// A store's address, and the token it may want. Clones share connections.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client,
    base: String,
    token: Option<String>,
}

impl Http {
    /// A store at a URL; a path of the API behind it is taken off. `own` means that the store runs on this machine and
    /// belongs to the user, so that its certificate need not be one for `127.0.0.1`.
    ///
    /// # Errors
    ///
    /// The URL is none, or TLS could not be set up.
    pub(super) fn new(url: &str, token: Option<String>, tls: &TlsArguments, own: bool) -> Result<Self, DemoError> {
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let base = url.split("/api/").next().unwrap_or(&url).trim_end_matches('/').to_owned();
        let parsed = reqwest::Url::parse(&base)
            .map_err(|error| DemoError::Argument(format!("--url {url:?} is no URL: {error}")))?;
        if !["http", "https"].contains(&parsed.scheme()) {
            return Err(DemoError::Argument(format!("--url {url:?}: expected http:// or https://")));
        }
        let builder = Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(120))
            .tls_danger_accept_invalid_certs(own);
        let client =
            tls.apply(builder).map_err(DemoError::Setup)?.build().map_err(|error| DemoError::Setup(causes(&error)))?;
        Ok(Http { client, base, token })
    }

    /// The URL without a path.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Whether requests carry a token.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Sends lines.
    ///
    /// # Errors
    ///
    /// As every other request.
    pub(super) async fn write(&self, body: Body) -> Result<(), DemoError> {
        self.answer(self.client.post(format!("{}/api/write/", self.base)).body(body.text)).await.map(|_| ())
    }

    /// Asks for what `question` says, JSON for JSON.
    ///
    /// # Errors
    ///
    /// Nobody answers, or not with 200.
    pub(super) async fn query(&self, question: &str) -> Result<serde_json::Value, DemoError> {
        let url = format!("{}/api/query/", self.base);
        let text = self.answer(self.client.get(&url).body(question.to_owned())).await?;
        serde_json::from_str(&text).map_err(|error| DemoError::Answer { url, reason: error.to_string() })
    }

    /// The status and the text of a page, whatever the status.
    ///
    /// # Errors
    ///
    /// Nobody answers.
    pub(super) async fn page(&self, path: &str) -> Result<(StatusCode, String), DemoError> {
        let response = self.sent(self.client.get(format!("{}{path}", self.base))).await?;
        Ok((response.status(), response.text().await.unwrap_or_default()))
    }

    async fn sent(&self, request: RequestBuilder) -> Result<Response, DemoError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> DemoError {
        DemoError::Unreachable { url: self.base.clone(), reason: causes(error) }
    }

    /// The text of an answer with status 200.
    async fn answer(&self, request: RequestBuilder) -> Result<String, DemoError> {
        let response = self.sent(request).await?;
        let status = response.status();
        let url = self.base.clone();
        let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            return Ok(text);
        }
        let answer = format!("{status}: {}", text.chars().take(EXCERPT_CHARS).collect::<String>().trim());
        Err(match status {
            StatusCode::UNAUTHORIZED if self.token.is_none() => DemoError::TokenMissing { url },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => DemoError::TokenRefused { url, answer },
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let retry_after = Duration::from_secs(seconds.unwrap_or(1).clamp(1, RETRY_AFTER_SECS_MAX));
                DemoError::Busy { url, answer, retry_after }
            }
            _ => DemoError::Refused { url, answer },
        })
    }
}

/// What of an error's text is shown.
const EXCERPT_CHARS: usize = 500;
const RETRY_AFTER_SECS_MAX: u64 = 60;
