//! `POST /api/free`: what was freed stays away.

use serde_json::json;

use crate::harness::{Config, How, Line, Series, Store, T0, in_each_form};

in_each_form! { a_part_of_a_host_can_be_freed  later_samples_are_welcome }

fn thread(store: &Store, host: &str, thread: u32) -> Vec<f64> {
    let ids = [thread.to_string()];
    let query = json!({"metric": "flops_any", "host": host, "aggreg": false, "type": "hwthread", "type-ids": ids});
    store.rows(T0, T0 + 6000, query).first().map(Series::values).unwrap_or_default()
}

fn range(from: i64, to: i64) -> Vec<f64> {
    (from..to).map(|k| k as f64).collect()
}

/// A restart replayed the log and everything was back.
fn a_part_of_a_host_can_be_freed(format: &str) {
    let mut store = Store::start(Config::new(format));
    for host in ["a1", "a2"] {
        store.write((0..100).map(|k| Line::new("mem_used", host, k as f64, T0 + 60 * k)));
        for id in 0..2 {
            store.write((0..100).map(|k| Line::new("flops_any", host, k as f64, T0 + 60 * k).of("hwthread", id)));
        }
    }
    // Between two samples, so that no slot is cut.
    let between = |k: i64| T0 + 60 * k - 30;
    let free = |store: &Store, to: i64, selector: serde_json::Value| {
        let answer = store.post(&format!("/api/free?to={to}"), json!([selector]).to_string()).expect_status(200);
        assert!(answer.text().starts_with("buffers freed: "), "{}", answer.text());
    };
    free(&store, between(50), json!(["alex", "a1", "hwthread0"]));
    free(&store, between(20), json!(["alex", "a2"]));
    // Nobody knows these.
    free(&store, between(90), json!(["alex", "ghost"]));
    free(&store, between(90), json!(["nowhere"]));
    for round in ["at once", "after a kill", "after SIGTERM", "after another kill"] {
        assert_eq!(thread(&store, "a1", 0), range(50, 100), "{round}");
        assert_eq!(thread(&store, "a1", 1), range(0, 100), "{round}");
        assert_eq!(store.values("a1", "mem_used", T0, T0 + 6000), range(0, 100), "{round}");
        assert_eq!(thread(&store, "a2", 0), range(20, 100), "{round}");
        assert_eq!(store.values("a2", "mem_used", T0, T0 + 6000), range(20, 100), "{round}");
        store.restart(if round == "after a kill" { How::Term } else { How::Kill });
    }
}

/// "Free all of it" means what is there, not what comes: a `to` far in the future must not make the host deaf.
fn later_samples_are_welcome(format: &str) {
    let mut store = Store::start(Config::new(format));
    store.write((0..100).map(|k| Line::new("mem_used", "a1", k as f64, T0 + 60 * k)));
    store.post(&format!("/api/free/?to={}", T0 + 1_000_000), r#"[["alex","a1"]]"#).expect_status(200);
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 9000), range(0, 0));
    store.write((100..110).map(|k| Line::new("mem_used", "a1", k as f64, T0 + 60 * k)));
    for how in [How::Kill, How::Term] {
        assert_eq!(store.values("a1", "mem_used", T0, T0 + 9000), range(100, 110), "before {how:?}");
        store.restart(how);
    }
    // What is older than the horizon is refused and counted.
    store.write([Line::new("mem_used", "a1", 1.0, T0 + 60)]);
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 9000), range(100, 110));
    assert_eq!(store.metrics().sum("treering_dropped_total", ""), 1.0);
}
