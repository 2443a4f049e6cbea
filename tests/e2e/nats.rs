//! Lines that come over NATS, from a real server.

use std::collections::BTreeMap;
use std::fs;

use async_nats::ConnectOptions;
use serde_json::json;

use crate::harness::{
    Authority, Config, How, Line, NatsServer, NkeyPair, Operator, Publisher, Series, Store, T0, eventually, setting,
};

const SUBJECT: &str = "hpc-nats";

fn config(server: &NatsServer) -> Config {
    Config::new("native").nats(&server.address()).subscribe(SUBJECT, "alex")
}

fn lines(host: &str, ticks: std::ops::Range<i64>) -> String {
    ticks.map(|k| format!("{}\n", Line::new("mem_used", host, k as f64, T0 + 60 * k))).collect()
}

#[track_caller]
fn await_values(store: &Store, host: &str, count: i64) {
    let expected: Vec<f64> = (0..count).map(|k| k as f64).collect();
    eventually(&format!("{count} values of {host}"), || {
        (store.values(host, "mem_used", T0, T0 + 60 * count) == expected).then_some(())
    });
}

/// The NATS server was updated and gone for a minute; the store never came back to it.
#[test]
fn a_server_may_go_and_come_back() {
    let mut server = NatsServer::start();
    let store = Store::start(config(&server));
    server.await_subscription(SUBJECT);
    server.publisher().publish(SUBJECT, &lines("a1", 0..10));
    await_values(&store, "a1", 10);
    eventually("it is connected", || (store.metrics().sum("treering_nats_connected", "") == 1.0).then_some(()));
    for round in 1..3 {
        server.kill();
        eventually("it sees that", || (store.metrics().sum("treering_nats_connected", "") == 0.0).then_some(()));
        // Meanwhile everything else goes on.
        store.write([lines("over-http", 0..5)]);
        server.resume();
        server.await_subscription(SUBJECT);
        server.publisher().publish(SUBJECT, &lines("a1", 10 * round..10 * round + 10));
        await_values(&store, "a1", 10 * round + 10);
    }
    await_values(&store, "over-http", 5);
}

/// Machines of a cluster start in any order.
#[test]
fn a_store_may_start_before_its_server() {
    let mut server = NatsServer::prepare();
    let mut store = Store::start(config(&server));
    store.write([lines("over-http", 0..5)]);
    await_values(&store, "over-http", 5);
    server.resume();
    server.await_subscription(SUBJECT);
    server.publisher().publish(SUBJECT, &lines("a1", 0..50));
    await_values(&store, "a1", 50);
    // A server that is gone does not keep it from stopping either.
    server.kill();
    store.restart(How::Term);
    await_values(&store, "a1", 50);
}

/// The first of two servers is down.
#[test]
fn one_of_several_servers_is_enough() {
    let server = NatsServer::start();
    let gone = NatsServer::prepare();
    let config = config(&server).set(setting::NATS_ADDRESS, json!([gone.address(), server.address()]));
    let store = Store::start(config);
    server.await_subscription(SUBJECT);
    server.publisher().publish(SUBJECT, &lines("a1", 0..5));
    await_values(&store, "a1", 5);
}

/// One broken agent ended the subscription for everybody.
#[test]
fn a_bad_message_harms_no_other() {
    let server = NatsServer::start();
    let config = config(&server).subscribe("other.>", "fritz");
    let store = Store::start(config);
    server.await_subscription(SUBJECT);
    server.await_subscription("other.>");
    let publisher = server.publisher();
    for k in 0..20 {
        publisher.publish(SUBJECT, &lines("a1", k..k + 1));
        publisher.publish(SUBJECT, "not a line {{{");
        publisher.publish(SUBJECT, "");
        publisher.publish(SUBJECT, &"x".repeat(500_000));
        publisher.publish("other.x", &format!("mem_used,hostname=f1,type=node value={k} {}", T0 + 60 * k));
    }
    await_values(&store, "a1", 20);
    let question = json!({"cluster": "fritz", "from": T0, "to": T0 + 1200,
                          "queries": [{"metric": "mem_used", "host": "f1"}]});
    eventually("the other cluster", || {
        let answer = store.ask(&question);
        (answer["results"][0][0]["data"].as_array()?.len() == 20).then_some(())
    });
    let metrics = store.metrics();
    assert_eq!(metrics.sum("treering_nats_messages_total", ""), 100.0);
    assert_eq!(metrics.sum("treering_samples_total", "source=\"nats\""), 40.0);
}

