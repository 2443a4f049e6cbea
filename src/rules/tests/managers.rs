//! Managers: groups that run, change and go, and an Alertmanager that is told.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::Value;

use super::world::{BEGIN, Memory, specs};
use crate::disk::SystemDisk;
use crate::model::Labels;
use crate::rules::notify::{AlertmanagerOptions, Credentials, NotifyOptions};
use crate::rules::{Manager, Options, Parts};
use crate::telemetry::{Alertmanager, Telemetry};
use crate::testing::ManualClock;

/// A manager with what it works on.
struct Site {
    manager: Manager,
    memory: Arc<Memory>,
    clock: Arc<ManualClock>,
    telemetry: Arc<Telemetry>,
}

fn site() -> Site {
    let (memory, telemetry) = (Arc::new(Memory::default()), Arc::new(Telemetry::default()));
    let clock = Arc::new(ManualClock::at(BEGIN));
    let parts = Parts {
        sources: Arc::clone(&memory) as _,
        sink: Arc::clone(&memory) as _,
        disk: Arc::new(SystemDisk),
        clock: Arc::clone(&clock) as _,
        telemetry: Arc::clone(&telemetry),
        runtime: tokio::runtime::Handle::current(),
    };
    Site { manager: Manager::new(parts), memory, clock, telemetry }
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    for _ in 0..600 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: not within half a minute");
}

