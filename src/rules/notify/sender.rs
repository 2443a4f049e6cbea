//! One Alertmanager: how it is reached, and the task that sends to it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, RequestBuilder, Url, header};
use tokio::sync::watch;

use super::message::Notification;
use super::queue::Queue;
use crate::disk::{Disk, SharedDisk};
use crate::telemetry::{Alertmanager, LogLimit, SharedTelemetry, causes};

/// Alerts in one request.
const BATCH_MAX: usize = 256;
/// The endpoint.
const PATH: &str = "/api/v2/alerts";
/// Bytes of a file with a secret or certificates.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// How an Alertmanager is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct AlertmanagerOptions {
    /// Its URL, `http` or `https`, maybe with a path.
    pub url: String,
    /// How long one request may take.
    pub timeout: Duration,
    /// What it asks for.
    pub credentials: Credentials,
    /// The authorities (PEM) that its certificate is checked against, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key (PEM) to show.
    pub client_files: Option<(PathBuf, PathBuf)>,
}

/// What an Alertmanager asks for.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// User name and password.
    Basic(String, String),
    /// User name, and the file that holds the password; read at each request.
    BasicFile(String, PathBuf),
    /// The file that holds a token; read at each request.
    BearerFile(PathBuf),
}

/// Why alerts cannot be sent at all.
#[derive(Debug, thiserror::Error)]
#[error("alertmanager {url}: {text}")]
pub struct SenderError {
    url: String,
    text: String,
}

impl AlertmanagerOptions {
    /// Its name in own metrics and in the log: without user and password.
    pub(super) fn label(&self) -> Alertmanager {
        Alertmanager { alertmanager: self.shown_url() }
    }

    /// The URL that alerts are sent to, without user and password.
    pub(super) fn shown_url(&self) -> String {
        match self.full_url() {
            Ok(mut url) => {
                // They fail for URLs without a host only, which can't hold a user in the first place.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.to_string()
            }
            Err(_) => "?".to_owned(),
        }
    }

    fn full_url(&self) -> Result<Url, String> {
        let url =
            Url::parse(&format!("{}{PATH}", self.url.trim_end_matches('/'))).map_err(|error| error.to_string())?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            other => Err(format!("found the scheme {other:?}, expected http or https")),
        }
    }
}

impl fmt::Debug for AlertmanagerOptions {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertmanagerOptions").field("url", &self.shown_url()).finish_non_exhaustive()
    }
}

/// Sends to one Alertmanager.
pub(super) struct Sender {
    client: Client,
    url: Url,
    label: Alertmanager,
    credentials: Credentials,
    /// Where the files of secrets are.
    disk: SharedDisk,
}

impl Sender {
    pub(super) fn new(options: &AlertmanagerOptions, disk: SharedDisk) -> Result<Sender, SenderError> {
        let refused = |text: String| SenderError { url: options.shown_url(), text };
        // TLS needs a provider; who starts the process has installed it, or this does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("treering/", env!("CARGO_PKG_VERSION")))
            .timeout(options.timeout)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &options.ca_file {
            let pem = read(&*disk, path).map_err(refused)?;
            let authorities =
                Certificate::from_pem_bundle(&pem).map_err(|error| refused(format!("{}: {error}", path.display())))?;
            if authorities.is_empty() {
                return Err(refused(format!("{}: no certificate in it", path.display())));
            }
            builder = builder.tls_certs_only(authorities);
        }
        if let Some((certificate, key)) = &options.client_files {
            let mut pem = read(&*disk, key).map_err(refused)?;
            pem.push(b'\n');
            pem.extend(read(&*disk, certificate).map_err(refused)?);
            let identity = reqwest::Identity::from_pem(&pem)
                .map_err(|error| refused(format!("{} with {}: {error}", certificate.display(), key.display())))?;
            builder = builder.identity(identity);
        }
        let client = builder.build().map_err(|error| refused(reasons(error)))?;
        let url = options.full_url().map_err(refused)?;
        Ok(Sender { client, url, label: options.label(), credentials: options.credentials.clone(), disk })
    }

    pub(super) fn label(&self) -> Alertmanager {
        self.label.clone()
    }

    /// Sends what waits until the queue is closed and empty, or until it is told to stop.
    pub(super) async fn run(self, queue: Arc<Queue>, telemetry: SharedTelemetry, mut stop: watch::Receiver<bool>) {
        let failures = LogLimit::default();
        loop {
            let batch = tokio::select! {
                batch = queue.next(BATCH_MAX) => batch,
                _ = stop.wait_for(|&stop| stop) => return,
            };
            let Some(batch) = batch else { return };
            match self.send(&batch).await {
                Ok(()) => _ = telemetry.notifications_sent.get_or_create(&self.label).inc_by(batch.len() as u64),
                Err(error) => {
                    telemetry.notifications_errors.get_or_create(&self.label).inc_by(batch.len() as u64);
                    // They are sent again while they fire, and for a while after their end.
                    queue.note_dropped(batch.len());
                    if let Some(count) = failures.note(batch.len() as u64) {
                        tracing::warn!("{count} alerts could not be sent to {}: {error}", self.label.alertmanager);
                    }
                }
            }
        }
    }

    async fn send(&self, batch: &[Arc<Notification>]) -> Result<(), String> {
        let alerts: Vec<&Notification> = batch.iter().map(|alert| &**alert).collect();
        let body = serde_json::to_vec(&alerts).map_err(|error| error.to_string())?;
        let request = self.client.post(self.url.clone()).header(header::CONTENT_TYPE, "application/json").body(body);
        let response = self.authorize(request)?.send().await.map_err(reasons)?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("bad response status {status}")),
        }
    }

    fn authorize(&self, request: RequestBuilder) -> Result<RequestBuilder, String> {
        Ok(match &self.credentials {
            Credentials::None => request,
            Credentials::Basic(user, password) => request.basic_auth(user, Some(password)),
            Credentials::BasicFile(user, path) => request.basic_auth(user, Some(secret(&*self.disk, path)?)),
            Credentials::BearerFile(path) => request.bearer_auth(secret(&*self.disk, path)?),
        })
    }
}

/// The text of a file that holds a secret, without the line end behind it.
fn secret(disk: &dyn Disk, path: &Path) -> Result<String, String> {
    let bytes = read(disk, path)?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{}: no valid UTF-8", path.display()))?;
    Ok(text.trim().to_owned())
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = disk.open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 <= FILE_BYTES_MAX => Ok(bytes),
        Ok(_) => Err(format!("{}: more than {FILE_BYTES_MAX} bytes", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// An error with all its reasons, for its own text is just "error sending request"; without the URL, which may hold a
/// password.
fn reasons(error: reqwest::Error) -> String {
    causes(&error.without_url())
}
