//! HTTPS, with and without client certificates.

use std::fs;

use serde_json::json;

use crate::harness::{Authority, Config, Line, Store, T0, eventually, setting};

/// A store that serves HTTPS with a certificate of this authority.
fn store(authority: &Authority, more: impl Fn(Config, &Store) -> Config) -> Store {
    let mut store = Store::prepare(Config::new("native"));
    let (certificate, key) = authority.issue("store").write(store.dir.path(), "store");
    let config = store.config().clone().set_path(setting::HTTPS_CERT, &certificate).set_path(setting::HTTPS_KEY, &key);
    let config = more(config, &store);
    store.set_config(config);
    store
}

#[test]
fn https_serves_what_http_does() {
    let authority = Authority::new("test");
    let mut store = store(&authority, |config, _| config).with_https(authority.client(None));
    store.resume();
    store.write([Line::new("mem_used", "a1", 7.0, T0)]);
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 60), [7.0]);
    // Neither plain HTTP nor a stranger's authority gets through.
    let plain = crate::harness::try_send(store.client.get(format!("http://127.0.0.1:{}/-/healthy", store.port)));
    assert!(plain.is_err() || plain.unwrap().status != 200);
    let stranger = Authority::new("somebody else").client(None);
    assert!(stranger.get(store.url("/-/healthy")).send().is_err());
    // One client that says nothing keeps no other from shaking hands.
    let _silent = std::net::TcpStream::connect(("127.0.0.1", store.port)).unwrap();
    store.get("/-/healthy").expect_status(200);
}

#[test]
fn clients_may_have_to_show_a_certificate() {
    let servers = Authority::new("servers");
    let clients = Authority::new("clients");
    let known = clients.issue("known");
    let unknown = Authority::new("others").issue("unknown");
    for (mode, anonymous_allowed) in [("required", false), ("optional", true)] {
        let with_clients = |config: Config, store: &Store| {
            config.set_path(setting::CLIENT_CA, &clients.write(store.dir.path())).set(setting::CLIENT_CERTS, mode)
        };
        let mut store = store(&servers, with_clients).with_https(servers.client(Some(&known)));
        store.resume();
        store.get("/-/healthy").expect_status(200);
        let anonymous = servers.client(None).get(store.url("/-/healthy")).send();
        assert_eq!(anonymous.is_ok(), anonymous_allowed, "{mode}: {anonymous:?}");
        let unknown = servers.client(Some(&unknown)).get(store.url("/-/healthy")).send();
        assert!(unknown.is_err(), "{mode}: {unknown:?}");
    }
}

/// Certificates live for weeks, the store for months.
#[test]
fn sighup_reloads_the_certificate() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let mut store = store(&old, |config, _| config).with_https(old.client(None));
    store.resume();
    let (pid, folder) = (store.pid(), store.dir.path().to_owned());
    // First a broken one: the old one stays in use.
    fs::write(folder.join("store.pem"), "no certificate").unwrap();
    store.signal("HUP");
    eventually("the log tells of it", || store.log().contains("store.pem").then_some(()));
    store.get("/-/healthy").expect_status(200);
    new.issue("store").write(&folder, "store");
    store.signal("HUP");
    let client = new.client(None);
    eventually("the new certificate is served", || client.get(store.url("/-/healthy")).send().ok());
    assert!(old.client(None).get(store.url("/-/healthy")).send().is_err());
    store.check_alive();
    assert_eq!(store.pid(), pid);
}

/// A key that does not belong to the certificate is a mistake to be told at the start, not by the first client.
#[test]
fn a_wrong_key_is_told_at_start() {
    let authority = Authority::new("test");
    let mut store = store(&authority, |config, _| config);
    let other = authority.issue("other");
    fs::write(store.path("store-key.pem"), other.key).unwrap();
    let output = store.run_to_end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("store-key.pem") || text.contains("https-key-file"), "{text}");
    let missing = store.config().clone().set(setting::HTTPS_KEY, json!("nowhere.pem"));
    store.set_config(missing);
    assert_eq!(store.run_to_end().status.code(), Some(1));
}
