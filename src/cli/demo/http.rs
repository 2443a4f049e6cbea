//! A store over HTTP.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response, StatusCode};

use crate::cli::TlsArguments;
use crate::formats::zstats;
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

    /// Ships a request of zstats; gives the answer's bytes.
    ///
    /// # Errors
    ///
    /// Nobody answers, or not with 200.
    pub(super) async fn post_zstats(&self, token: &str, body: Vec<u8>) -> Result<Vec<u8>, DemoError> {
        let url = format!("{}{}", self.base, zstats::PATH);
        let request = self.client.post(&url).header(zstats::TOKEN_HEADER, token);
        let response = self.sent(request.header(CONTENT_TYPE, zstats::CONTENT_TYPE).body(body)).await?;
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            let answer = format!("{}: it takes no zstats; its config needs zstats.tokens", response.status());
            return Err(DemoError::Refused { url, answer });
        }
        let (_, answer) = self.limited(&url, self.successful(response).await?, ANSWER_BYTES_MAX).await?;
        Ok(answer)
    }

    /// A page from anywhere: its content type and its bytes.
    ///
    /// # Errors
    ///
    /// Nobody answers, or not with 200, or with more than a page has.
    pub(super) async fn fetch(&self, url: &str) -> Result<(String, Vec<u8>), DemoError> {
        let request = self.client.get(url);
        // The token is the store's business alone.
        let is_own = url.strip_prefix(&self.base).is_some_and(|path| path.starts_with('/'));
        let response = match is_own {
            true => self.sent(request).await?,
            false => request.send().await.map_err(|error| unreachable(url, &error))?,
        };
        self.limited(url, self.successful(response).await?, PAGE_BYTES_MAX).await
    }

    async fn limited(
        &self,
        url: &str,
        mut response: Response,
        bytes_max: usize,
    ) -> Result<(String, Vec<u8>), DemoError> {
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| unreachable(url, &error))? {
            if bytes.len() + piece.len() > bytes_max {
                let reason = format!("it has more than {bytes_max} bytes");
                return Err(DemoError::Answer { url: url.to_owned(), reason });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok((content_type, bytes))
    }

    async fn sent(&self, request: RequestBuilder) -> Result<Response, DemoError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.map_err(|error| unreachable(&self.base, &error))
    }

    /// The text of an answer with status 200.
    async fn answer(&self, request: RequestBuilder) -> Result<String, DemoError> {
        let response = self.successful(self.sent(request).await?).await?;
        response.text().await.map_err(|error| unreachable(&self.base, &error))
    }

    /// An answer with status 200.
    async fn successful(&self, response: Response) -> Result<Response, DemoError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let url = self.base.clone();
        let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.text().await.map_err(|error| unreachable(&self.base, &error))?;
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

fn unreachable(url: &str, error: &reqwest::Error) -> DemoError {
    DemoError::Unreachable { url: url.to_owned(), reason: causes(error) }
}

/// Of an answer that is a few numbers.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Of a page of metrics.
const PAGE_BYTES_MAX: usize = 64 << 20;
/// What of an error's text is shown.
const EXCERPT_CHARS: usize = 500;
const RETRY_AFTER_SECS_MAX: u64 = 60;
