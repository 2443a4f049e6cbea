//! The section `zstats`.

use std::time::Duration;

use super::*;

fn zstats(section: Value) -> Value {
    config(json!({ "zstats": section }))
}

#[test]
fn a_whole_section_is_understood() {
    let loaded = loaded(&zstats(json!({
        "addr": ":9905", "https-cert-file": "c.pem", "https-key-file": "k.pem",
        "tokens": { "t": { "account": "a", "min-poll-secs": 15 }, "*": { "account": "b" } },
        "silent-after": "1m", "forget-after": "5m",
        "limits": { "requests": 3, "body": "1MiB", "unzipped": 5_000_000, "scrapes-per-body": 7, "samples-per-body": 8,
            "labels-per-body": 9, "rebuilt-per-body": 10, "instances": 11, "series-per-scrape": 12, "state": "64MiB" },
        "spool-directory": "spool", "spool-max-age": "0s", "spool-max-size": 0, "spool-max-entries": 5,
        "spool-sync": true, "notify": "reader:5300", "notify-timeout": "1s", "notify-calls": 2, "notify-queue": 3
    })));
    let settings = loaded.zstats.as_ref().unwrap();
    assert_eq!((settings.addr.as_deref(), settings.requests_max), (Some(":9905"), 3));
    assert_eq!(settings.https.as_ref().map(|files| files.key_file.clone()), Some("k.pem".into()));
    assert_eq!(settings.tokens["t"], ZstatsAccount { account: "a".into(), min_poll_secs: 15 });
    assert_eq!(settings.tokens["*"], ZstatsAccount { account: "b".into(), min_poll_secs: 0 });
    let (request, state) = (&settings.request_limits, &settings.state_limits);
    assert_eq!((request.body_bytes_max, request.unzipped_bytes_max, request.blobs_max), (1 << 20, 5_000_000, 7));
    assert_eq!((request.samples_max, request.labels_max, state.rebuilt_max), (8, 9, 10));
    assert_eq!((state.instances_max, state.series_max, state.bytes_max), (11, 12, 64 << 20));
    assert_eq!((state.silent_ms, state.idle_ms), (60_000, 300_000));
    let spool = settings.spool.as_ref().unwrap();
    assert_eq!((spool.max_age, spool.bytes_max, spool.entries_max, spool.is_synced), (Duration::ZERO, 0, 5, true));
    let notify = settings.notify.as_ref().unwrap();
    assert_eq!((notify.address.as_str(), notify.timeout), ("reader:5300", Duration::from_secs(1)));
    assert_eq!((notify.calls_max, notify.queue_max), (2, 3));
    let shown = format!("{loaded:?}");
    assert!(shown.contains("ZstatsSettings") && !shown.contains("\"t\""), "tokens are secrets");
}

#[test]
fn without_tokens_it_is_off() {
    assert!(loaded(&config(json!({}))).zstats.is_none());
    let loaded = loaded(&zstats(json!({ "addr": "localhost:9905" })));
    assert!(loaded.zstats.is_none());
    assert!(loaded.warnings.iter().any(|warning| warning.starts_with("/zstats/tokens: nobody is named")));
}

#[test]
fn mistakes_are_told_without_the_tokens() {
    let token = "a-secret-of-somebody";
    for (section, pointer) in [
        (json!({ "tokens": { token: {} } }), "/zstats/tokens: missing, expected a string"),
        (json!({ "tokens": { token: { "account": "a", "min-poll-secs": 128 } } }), "/zstats/tokens: found"),
        (json!({ "tokens": { token: { "acount": "a" } } }), "/zstats/tokens: unknown key, did you mean \"account\"?"),
        (json!({ "tokens": { token: { "account": "../a" } } }), "/zstats/tokens: found \"../a\""),
        (json!({ "tokens": { token: { "account": "a/b" } } }), "/zstats/tokens: found \"a/b\""),
        (json!({ "tokens": { format!("{token}\n"): { "account": "a" } } }), "/zstats/tokens: found another token"),
        (json!({ "tokens": { "": { "account": "a" } } }), "/zstats/tokens: found another token"),
        (json!({ "addr": "9905" }), "/zstats/addr: found \"9905\""),
        (json!({ "https-cert-file": "c.pem" }), "/zstats/https-key-file: missing"),
        (json!({ "notify": "reader:5300" }), "/zstats/notify: found a reader"),
        (json!({ "notify": "reader", "spool-directory": "s" }), "/zstats/notify: found \"reader\""),
        (json!({ "silent-after": "0s" }), "/zstats/silent-after: found \"0s\""),
        (json!({ "limits": { "body": "5GiB" } }), "/zstats/limits/body: found 5368709120 bytes"),
        (json!({ "limits": { "requests": 0 } }), "/zstats/limits/requests: found 0"),
    ] {
        let problems = problems(&zstats(section.clone()));
        assert!(problems.iter().any(|problem| problem.contains(pointer)), "{section}: {problems:?}");
        assert!(!problems.iter().any(|problem| problem.contains(token)), "{problems:?}");
    }
    let other = |token: &str| loaded(&zstats(json!({ "tokens": { token: { "account": "a" } } })));
    assert_eq!(restart_needed(&other("t"), &other("u")), ["/zstats/tokens"]);
}
