//! Bodies that are too large, too compressed or nothing at all.

use std::io::Write;

use crate::harness::{Config, Line, Store, T0, setting};
use crate::probe::Probe;
use crate::raw::{Raw, head, refused};

const MIB: usize = 1 << 20;

/// A client that has not finished sending got a reset in place of the answer that says why.
#[test]
fn a_refused_client_that_still_sends_gets_its_answer() {
    let store = Store::start(Config::new("native").set(setting::BODY_LIMIT, "1MB"));
    let body = "# a comment\n".repeat(20 * MIB / 12);
    for (path, status) in [("/api/write", "413"), ("/api/query", "413"), ("/api/nowhere", "404"), ("/api/debug", "405")]
    {
        // `/api/query` takes more than a write may have; it announces what it never sends.
        let announced = if path == "/api/query" { 1 << 30 } else { body.len() };
        let mut client = Raw::with(&store, head("POST", path, announced));
        assert!(client.send(body.as_bytes()), "{path}: cut off while sending");
        let answer = client.answer();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    let mut client = Raw::with(&store, "POST /api/write HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("{:x}\r\n{}\r\n", 64 << 10, "#".repeat((64 << 10) - 1) + "\n");
    for _ in 0..20 * 16 {
        assert!(client.send(chunk.as_bytes()));
    }
    let answer = client.answer();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("lines of it were stored"), "{answer}");
    assert_eq!(refused(&store, "body_too_large"), 3.0);
}

/// A gigabyte, announced and in chunks: below the limit it is taken in constant memory, beyond it is cut.
#[test]
fn a_gigabyte_takes_no_memory() {
    const BYTES: usize = 1_000_000_000;
    let store = Store::start(Config::new("native"));
    let probe = Probe::start(&store);
    let comment = "#".repeat(60_000) + "\n";
    let piece = comment.repeat(16);
    for announced in [true, false] {
        let mut client = match announced {
            true => Raw::with(&store, head("POST", "/api/write", BYTES / piece.len() * piece.len())),
            false => Raw::with(&store, "POST /api/write HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
        };
        for _ in 0..BYTES / piece.len() {
            let sent = match announced {
                true => client.send(piece.as_bytes()),
                false => client.send(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()),
            };
            assert!(sent, "cut off");
        }
        // In chunks it has no end yet: the one beyond the limit of 1 GiB.
        if announced {
            client.send(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        } else {
            let more = format!("{:x}\r\n{piece}\r\n", piece.len());
            while client.send(more.as_bytes()) && refused(&store, "body_too_large") == 0.0 {}
        }
        let answer = client.rest();
        assert!(answer.starts_with(if announced { "HTTP/1.1 200 " } else { "HTTP/1.1 413 " }), "{answer}");
    }
    probe.finish_within(&store, 64 << 10);
}

#[test]
fn a_million_empty_lines_are_nothing() {
    let store = Store::start(Config::new("native"));
    let probe = Probe::start(&store);
    let before = store.metrics().sum("treering_dropped_total", "");
    for empty in ["\n", "\r\n", "  \n", "#\n"] {
        store.post("/api/write", empty.repeat(1_000_000)).expect_status(200);
    }
    // A million bad ones are named up to a number.
    let answer = store.post("/api/write", "cpu_load x\n".repeat(1_000_000)).expect_status(400);
    assert!(answer.body.len() < 10_000, "{}", answer.body.len());
    assert!(answer.text().contains("0 of 1000000 lines stored"), "{}", answer.text());
    store.post("/api/write", format!("{}{}", "\n".repeat(1_000_000), Line::new("cpu_load", "a1", 7.0, T0)));
    assert_eq!(store.values("a1", "cpu_load", T0, T0 + 60), [7.0]);
    assert_eq!(store.metrics().sum("treering_dropped_total", ""), before);
    probe.finish(&store);
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A few kilobytes that inflate to gigabytes, many at a time.
#[test]
fn bombs_go_off_slowly() {
    const LIMIT: usize = 20 * MIB;
    let store = Store::start(Config::new("native").set(setting::BODY_LIMIT, LIMIT));
    let plain = vec![b'\n'; 24 * MIB];
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&plain).unwrap();
    let bombs = [
        ("gzip", gzip(&plain)),
        ("zstd", zstd::bulk::compress(&plain, 3).unwrap()),
        ("deflate", zlib.finish().unwrap()),
        // Thousands of small members in a row.
        ("gzip", gzip(&vec![b'\n'; MIB]).repeat(24)),
    ];
    let probe = Probe::start(&store);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            for (encoding, bomb) in &bombs {
                let store = &store;
                scope.spawn(move || {
                    let request = store.request("POST", "/api/write").header("Content-Encoding", *encoding);
                    let answer = store.send(request.body(bomb.clone())).expect_status(413);
                    assert!(answer.text().contains("larger than"), "{}", answer.text());
                });
            }
        }
    });
    assert_eq!(refused(&store, "body_too_large"), 8.0);
    probe.finish(&store);
}