impl Site {
    /// Lets the time go on until something is so.
    async fn go_on_until(&self, what: &str, is_so: impl Fn(&Site) -> bool) {
        until(what, || {
            self.clock.advance(5);
            std::future::ready(is_so(self))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_run_change_and_go() {
    let site = site();
    site.memory.write("x", BEGIN, 1.0);
    site.memory.write("x", BEGIN + 100_000, 1.0);
    let options = Options {
        interval_ms: 60_000,
        query: crate::rules::QueryOptions {
            evaluation: crate::promql::Options { lookback_ms: 1_000_000_000, ..Default::default() },
            ..Default::default()
        },
        ..Options::default()
    };
    let two = "groups:\n- name: a\n  rules:\n  - {record: r, expr: x}\n- name: b\n  rules:\n  - {record: s, expr: x}\n";
    site.manager.apply(&options, specs(two)).await.unwrap();
    let names = |site: &Site| site.manager.groups().iter().map(|group| group.spec().name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&site), ["a", "b"]);
    site.clock.advance(600);
    assert!(site.memory.samples("r").is_empty(), "nothing happens before the store is ready");
    site.manager.begin();
    site.go_on_until("both groups run", |site| {
        site.memory.samples("r").len() > 1 && site.memory.samples("s").len() > 1
    })
    .await;
    let kept = Arc::clone(&site.manager.groups()[1]);
    let changed =
        "groups:\n- name: b\n  rules:\n  - {record: s, expr: x}\n- name: c\n  rules:\n  - {record: t, expr: x}\n";
    site.manager.apply(&options, specs(changed)).await.unwrap();
    assert_eq!(names(&site), ["b", "c"]);
    assert!(Arc::ptr_eq(&kept, &site.manager.groups()[0]), "what stays the same goes on");
    let label = crate::telemetry::RuleGroup { rule_group: "r.yml;a".to_owned() };
    assert!(!site.telemetry.encode().contains(&label.rule_group));
    let count = site.memory.samples("r").len();
    site.go_on_until("the series of the group that went is ended", |site| {
        site.memory.samples("r").last().is_some_and(|last| last.ends_with("stale"))
    })
    .await;
    assert_eq!(site.memory.samples("r").len(), count + 1);
    site.go_on_until("the new group runs", |site| site.memory.samples("t").len() > 1).await;
    site.manager.stop().await;
    let (count, last) = (site.memory.samples("s").len(), site.memory.samples("s").pop().unwrap());
    site.clock.advance(600);
    site.manager.apply(&options, specs(two)).await.unwrap();
    assert_eq!(site.memory.samples("s").len(), count);
    assert!(!last.ends_with("stale"), "an end of the process ends no series");
}

/// What one request brought.
struct Told {
    head: String,
    alerts: Value,
}

/// Answers each request with the next status, and hands out what it was told.
fn alertmanager(statuses: &'static [u16]) -> (String, mpsc::Receiver<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/am", listener.local_addr().unwrap());
    let (sender, told) = mpsc::channel();
    std::thread::spawn(move || {
        for status in statuses {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let request = read_request(&mut stream);
            let answer = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (url, told)
}

fn read_request(stream: &mut TcpStream) -> Told {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Told { head, alerts: serde_json::from_slice(&body).unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_is_told_in_batches_and_after_failures() {
    let (url, told) = alertmanager(&[200, 200, 500, 200]);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let site = site();
    for host in 0..300 {
        for secs in [0, 100_000] {
            site.memory.write(&format!("up{{instance=\"{host}\"}}"), BEGIN + secs, 0.0);
        }
    }
    let options = Options {
        external_url: "http://here/".to_owned(),
        interval_ms: 300_000,
        query: crate::rules::QueryOptions {
            evaluation: crate::promql::Options { lookback_ms: 1_000_000_000, ..Default::default() },
            ..Default::default()
        },
        notify: NotifyOptions {
            alertmanagers: vec![AlertmanagerOptions {
                url: url.clone(),
                timeout: Duration::from_secs(10),
                credentials: Credentials::BearerFile(token),
                ca_file: None,
                client_files: None,
            }],
            external_labels: Labels::from_pairs([("site", "erlangen")]),
            ..NotifyOptions::default()
        },
        ..Options::default()
    };
    let rules =
        "groups:\n- name: a\n  rules:\n  - {alert: Down, expr: up == 0, annotations: {s: '{{ $labels.instance }}'}}\n";
    site.manager.apply(&options, specs(rules)).await.unwrap();
    assert_eq!(site.manager.alertmanagers(), [format!("{url}/api/v2/alerts")]);
    site.manager.begin();
    let label = Alertmanager { alertmanager: format!("{url}/api/v2/alerts") };
    let sent = |site: &Site| site.telemetry.notifications_sent.get_or_create(&label).get();
    site.go_on_until("the first alerts are sent", |site| sent(site) == 300).await;
    let (first, second) = (told.recv().unwrap(), told.recv().unwrap());
    assert!(first.head.starts_with("post /am/api/v2/alerts http/1.1\r\n"), "{}", first.head);
    assert!(first.head.contains("authorization: bearer s3cret\r\n"), "{}", first.head);
    assert!(first.head.contains("content-type: application/json\r\n"), "{}", first.head);
    assert_eq!((first.alerts.as_array().unwrap().len(), second.alerts.as_array().unwrap().len()), (256, 44));
    let alert = &first.alerts[0];
    assert_eq!(alert["labels"]["alertname"], "Down");
    assert_eq!(alert["labels"]["site"], "erlangen");
    assert_eq!(alert["annotations"]["s"], alert["labels"]["instance"]);
    assert_eq!(alert["generatorURL"], "http://here/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
    assert!(alert["startsAt"].as_str().unwrap().starts_with("2026-02-02T"), "{alert}");
    assert!(alert["endsAt"].as_str() > alert["startsAt"].as_str(), "{alert}");
    // A batch that is refused is lost, counted, and comes again: the alerts fire still.
    let errors = |site: &Site| site.telemetry.notifications_errors.get_or_create(&label).get();
    site.go_on_until("a batch fails", |site| errors(site) == 256).await;
    assert_eq!(site.telemetry.notifications_dropped.get_or_create(&label).get(), 256);
    site.go_on_until("the next is sent", |site| sent(site) == 344).await;
    assert_eq!(told.iter().take(2).count(), 2);
    // Without an Alertmanager nothing is sent, and nothing of it is shown.
    site.manager.apply(&Options { notify: NotifyOptions::default(), ..options }, specs(rules)).await.unwrap();
    assert!(site.manager.alertmanagers().is_empty());
    assert!(!site.telemetry.encode().contains("api/v2/alerts"));
    site.manager.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_that_cannot_be_changes_nothing() {
    let site = site();
    let alertmanager = |url: &str, ca_file: Option<&str>| AlertmanagerOptions {
        url: url.to_owned(),
        timeout: Duration::from_secs(10),
        credentials: Credentials::None,
        ca_file: ca_file.map(Into::into),
        client_files: None,
    };
    let rules = "groups:\n- name: a\n  rules:\n  - {record: r, expr: 1}\n";
    for (bad, expected) in [
        (alertmanager("ftp://u:secret@h", None), "expected http or https"),
        (alertmanager("nonsense", None), "relative URL"),
        (alertmanager("https://u:secret@h", Some("none.pem")), "none.pem: No such file"),
    ] {
        let notify = NotifyOptions { alertmanagers: vec![bad], ..NotifyOptions::default() };
        let options = Options { notify, ..Options::default() };
        let error = site.manager.apply(&options, specs(rules)).await.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        assert!(site.manager.groups().is_empty() && site.manager.alertmanagers().is_empty());
    }
}
