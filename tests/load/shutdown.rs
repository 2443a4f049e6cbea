//! The end: within its time, whatever goes on, and with all that was acknowledged on the disk.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Config, How, Line, NatsServer, Store, T0, in_each_form, try_send};
use crate::raw::{Raw, head, request};

in_each_form! { the_end_is_bounded_under_load  a_checkpoint_without_time_is_given_up }

/// What `main.limits.shutdown-timeout` promises, and what a loaded machine needs beside it.
const END_MAX: Duration = Duration::from_secs(10 + 5);

/// Writers over HTTP and NATS at full speed, clients that hang in every way, and SIGTERM in the midst of it.
fn the_end_is_bounded_under_load(format: &str) {
    const WRITERS: i64 = 4;
    let nats = NatsServer::start();
    let mut store = Store::start(Config::new(format).nats(&nats.address()).subscribe("flood", "alex"));
    nats.await_subscription("flood");
    store.write([Line::new("fast", "big", 1.0, T0)]);
    let question = json!({"cluster": "alex", "from": T0 - 30_000_000, "to": T0 + 1,
                          "queries": [{"metric": "fast", "host": "big"}]});
    // A head without end, a body without end, an answer that nobody reads, an idle one.
    let hanging =
        ["GET / HT".to_owned(), head("POST", "/api/write", 1000), request("/api/query", &question.to_string())];
    let clients: Vec<Raw> =
        hanging.iter().flat_map(|bytes| (0..20).map(|_| Raw::with(&store, bytes)).collect::<Vec<_>>()).collect();
    let idle: Vec<Raw> = (0..20).map(|_| Raw::connect(&store)).collect();

    let stop = AtomicBool::new(false);
    // The last tick of each writer that was acknowledged.
    let acknowledged: Vec<AtomicI64> = (0..WRITERS).map(|_| AtomicI64::new(-1)).collect();
    let published = AtomicI64::new(0);
    let end = Mutex::new(None);
    std::thread::scope(|scope| {
        for (writer, last) in acknowledged.iter().enumerate() {
            let (client, url, stop) = (store.client.clone(), store.url("/api/write"), &stop);
            scope.spawn(move || {
                for tick in 0.. {
                    let lines: Vec<String> = (0..200)
                        .map(|core| Line::new("fast", format!("w{writer}"), tick as f64, T0 + tick).of("core", core))
                        .map(|line| line.to_string())
                        .collect();
                    match try_send(client.post(&url).body(lines.join("\n"))) {
                        Ok(answer) if answer.status == 200 => last.store(tick, Ordering::Relaxed),
                        // The end has come, or comes.
                        _ if stop.load(Ordering::Relaxed) => return,
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        let (nats, stop_publishing, published) = (&nats, &stop, &published);
        scope.spawn(move || {
            let publisher = nats.publisher();
            while !stop_publishing.load(Ordering::Relaxed) {
                let n = published.fetch_add(1, Ordering::Relaxed);
                publisher.publish("flood", &Line::new("fast", "over-nats", n as f64, T0 + n).to_string());
            }
        });
        let enough = || acknowledged.iter().all(|last| last.load(Ordering::Relaxed) > 5);
        crate::harness::eventually("writes are under way", || enough().then_some(()));
        stop.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        store.stop(How::Term);
        *end.lock().unwrap() = Some(begun.elapsed());
    });
    let took = end.into_inner().unwrap().unwrap();
    println!("the end took {took:?}");
    assert!(took < END_MAX, "the end took {took:?}\n{}", store.log());
    drop((clients, idle));
    store.resume();
    for (writer, last) in acknowledged.iter().enumerate() {
        let last = last.load(Ordering::Relaxed);
        let question = json!({"cluster": "alex", "from": T0, "to": T0 + last + 1, "queries": [
            {"metric": "fast", "host": format!("w{writer}"), "type": "core", "type-ids": ["0", "77", "199"]}]});
        let answer = store.ask(&question);
        let expected: Vec<f64> = (0..=last).map(|tick| tick as f64).collect();
        for row in answer["results"][0].as_array().unwrap() {
            assert_eq!(row["data"], json!(expected), "writer {writer}");
        }
        assert_eq!(answer["results"][0].as_array().unwrap().len(), 3);
    }
}

/// A checkpoint that would take longer than the end may last is given up; the logs hold everything.
fn a_checkpoint_without_time_is_given_up(format: &str) {
    // So many that a fast machine too has no time for them; a file each takes long anywhere.
    let hosts = if format == "native" { 10_000 } else { 3000 };
    let mut store = Store::start(Config::new(format).set("/main/limits/shutdown-timeout", "100ms"));
    for tick in 0..3 {
        store.write((0..hosts).map(|host| Line::new("cpu_load", format!("a{host}"), host as f64, T0 + 60 * tick)));
    }
    let begun = Instant::now();
    store.stop(How::Term);
    let took = begun.elapsed();
    println!("the end took {took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    let log = store.log();
    assert!(log.contains("the next start replays the logs"), "{log}");
    for how in [How::Kill, How::Term] {
        store.resume();
        let question = json!({"cluster": "alex", "from": T0, "to": T0 + 180, "for-all-nodes": ["cpu_load"]});
        let answer = store.ask(&question);
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), hosts);
        for (query, rows) in answer["queries"].as_array().unwrap().iter().zip(results) {
            let host: f64 = query["host"].as_str().unwrap()[1..].parse().unwrap();
            assert_eq!(rows[0]["data"], json!([host, host, host]), "{query}");
        }
        store.stop(how);
    }
}
