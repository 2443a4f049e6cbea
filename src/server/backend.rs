//! cc-backend, asked which nodes jobs use.
//!
//! Invariant: whatever the backend answers or fails to answer, a question ends within a bounded time and memory, and
//! no doubtful answer passes for a list of nodes.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::mpsc;
use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::runtime::Handle;

use crate::engine::{NodeProvider, UsedNodes};
use crate::telemetry::causes;

/// How long a question may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long reaching the backend may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Names of a million nodes are far smaller.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Of an error's answer, for the log.
const EXCERPT_CHARS_MAX: usize = 200;

/// Where cc-backend is.
#[derive(Clone)]
pub struct BackendOptions {
    /// Its URL, `http` or `https`.
    pub url: String,
    /// The token it wants.
    pub token: Option<String>,
}

impl fmt::Debug for BackendOptions {
    /// Without the token and the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendOptions").field("has_token", &self.token.is_some()).finish_non_exhaustive()
    }
}

/// Why cc-backend can't be asked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The URL is none.
    #[error("backend-url: {0}: expected one like \"https://host:8080\"")]
    Url(String),
    /// There can be no HTTP client.
    #[error("the HTTP client for cc-backend: {0}")]
    Client(String),
}

/// The nodes in use according to cc-backend. For `https` the system's certificates count.
pub struct BackendNodes {
    client: Client,
    /// Of the list of used nodes, without a query.
    url: Url,
    token: Option<String>,
    runtime: Handle,
}

impl BackendNodes {
    /// Nodes of the backend at `options.url`; questions run on `runtime`.
    pub fn new(options: BackendOptions, runtime: Handle) -> Result<Self, BackendError> {
        let url = format!("{}/api/jobs/used_nodes", options.url.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|error| BackendError::Url(error.to_string()))?;
        // TLS needs a provider; who starts the process has installed it, or this does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("treering/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(|error| BackendError::Client(reasons(error)))?;
        Ok(BackendNodes { client, url, token: options.token, runtime })
    }
}

impl NodeProvider for BackendNodes {
    /// Not to be called from an async task: it blocks for up to ten seconds.
    fn used_nodes(&self, before_secs: i64) -> Result<UsedNodes, String> {
        let mut url = self.url.clone();
        url.set_query(Some(&format!("ts={before_secs}")));
        let mut request = self.client.get(url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        // As a task of the runtime and not by `block_on`, which panics when the runtime ends meanwhile.
        let (sender, answer) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            // The one who asked may have given up.
            let _ = sender.send(ask(request).await);
        });
        let answer = answer.recv_timeout(ANSWER_TIMEOUT + Duration::from_secs(1));
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        answer.map_err(|reason| format!("cc-backend at {}: {reason}", shown(&self.url)))
    }
}

impl fmt::Debug for BackendNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendNodes").field("url", &shown(&self.url)).finish_non_exhaustive()
    }
}

async fn ask(request: reqwest::RequestBuilder) -> Result<UsedNodes, String> {
    let mut response = request.send().await.map_err(reasons)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(reasons)? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&piece);
        if status != StatusCode::OK && body.len() > EXCERPT_CHARS_MAX {
            break;
        }
    }
    match status {
        StatusCode::OK => read(&body).map_err(|error| format!("{error}, in {}", excerpt(&body))),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(format!("status {status}: is main.backend-token missing or wrong? {}", excerpt(&body)))
        }
        _ => Err(format!("status {status}: {}", excerpt(&body))),
    }
}

/// A value of the outermost object: of a bare list, or of the one that wraps it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Hosts(Option<HashSet<String>>),
    Clusters(HashMap<String, Option<HashSet<String>>>),
    Other(IgnoredAny),
}

/// Reads `{"usedNodes": {cluster: [host…]}}` or `{cluster: [host…]}`; a list may be null.
fn read(body: &[u8]) -> Result<UsedNodes, String> {
    let mut entries: HashMap<String, Entry> =
        serde_json::from_slice(body).map_err(|error| format!("no list of nodes: {error}"))?;
    if matches!(entries.get("usedNodes"), Some(Entry::Clusters(_)))
        && let Some(Entry::Clusters(clusters)) = entries.remove("usedNodes")
    {
        return Ok(clusters.into_iter().map(|(cluster, hosts)| (cluster, hosts.unwrap_or_default())).collect());
    }
    let mut used = UsedNodes::new();
    for (cluster, entry) in entries {
        let Entry::Hosts(hosts) = entry else {
            return Err(format!("no list of nodes: {cluster:?} is no list of host names"));
        };
        used.insert(cluster, hosts.unwrap_or_default());
    }
    Ok(used)
}

