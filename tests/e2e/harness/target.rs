//! Something to scrape: a page of metrics that is another one at each scrape.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::eventually;

/// OpenMetrics, as text.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An HTTP server that answers every request with its page. Stopped or dropped, its port refuses connections.
pub struct Target {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    scrapes: AtomicU64,
}

impl Target {
    /// Serves `page`, which gets the number of the scrape, from 0.
    pub fn start(port: u16, page: fn(u64) -> String) -> Target {
        Target::serve(port, TEXT, move |scrape| page(scrape).into_bytes())
    }

    /// Serves a page of any form.
    pub fn serve(port: u16, content_type: &'static str, page: impl Fn(u64) -> Vec<u8> + Send + 'static) -> Target {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let shared = Arc::new(Shared::default());
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    if shared.stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let page = page(shared.scrapes.load(Ordering::SeqCst));
                    // A client that gives up is not the target's trouble; neither was it a scrape.
                    if stream.and_then(|stream| answer(stream, content_type, &page)).is_ok() {
                        shared.scrapes.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        });
        Target { port, shared, thread: Some(thread) }
    }

    /// Waits for `more` scrapes from now on.
    pub fn await_scrapes(&self, more: u64) {
        let wanted = self.shared.scrapes.load(Ordering::SeqCst) + more;
        eventually("the target is scraped", || (self.shared.scrapes.load(Ordering::SeqCst) >= wanted).then_some(()));
    }

    /// Ends it.
    pub fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes it.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        thread.join().unwrap();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop();
    }
}

fn answer(mut stream: TcpStream, content_type: &str, page: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}", page.len());
    stream.write_all(&[head.as_bytes(), b"\r\nConnection: close\r\n\r\n", page].concat())
}
