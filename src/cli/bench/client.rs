//! A client that costs next to nothing beside the store that it measures: HTTP/1.1 over one connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection to a server on this machine. It is opened with the first request, and again after an error.
#[derive(Debug)]
pub(super) struct Client {
    address: String,
    connection: Option<BufReader<TcpStream>>,
    request: Vec<u8>,
}

/// What a server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answered {
    /// The status, such as 200.
    pub status: u16,
    /// Bytes of the body.
    pub bytes: u64,
}

/// What an answer's head says of its body.
enum Length {
    Bytes(u64),
    Chunks,
}

impl Client {
    /// For the server at `host:port`.
    pub(super) fn new(address: &str) -> Client {
        Client { address: address.to_owned(), connection: None, request: Vec::new() }
    }

    /// Sends a request and hands the answer's body to `sink`, piece by piece.
    ///
    /// # Errors
    ///
    /// The connection's, and an answer that is no HTTP.
    pub(super) fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        sink: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Answered> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        self.request.clear();
        write!(
            self.request,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )?;
        self.request.extend_from_slice(body);
        connection.get_mut().write_all(&self.request)?;
        let (status, length, is_last) = read_head(&mut connection)?;
        let bytes = match length {
            Length::Bytes(bytes) => pass_on(&mut connection, bytes, sink)?,
            Length::Chunks => pass_on_chunks(&mut connection, sink)?,
        };
        if !is_last {
            self.connection = Some(connection);
        }
        Ok(Answered { status, bytes })
    }

    /// Sends a request and returns the status and the whole body.
    ///
    /// # Errors
    ///
    /// As [`Client::ask`].
    pub(super) fn whole(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let mut whole = Vec::new();
        let answered = self.ask(method, path, body, &mut |piece| whole.extend_from_slice(piece))?;
        Ok((answered.status, whole))
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(BufReader::with_capacity(BUFFER_BYTES, stream))
    }
}

/// The status, how long the body is, and whether the server closes the connection behind it.
fn read_head(connection: &mut impl BufRead) -> io::Result<(u16, Length, bool)> {
    let line = read_line(connection)?;
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| bad(format!("no HTTP/1.1: {line:?}")))?;
    let (mut length, mut is_last) = (Length::Bytes(0), false);
    loop {
        let line = read_line(connection)?;
        if line.is_empty() {
            return Ok((status, length, is_last));
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Length::Bytes(value.parse().map_err(|_| bad(format!("a length of {value:?}")))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunks;
        } else if name.eq_ignore_ascii_case("connection") {
            is_last = value.eq_ignore_ascii_case("close");
        }
    }
}

fn read_line(connection: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    connection.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)?;
    if !line.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn pass_on_chunks(connection: &mut impl BufRead, sink: &mut dyn FnMut(&[u8])) -> io::Result<u64> {
    let mut bytes = 0;
    loop {
        let line = read_line(connection)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = u64::from_str_radix(digits, 16).map_err(|_| bad(format!("a chunk of {line:?} bytes")))?;
        bytes += pass_on(connection, length, sink)?;
        // Behind a chunk, and behind the last one in place of trailers.
        if !read_line(connection)?.is_empty() {
            return Err(bad("a chunk that is longer than it says".to_owned()));
        }
        if length == 0 {
            return Ok(bytes);
        }
    }
}

fn pass_on(connection: &mut impl BufRead, bytes: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<u64> {
    let mut left = bytes;
    while left > 0 {
        let piece = connection.fill_buf()?;
        let taken = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if taken == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sink(&piece[..taken]);
        connection.consume(taken);
        left -= taken as u64;
    }
    Ok(bytes)
}

fn bad(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The largest question takes cc-metric-store seconds, a loaded machine makes minutes of it.
const TIMEOUT: Duration = Duration::from_secs(300);
const BUFFER_BYTES: usize = 256 << 10;
const LINE_BYTES_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> io::Result<(u16, bool, String)> {
        let mut connection = text.as_bytes();
        let (status, length, is_last) = read_head(&mut connection)?;
        let mut body = Vec::new();
        let mut sink = |piece: &[u8]| body.extend_from_slice(piece);
        let bytes = match length {
            Length::Bytes(bytes) => pass_on(&mut connection, bytes, &mut sink)?,
            Length::Chunks => pass_on_chunks(&mut connection, &mut sink)?,
        };
        assert_eq!(bytes, body.len() as u64);
        assert!(connection.is_empty(), "{connection:?} is left for the next answer");
        Ok((status, is_last, String::from_utf8(body).unwrap()))
    }

    #[test]
    fn bodies_of_both_kinds_are_read_to_their_end() {
        let plain = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(answer(plain).unwrap(), (200, false, "hello".to_owned()));
        let chunks = "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nhel\r\nA;x=y\r\n\
                      lo, world!\r\n0\r\n\r\n";
        assert_eq!(answer(chunks).unwrap(), (503, true, "hello, world!".to_owned()));
    }

    #[test]
    fn what_is_cut_off_or_no_http_is_an_error() {
        for text in [
            "",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ] {
            assert!(answer(text).is_err(), "{text:?}");
        }
    }
}
