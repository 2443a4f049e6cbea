//! cc-backend, asked which nodes are in use.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::harness::{Config, How, Line, Store, eventually, now_secs, setting};

/// Answers every request alike and keeps what was asked. It lives as long as the process: a thread that waits.
struct Backend {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Backend {
    /// `answer` is all that goes over the wire; empty, connections are closed without one.
    fn start(answer: String) -> Backend {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &answer, &seen);
            }
        });
        Backend { port, requests }
    }

    fn answering(status: &str, body: &str) -> Backend {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}");
        Backend::start(format!("{head}\r\nConnection: close\r\n\r\n{body}"))
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A store that frees what is older than three seconds, unless this backend names its host.
    fn store(&self) -> Store {
        let config = Config::new("native")
            .set(setting::RETENTION, "3s")
            .set(setting::BACKEND_URL, format!("http://127.0.0.1:{}", self.port))
            .set(setting::BACKEND_TOKEN, "t0ken");
        let store = Store::start(config);
        let now = now_secs();
        for host in ["used", "idle"] {
            store.write((0..10).map(|k| Line::new("fast", host, k as f64, now - 1000 + k)));
        }
        store
    }
}

fn serve(mut stream: TcpStream, answer: &str, seen: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(n) => request.extend(&piece[..n]),
        }
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    let _ = stream.write_all(answer.as_bytes());
    let _ = stream.shutdown(Shutdown::Both);
}

fn count(store: &Store, host: &str) -> usize {
    let now = now_secs();
    store.values(host, "fast", now - 3000, now).len()
}

/// A job that runs longer than the retention lost its beginning.
fn nodes_in_use_keep_their_data(body: &str) {
    let backend = Backend::answering("200 OK", body);
    let mut store = backend.store();
    eventually("the idle node's data are freed", || (count(&store, "idle") == 0).then_some(()));
    assert_eq!(count(&store, "used"), 10);
    let request = backend.requests()[0].clone();
    let path = request.split(' ').nth(1).unwrap();
    let secs = path.strip_prefix("/api/jobs/used_nodes?ts=").unwrap_or_else(|| panic!("asked for {path}"));
    assert!((now_secs() - secs.parse::<i64>().unwrap()).abs() < 600, "{path}");
    assert!(request.to_lowercase().contains("authorization: bearer t0ken"), "{request}");
    store.restart(How::Kill);
    assert_eq!((count(&store, "idle"), count(&store, "used")), (0, 10));
}

#[test]
fn the_list_may_be_wrapped() {
    nodes_in_use_keep_their_data(&json!({"usedNodes": {"alex": ["other", "used"], "fritz": ["idle"]}}).to_string());
}

#[test]
fn the_list_may_be_bare() {
    nodes_in_use_keep_their_data(&json!({"alex": ["other", "used"], "fritz": []}).to_string());
}

/// Not to know which nodes are in use is no reason to free any.
fn data_are_kept(backend: &Backend) {
    let store = backend.store();
    eventually("two cleanups have asked", || (backend.requests().len() >= 2).then_some(()));
    assert_eq!((count(&store, "idle"), count(&store, "used")), (10, 10));
}

#[test]
fn a_refused_token_frees_nothing() {
    data_are_kept(&Backend::answering("401 Unauthorized", r#"{"status":"Unauthorized","error":"no token"}"#));
}

#[test]
fn nonsense_frees_nothing() {
    data_are_kept(&Backend::answering("200 OK", "<html>maintenance</html>"));
}

#[test]
fn a_broken_connection_frees_nothing() {
    data_are_kept(&Backend::start(String::new()));
}
