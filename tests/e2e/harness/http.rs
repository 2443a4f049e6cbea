//! Requests and answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::Store;

/// An answer with its body read to the end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text().chars().take(500).collect::<String>()))
    }

    /// A header's text, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Panics unless the status is this one.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text().chars().take(1000).collect::<String>());
        self
    }
}

/// Installs the one provider of cryptography; every client needs it first.
pub fn install_crypto() {
    // The second and later calls fail because the first one has done it.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that takes answers as they come: no proxy, no decompression, no redirects.
pub fn client() -> reqwest::blocking::Client {
    install_crypto();
    reqwest::blocking::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(300))
        .build()
        .unwrap()
}

/// Sends a request and reads the answer; the connection may fail.
pub fn try_send(request: reqwest::blocking::RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, body: response.bytes()?.to_vec() })
}

/// Parameters as a form has them.
pub fn form(parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

/// Encodes every byte that is not a letter or a digit.
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The content type of forms.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Sends bytes as they are over a fresh connection and reads until the store closes it.
pub fn raw_exchange(store: &Store, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", store.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