/// What a real collector published, three ticks of two seconds.
#[test]
fn a_collectors_messages_come_back() {
    let text = include_str!("../data/collector-nats.lp");
    let mut expected: BTreeMap<(String, String, String, String), Vec<f64>> = BTreeMap::new();
    for line in text.lines() {
        let (series, value_and_time) = line.split_once(' ').unwrap();
        let (metric, tags) = series.split_once(',').unwrap();
        let tag = |name: &str| {
            let found = tags.split(',').find_map(|tag| tag.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default().to_owned()
        };
        let value = value_and_time.split_once(' ').unwrap().0.trim_start_matches("value=");
        let value: f64 = value.trim_end_matches(['i', 'u']).parse().unwrap();
        let id = if tag("stype").is_empty() { tag("type-id") } else { tag("stype-id") };
        let key = (metric.to_owned(), tag("type"), tag("stype"), id);
        expected.entry(key).or_default().push(value);
    }
    assert!(expected.values().all(|values| values.len() == 3), "three ticks of each series");
    let devices: Vec<_> = expected.keys().filter(|key| key.2 == "network").map(|key| key.3.as_str()).collect();
    assert!(devices.contains(&"lo") && devices.contains(&"eth0"));

    let server = NatsServer::start();
    let mut config = config(&server).set(setting::FUTURE_TOLERANCE, "876000h");
    for (metric, ..) in expected.keys() {
        config = config.metric(metric, 2, Some("sum"));
    }
    let mut store = Store::start(config);
    server.await_subscription(SUBJECT);
    let publisher = server.publisher();
    let all: Vec<&str> = text.lines().collect();
    for message in all.chunks(20) {
        publisher.publish(SUBJECT, &message.join("\n"));
    }
    eventually("all lines arrive", || {
        let stored = store.metrics().sum("treering_samples_total", "source=\"nats\"");
        (stored == all.len() as f64).then_some(())
    });
    for how in [None, Some(How::Kill), Some(How::Term)] {
        how.into_iter().for_each(|how| store.restart(how));
        for ((metric, kind, subkind, id), values) in &expected {
            let mut query = json!({"metric": metric, "host": "vm", "aggreg": false});
            if !subkind.is_empty() {
                query["subtype"] = json!(subkind);
                query["subtype-ids"] = json!([id]);
            } else if kind != "node" {
                query["type"] = json!(kind);
                query["type-ids"] = json!([id]);
            }
            let question =
                json!({"cluster": "testcluster", "from": 1_795_259_451, "to": 1_795_259_457, "queries": [query]});
            let answer = store.ask(&question);
            let got = Series::parse(&answer["results"][0][0]).values();
            let near = |(got, want): (&f64, &f64)| (got - want).abs() <= 0.000_51;
            assert!(
                got.len() == 3 && got.iter().zip(values).all(near),
                "{metric} {kind} {subkind} {id}: {got:?}, {values:?}"
            );
        }
    }
}

#[test]
fn user_and_password() {
    let server = NatsServer::start_with("authorization { user: reader, password: \"s3cret\" }\n");
    let open = config(&server);
    let config = open.clone().set(setting::NATS_USER, "reader").set(setting::NATS_PASSWORD, "s3cret");
    let store = Store::start(config);
    let options = ConnectOptions::with_user_and_password("reader".into(), "s3cret".into());
    let publisher = Publisher::connect(&server.address(), options);
    server.await_subscription(SUBJECT);
    publisher.publish(SUBJECT, &lines("a1", 0..5));
    await_values(&store, "a1", 5);
    // With a wrong password the store runs all the same, and says why nothing comes.
    let store = Store::start(open.set(setting::NATS_USER, "reader").set(setting::NATS_PASSWORD, "wrong"));
    eventually("the log tells", || store.log().to_lowercase().contains("auth").then_some(()));
    assert!(!store.log().contains("wrong"), "a password in the log:\n{}", store.log());
}

#[test]
fn nkey() {
    let key = NkeyPair::user(7);
    let server = NatsServer::start_with(&format!("authorization {{ users: [ {{ nkey: {} }} ] }}\n", key.public()));
    let seed_file = server.dir.path().join("seed.txt");
    fs::write(&seed_file, format!("{}\n", key.seed())).unwrap();
    let store = Store::start(config(&server).set_path(setting::NATS_NKEY, &seed_file));
    let publisher = Publisher::connect(&server.address(), ConnectOptions::with_nkey(key.seed()));
    server.await_subscription(SUBJECT);
    publisher.publish(SUBJECT, &lines("a1", 0..5));
    await_values(&store, "a1", 5);
}

#[test]
fn credentials_file() {
    let operator = Operator::new();
    let server = NatsServer::start_with(&operator.server_config());
    let credentials = operator.write_credentials(server.dir.path());
    let store = Store::start(config(&server).set_path(setting::NATS_CREDS, &credentials));
    let options = ConnectOptions::with_credentials(&fs::read_to_string(&credentials).unwrap()).unwrap();
    let publisher = Publisher::connect(&server.address(), options);
    server.await_subscription(SUBJECT);
    publisher.publish(SUBJECT, &lines("a1", 0..5));
    await_values(&store, "a1", 5);
}

#[test]
fn tls_with_a_client_certificate() {
    let authority = Authority::new("NATS test");
    let mut server = NatsServer::prepare();
    let folder = server.dir.path().to_owned();
    let ca = authority.write(&folder);
    authority.issue("server").write(&folder, "server");
    let (certificate, key) = authority.issue("store").write(&folder, "client");
    server
        .resume_with("tls { cert_file: server.pem, key_file: server-key.pem, ca_file: authority.pem, verify: true }\n");
    let address = format!("tls://localhost:{}", server.port);
    let config = config(&server)
        .nats(&address)
        .set_path(setting::NATS_TLS_CA, &ca)
        .set_path(setting::NATS_TLS_CERT, &certificate)
        .set_path(setting::NATS_TLS_KEY, &key);
    let store = Store::start(config);
    let options =
        ConnectOptions::new().require_tls(true).add_root_certificates(ca).add_client_certificate(certificate, key);
    let publisher = Publisher::connect(&address, options);
    server.await_subscription(SUBJECT);
    publisher.publish(SUBJECT, &lines("a1", 0..5));
    await_values(&store, "a1", 5);
}
