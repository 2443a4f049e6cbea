//! Alerts over a restart of the store, and on their way to an Alertmanager that asks for certificates.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::harness::{Authority, Config, How, Issued, Line, Store, eventually, now_secs};
use crate::rules::{Alertmanager, config, data, take};

/// One that waits for long, one that fires soon.
const RULES: &str = "groups:
- name: alerts
  rules:
  - {alert: Slow, expr: cpu_load > 3, for: 1h}
  - {alert: Quick, expr: cpu_load > 3, for: 2s}
";

/// Since when an alert is active, as it is stored, and when that was stored last; in seconds.
fn active_since(store: &Store, alert: &str) -> Option<(i64, f64)> {
    let ask = |query: String| {
        let query = crate::harness::encoded(&query);
        let result = data(store, &format!("query?query={query}"))["result"].take();
        Some(result.get(0)?["value"][1].as_str()?.to_owned())
    };
    let since = ask(format!("ALERTS_FOR_STATE{{alertname=\"{alert}\"}}"))?;
    let stored = ask(format!("timestamp(ALERTS_FOR_STATE{{alertname=\"{alert}\"}})"))?;
    Some((since.parse().unwrap(), stored.parse().unwrap()))
}

fn state(store: &Store, alert: &str) -> Value {
    let rules = data(store, &format!("rules?rule_name[]={alert}"));
    rules["groups"][0]["rules"][0]["alerts"].get(0).map_or(Value::Null, |alert| alert["state"].clone())
}

#[test]
fn alerts_go_on_after_a_restart() {
    let config = config("rules.yml").set("/rules/for-grace-period", "1s");
    let mut store = Store::prepare(config);
    fs::write(store.path("rules.yml"), RULES).unwrap();
    store.resume();
    store.write([Line::new("cpu_load", "a1", 5.0, now_secs())]);
    for how in [How::Kill, How::Term] {
        // Long enough that the time before and the time after cannot be taken for one another.
        let (slow, stored) = eventually("the alert has waited for a while", || {
            active_since(&store, "Slow").filter(|(since, stored)| stored - *since as f64 >= 5.0)
        });
        eventually("the other one fires", || (state(&store, "Quick") == "firing").then_some(()));
        let (quick, _) = active_since(&store, "Quick").unwrap();
        assert_eq!(state(&store, "Slow"), "pending");
        store.stop(how);
        let stopped = now_secs();
        store.resume();
        let again = |alert: &str| {
            let is_new = |(_, stored): &(i64, f64)| *stored > stopped as f64 + 1.0;
            eventually("the state is restored and stored again", || active_since(&store, alert).filter(is_new))
        };
        let (slow_now, now) = again("Slow");
        let away = now - stored;
        assert!(slow_now >= slow && slow_now < stopped - 2, "{how:?}: {slow} became {slow_now}, stopped at {stopped}");
        assert!((slow_now - slow) as f64 <= away + 1.0, "{how:?}: no more is added than the time in between, {away} s");
        assert_eq!(state(&store, "Slow"), "pending", "{how:?}");
        // What fired fires, since the same time.
        assert_eq!(again("Quick").0, quick, "{how:?}");
        eventually("it fires again", || (state(&store, "Quick") == "firing").then_some(()));
    }
}

/// A stand-in that shows a certificate and asks for one of these clients.
fn secured(shown: &Issued, clients: &Authority) -> Alertmanager {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(shown.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    let config = Arc::new(config);
    Alertmanager::serve("https", move |stream: TcpStream| {
        // A hand that is not shaken is a stream without a request.
        take(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream))
    })
}

/// The entry of an Alertmanager in the config.
fn entry(url: &str, authority: &Path, client: &(std::path::PathBuf, std::path::PathBuf), password: &Path) -> Value {
    json!({
        "url": url, "username": "user", "password-file": password,
        "tls": {"ca-file": authority, "cert-file": client.0, "key-file": client.1},
    })
}

#[test]
fn an_alertmanager_behind_tls_is_told() {
    let (servers, clients, strangers) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("others"));
    let mut store = Store::prepare(Config::new("native"));
    let folder = store.dir.path().to_owned();
    let trusted = secured(&servers.issue("am"), &clients);
    // One whose authority is not the one of the config, and one that does not know the client's.
    let impostor = secured(&strangers.issue("am"), &clients);
    let stranger = secured(&servers.issue("am"), &strangers);
    let authority = servers.write(&folder);
    let client = clients.issue("store").write(&folder, "client");
    let password = folder.join("password");
    fs::write(&password, "s3cret\n").unwrap();
    let entries: Vec<Value> =
        [&trusted, &impostor, &stranger].map(|one| entry(&one.url, &authority, &client, &password)).into();
    store.set_config(config("rules.yml").set("/rules/alertmanagers", json!(entries)));
    let rules = "groups:\n- name: g\n  rules:\n  - {alert: Always, expr: vector(1), labels: {severity: page}}\n";
    fs::write(store.path("rules.yml"), rules).unwrap();
    store.resume();
    let told = eventually("the Alertmanager is told", || Some(trusted.told()).filter(|told| !told.is_empty()));
    assert_eq!(told[0]["labels"], json!({"alertname": "Always", "severity": "page"}));
    let count = |name: &str, one: &Alertmanager| store.metrics().sum(name, &format!("alertmanager=\"{}", one.url));
    for other in [&impostor, &stranger] {
        eventually("the failure is counted", || {
            (count("treering_notifications_errors_total", other) >= 1.0).then_some(())
        });
        assert_eq!((other.told().len(), count("treering_notifications_sent_total", other)), (0, 0.0));
    }
    eventually("the success is counted", || {
        (count("treering_notifications_sent_total", &trusted) >= 1.0).then_some(())
    });
    assert_eq!(count("treering_notifications_errors_total", &trusted), 0.0);
}
