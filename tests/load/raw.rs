//! Clients that speak TCP and keep to no manners.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Store, eventually};

/// A connection that does nothing by itself.
pub struct Raw(pub TcpStream);

impl Raw {
    pub fn connect(store: &Store) -> Raw {
        let stream = TcpStream::connect(("127.0.0.1", store.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        Raw(stream)
    }

    /// Connects and sends something.
    pub fn with(store: &Store, bytes: impl AsRef<[u8]>) -> Raw {
        let mut raw = Raw::connect(store);
        raw.0.write_all(bytes.as_ref()).unwrap();
        raw
    }

    /// Sends; `false` when the store has closed the connection.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match self.0.write_all(bytes) {
            Ok(()) => true,
            Err(error) => {
                assert!(is_end(&error), "{error}");
                false
            }
        }
    }

    /// Sends a request and reads its answer: status and body. The connection stays open, and no other is made for it.
    pub fn exchange(&mut self, request: &str) -> std::io::Result<(u16, String)> {
        self.0.write_all(request.as_bytes())?;
        let mut answer = BufReader::new(&self.0);
        let (mut status, mut length) = (0, None);
        loop {
            let line = line(&mut answer)?;
            match line.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok(),
                Some(_) => {}
                None if line.is_empty() => break,
                None => status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0),
            }
        }
        let mut body = Vec::new();
        loop {
            // Without a length the body comes in chunks, the last of which is empty.
            let bytes = match length {
                Some(length) => length,
                None => u64::from_str_radix(&line(&mut answer)?, 16).map_err(std::io::Error::other)?,
            };
            if (&mut answer).take(bytes).read_to_end(&mut body)? < bytes as usize {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if length.is_none() {
                line(&mut answer)?;
            }
            if length.is_some() || bytes == 0 {
                return Ok((status, String::from_utf8_lossy(&body).into_owned()));
            }
        }
    }

    /// What comes until the store closes the connection; a reset is an end too.
    pub fn rest(mut self) -> String {
        let mut answer = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut answer) {
            assert!(is_end(&error), "{error}");
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The answer, which must come whole: no reset before its end.
    pub fn answer(mut self) -> String {
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer).expect("an answer and no reset");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A line without its end.
fn line(from: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    match from.read_line(&mut line)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end_matches("\r\n").to_owned()),
    }
}

fn is_end(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted)
}

/// The head of a request with a body of a length.
pub fn head(method: &str, path: &str, length: usize) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
}

/// A whole request.
pub fn request(path: &str, body: &str) -> String {
    head("POST", path, body.len()) + body
}

/// How many were refused for this reason.
pub fn refused(store: &Store, reason: &str) -> f64 {
    store.metrics().sum("treering_refused_total", &format!("reason=\"{reason}\""))
}

/// Waits until so many were refused for this reason.
#[track_caller]
pub fn await_refused(store: &Store, reason: &str, count: usize) {
    eventually(&format!("{count} refused for {reason}"), || (refused(store, reason) >= count as f64).then_some(()));
}

/// Waits until the store holds no connections but those of the test's own client.
#[track_caller]
pub fn await_closed(store: &Store) {
    const OWN: f64 = 8.0;
    eventually("the connections are closed", || {
        (store.metrics().sum("treering_http_connections", "") <= OWN).then_some(())
    });
}
