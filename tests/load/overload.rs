//! More writes than the store can take: what it answered is there, what it refused was told and counted.

use std::sync::Mutex;

use crate::harness::{Config, Line, Store, T0, in_each_form};
use crate::raw::refused;

in_each_form! { nothing_is_dropped_silently }

/// Writers beyond the limit wait, then get 429. A body that was answered with 200 is whole; one that was refused says
/// what of it was stored.
fn nothing_is_dropped_silently(format: &str) {
    const WRITERS: i64 = 48;
    const BODIES: i64 = 6;
    // So many that a fast machine too does not store a body of each writer within the time for a turn.
    const LINES: i64 = 1600;
    let config = Config::new(format).set("/main/limits/writes", 1).set("/main/limits/turn-timeout", "100ms");
    let mut store = Store::start(config);
    // A body is one host's, so that its lines can be told from all others.
    let name = |writer: i64, body: i64| format!("w{writer:02}b{body:02}");
    let (taken, refusals) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, taken, refusals) = (&store, &taken, &refusals);
            scope.spawn(move || {
                for body in 0..BODIES {
                    let host = name(writer, body);
                    let line = |n: i64| Line::new("fast", &*host, (writer * 1000 + n) as f64, T0 + n).to_string();
                    let lines: Vec<String> = (0..LINES).map(line).collect();
                    let answer = store.post("/api/write", lines.join("\n"));
                    match answer.status {
                        200 => taken.lock().unwrap().push((writer, body)),
                        429 => {
                            assert_eq!(answer.header("retry-after"), "5");
                            let text = answer.text();
                            assert!(text.contains("1 pieces of writes being stored at a time are the limit"), "{text}");
                            assert!(text.contains("; 0 lines of it were stored"), "{text}");
                            refusals.lock().unwrap().push((writer, body));
                        }
                        status => panic!("{status}: {}", answer.text()),
                    }
                }
            });
        }
    });
    let (taken, refusals) = (taken.into_inner().unwrap(), refusals.into_inner().unwrap());
    println!("{} bodies were taken, {} refused", taken.len(), refusals.len());
    assert_eq!(taken.len() + refusals.len(), (WRITERS * BODIES) as usize);
    assert!(!taken.is_empty() && !refusals.is_empty(), "too little or too much load to say anything");
    assert_eq!(refused(&store, "writes") as usize, refusals.len());
    let metrics = store.metrics();
    assert_eq!(metrics.sum("treering_http_requests_total", "status=\"429\"") as usize, refusals.len());
    assert_eq!(metrics.sum("treering_samples_total", "") as i64, taken.len() as i64 * LINES);
    // In memory, and on the disk as well.
    for _ in 0..2 {
        for &(writer, body) in &taken {
            let expected: Vec<f64> = (0..LINES).map(|n| (writer * 1000 + n) as f64).collect();
            assert_eq!(store.values(&name(writer, body), "fast", T0, T0 + LINES), expected);
        }
        for &(writer, body) in &refusals {
            assert_eq!(store.values(&name(writer, body), "fast", T0, T0 + LINES), [] as [f64; 0]);
        }
        store.restart(crate::harness::How::Kill);
    }
}
