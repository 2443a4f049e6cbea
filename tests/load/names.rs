//! Floods of names: new hosts, new components, new series, long names, more bytes than memory may hold.

use crate::harness::{Config, Line, Store, T0, in_each_form, now_secs, setting};
use crate::probe::Probe;
use crate::raw::refused;

in_each_form! { floods_of_names_stop_at_their_limits }

/// Each limit refuses what is beyond it, says so to the sender, counts it, names the first offender in the log, and
/// lets the rest of the body pass.
fn floods_of_names_stop_at_their_limits(format: &str) {
    let config = Config::new(format)
        .set("/metric-store/limits/hosts", 100)
        .set("/metric-store/limits/components-per-host", 50)
        .set("/metric-store/limits/series-per-host", 60)
        .set("/metric-store/limits/name-bytes", 40);
    let store = Store::start(config);
    let probe = Probe::start(&store);
    let host = |n: usize| Line::new("cpu_load", format!("h{n:06}"), n as f64, T0);
    let component = |n: usize| Line::new("flops_any", "h000000", n as f64, T0).of("hwthread", n);
    let series = |n: usize| Line::new("ipc", "h000000", n as f64, T0).of("hwthread", n);
    let long = |n: usize| Line::new("cpu_load", format!("{}{n:06}", "x".repeat(100)), 1.0, T0);
    let floods: [(&str, &str, Vec<Line>, usize); 4] = [
        // The probe is a host too.
        ("limit_hosts", "hosts", (0..20_000).map(host).collect(), 99),
        ("limit_components", "components-per-host", (0..20_000).map(component).collect(), 50),
        // One is the host's own, 50 are those of the components.
        ("limit_series", "series-per-host", (0..50).map(series).collect(), 9),
        ("limit_name", "name-bytes", (0..20_000).map(long).collect(), 0),
    ];
    for (reason, key, lines, fit) in floods {
        let beyond = lines.len() - fit;
        let mut body: Vec<String> = lines.iter().map(ToString::to_string).collect();
        // What comes behind the flood is stored all the same.
        body.push(Line::new("mem_used", "probe", fit as f64, T0).to_string());
        let answer = store.post("/api/write", body.join("\n")).expect_status(400);
        let text = answer.text();
        assert!(text.contains(&format!("metric-store.limits.{key}")), "{text}");
        assert!(text.contains(&format!("{} of {} lines stored", fit + 1, body.len())), "{text}");
        assert!(text.len() < 10_000, "{}", text.len());
        let label = format!("reason=\"{reason}\"");
        assert_eq!(store.metrics().sum("treering_dropped_total", &label) as usize, beyond, "{reason}");
        assert_eq!(store.values("probe", "mem_used", T0, T0 + 60), [fit as f64], "{reason}");
    }
    let log = store.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("samples refused:")).collect();
    assert!(!lines.is_empty() && lines.len() < 20, "{lines:?}");
    assert!(lines[0].contains("metric-store.limits.hosts") && lines[0].contains("of host alex/h0000"), "{}", lines[0]);
    assert_eq!(store.metrics().sum("treering_objects", "kind=\"hosts\""), 100.0);
    probe.finish(&store);
}

/// Names alone fill the cap: nothing can be freed, so writers are told, and what is there stays readable.
#[test]
fn names_that_fill_the_memory_cap_are_refused() {
    let store = Store::start(Config::new("native").set(setting::MEMORY_CAP, "20MB"));
    let now = now_secs();
    store.write([Line::new("cpu_load", "first", 1.0, now)]);
    let mut refusal = None;
    for thousand in 0..100 {
        let lines: Vec<String> = (0..1000)
            .map(|n| Line::new("cpu_load", format!("h{thousand:03}{n:03}"), 1.0, now).of("core", n).to_string())
            .collect();
        let answer = store.post("/api/write", lines.join("\n"));
        if answer.status == 429 {
            refusal = Some(answer);
            break;
        }
        answer.expect_status(200);
    }
    let refusal = refusal.expect("the cap holds");
    assert_eq!(refusal.header("retry-after"), "5");
    assert!(refusal.text().contains("memory-cap: ") && refusal.text().contains("lines of it were stored"));
    assert!(refused(&store, "memory_cap") >= 1.0);
    assert_eq!(store.values("first", "cpu_load", now - 60, now + 60), [1.0]);
}
