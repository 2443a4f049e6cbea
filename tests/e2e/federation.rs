//! `/federate`: what another Prometheus scrapes.

use serde_json::json;
use treering::server::proto::{Label, Sample, StampedSeries, WriteRequest};

use crate::harness::{Config, Grpc, Line, Signer, Store, free_port, now_secs, setting};

const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

fn stamped(pairs: &[(&str, &str)], value: f64, time_ms: i64) -> StampedSeries {
    StampedSeries {
        labels: pairs.iter().map(|&(name, value)| Label { name: name.into(), value: value.into() }).collect(),
        samples: vec![Sample { value, time_ms }],
        ..StampedSeries::default()
    }
}

#[test]
fn the_newest_values_are_federated() {
    let port = free_port();
    let config = Config::new("native")
        .set(setting::GRPC_ADDR, format!("127.0.0.1:{port}"))
        .set(setting::EXTERNAL_LABELS, json!({"zone": "ie", "job": "treering"}));
    let store = Store::start(config);
    let now = now_secs();
    store.write([
        Line::new("mem_used", "a2", 8.5, now - 30),
        Line::new("mem_used", "a1", 6.0, now - 100),
        Line::new("mem_used", "a1", 7.0, now - 40),
        // Longer ago than a value stays current.
        Line::new("mem_used", "a3", 1.0, now - 400),
        Line::new("ipc", "a1", 3.0, now - 20),
    ]);
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let at = 1000 * now - 5_250;
    let series = vec![
        stamped(&[("__name__", "up"), ("instance", "n1:9100"), ("job", "node")], 1.0, at),
        stamped(&[("__name__", "up"), ("instance", "n2:9100"), ("job", "node")], 0.0, at - 1000),
        stamped(&[("__name__", "up"), ("instance", "n2:9100"), ("job", "node")], stale, at),
        stamped(&[("__name__", "größe"), ("instance", "n1:9100"), ("job", "node")], f64::INFINITY, at),
    ];
    Grpc::plain(port).push(vec![WriteRequest { series, ..WriteRequest::default() }]).unwrap();
    let get = |parameters: &str| store.get(&format!("/federate?{parameters}")).expect_status(200);
    let answer = get("match[]=mem_used&match[]=%7Bhostname%3D%22a1%22%7D&match[]=up");
    assert_eq!(answer.header("content-type"), TYPE);
    let grid = |metric: &str, host: &str, value: &str, secs: i64| {
        format!(
            "{metric}{{cluster=\"alex\",hostname=\"{host}\",type=\"node\",instance=\"\",job=\"treering\",zone=\"ie\"}} \
             {value} {}\n",
            1000 * secs
        )
    };
    let expected = [
        "# TYPE ipc untyped\n".to_owned(),
        grid("ipc", "a1", "3", now - 20),
        "# TYPE mem_used untyped\n".to_owned(),
        grid("mem_used", "a1", "7", now - 40),
        grid("mem_used", "a2", "8.5", now - 30),
        "# TYPE up untyped\n".to_owned(),
        format!("up{{instance=\"n1:9100\",job=\"node\",zone=\"ie\"}} 1 {at}\n"),
    ];
    assert_eq!(answer.text(), expected.concat());
    // Names with new characters: in the old ones, or as they are for who asks for it.
    let name = "match[]=%7B%22gr%C3%B6%C3%9Fe%22%7D";
    assert!(get(name).text().contains("\ngr__e{instance="), "{}", get(name).text());
    let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;q=0.3";
    let answer = store.send(store.request("GET", &format!("/federate?{name}")).header("accept", accept));
    assert_eq!(answer.header("content-type"), TYPE.replace("underscores", "allow-utf-8"));
    assert!(answer.text().contains("\n{\"größe\",instance=\"n1:9100\""), "{}", answer.text());
    assert!(answer.text().contains("} +Inf "), "{}", answer.text());
    assert_eq!(get("").text(), "");
    assert_eq!(get("match[]=nobody").text(), "");
    for wrong in ["match[]=%7B%7D", "match[]=sum(up)", "match[]=up%7B"] {
        assert_eq!(store.get(&format!("/federate?{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn federation_is_reading() {
    let signer = Signer::new(3);
    let config = Config::new("native")
        .set(setting::PUBLIC_KEY, signer.public_key())
        .set(setting::ROLES, json!({"read": ["reader"]}));
    let mut store = Store::prepare(config);
    store.resume();
    let with = |claims| {
        let token = signer.token(&claims);
        store.send(store.request("GET", "/federate?match[]=up").header("authorization", format!("Bearer {token}")))
    };
    assert_eq!(store.get("/federate?match[]=up").status, 401);
    assert_eq!(with(json!({"roles": ["writer"]})).status, 403);
    assert_eq!(with(json!({"roles": ["reader"]})).status, 200);
    drop(store);
}