/// The URL without user and password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // They fail for URLs without a host only, which can't hold a user in the first place.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// The start of an answer, in quotes and safe to print.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * EXCERPT_CHARS_MAX)]);
    let short: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    format!("{short:?}")
}

/// An error with all its reasons, for its own text is just "error sending request"; without the URL, which may hold a
/// password.
fn reasons(error: reqwest::Error) -> String {
    causes(&error.without_url())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// Answers one request with these bytes; the thread gives the request's head.
    fn backend(answer: Vec<u8>) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
                head.push(byte[0]);
            }
            // Who asked may hang up in the middle of a long answer.
            let _ = stream.write_all(&answer);
            String::from_utf8(head).unwrap()
        });
        (url, thread)
    }

    fn answer(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn ask_for(answer: Vec<u8>, token: Option<&str>) -> (Result<UsedNodes, String>, String) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (url, thread) = backend(answer);
        let options = BackendOptions { url, token: token.map(str::to_owned) };
        let nodes = BackendNodes::new(options, runtime.handle().clone()).unwrap();
        (nodes.used_nodes(1_700_000_000), thread.join().unwrap())
    }

    fn used(entries: &[(&str, &[&str])]) -> UsedNodes {
        let set = |hosts: &[&str]| hosts.iter().map(|&host| host.to_owned()).collect();
        entries.iter().map(|&(cluster, hosts)| (cluster.to_owned(), set(hosts))).collect()
    }

    #[test]
    fn the_backend_is_asked_with_its_token() {
        let body = r#"{"usedNodes":{"alex":["a1","a2"],"fritz":null}}"#;
        let (found, head) = ask_for(answer("200 OK", body), Some("t0ken"));
        assert_eq!(found.unwrap(), used(&[("alex", &["a1", "a2"]), ("fritz", &[])]));
        assert!(head.starts_with("GET /api/jobs/used_nodes?ts=1700000000 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("\r\nauthorization: bearer t0ken\r\n"), "{head}");
        let (found, head) = ask_for(answer("200 OK", "{}"), None);
        assert_eq!(found.unwrap(), UsedNodes::new());
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }

    #[test]
    fn lists_come_in_two_shapes() {
        assert_eq!(read(br#"{"alex":["a1"],"fritz":null}"#).unwrap(), used(&[("alex", &["a1"]), ("fritz", &[])]));
        assert_eq!(read(br#"{"usedNodes":{}, "more": 1}"#).unwrap(), used(&[]));
        // A cluster of that name is odd but possible.
        assert_eq!(read(br#"{"usedNodes":["a1"]}"#).unwrap(), used(&[("usedNodes", &["a1"])]));
        for bad in ["", "[]", "null", "<html>", r#"{"alex":"a1"}"#, r#"{"alex":[1]}"#, r#"{"nodes":{"alex":["a1"]}}"#] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    /// Data were freed as if no node was in use, because an error page counted as an empty list.
    #[test]
    fn no_other_answer_is_a_list() {
        let (found, _) = ask_for(answer("401 Unauthorized", "no token"), Some("wr0ng"));
        let error = found.unwrap_err();
        assert!(error.contains("401") && error.contains("backend-token") && error.contains("no token"), "{error}");
        assert!(!error.contains("wr0ng"), "{error}");
        let (found, _) = ask_for(answer("500 Internal Server Error", "{}"), None);
        assert!(found.unwrap_err().contains("status 500"));
        let (found, _) = ask_for(answer("200 OK", "<html>maintenance"), None);
        assert!(found.unwrap_err().contains("no list of nodes"));
        let (found, _) = ask_for(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}".to_vec(), None);
        assert!(found.is_err(), "half an answer");
        let (found, _) = ask_for(Vec::new(), None);
        assert!(found.unwrap_err().contains("cc-backend at http://127.0.0.1"));
    }

    #[test]
    fn an_endless_answer_ends() {
        let mut endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{".to_vec();
        endless.resize(ANSWER_BYTES_MAX + 1000, b' ');
        let (found, _) = ask_for(endless, None);
        assert!(found.unwrap_err().contains("more than"));
    }

    #[test]
    fn a_runtime_that_is_gone_is_an_error() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = BackendOptions { url: "https://localhost:1/".into(), token: None };
        let nodes = BackendNodes::new(options, runtime.handle().clone()).unwrap();
        assert!(nodes.used_nodes(0).is_err());
        runtime.shutdown_background();
        assert!(nodes.used_nodes(0).unwrap_err().contains("https://localhost:1/api/jobs/used_nodes"));
        assert!(BackendNodes::new(BackendOptions { url: "nonsense".into(), token: None }, nodes.runtime).is_err());
    }
}
