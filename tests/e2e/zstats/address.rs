//! Who is asked how at which address: the recorded requests without scrapes, and an address of its own.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use treering::formats::zstats::decode_response;

use super::config;
use crate::harness::{Answer, Authority, How, Signer, Store, client, free_port, setting, try_send};

/// Asks as it was recorded.
fn asked(store: &Store, base: &str, request: &Value) -> Answer {
    let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
    try_send(store.client.request(method.parse().unwrap(), format!("{base}{path}"))).unwrap()
}

fn recorded() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zstats/http.json");
    let recorded: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    recorded["requests"].as_array().unwrap().clone()
}

fn full() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zstats/gap-01-full.bin")).unwrap()
}

/// Posts a scrape; gives the codes.
fn post(client: &reqwest::blocking::Client, base: &str) -> Vec<i8> {
    let request = client.post(format!("{base}/api/v1/zstats")).header("Zebrium-Token", "12345");
    let answer = try_send(request.header("Content-Type", "application/octet-stream").body(full())).unwrap();
    decode_response(&answer.expect_status(200).body).unwrap().codes
}

#[test]
fn an_address_of_its_own_answers_as_recorded() {
    let port = free_port();
    let store = Store::start(config().set("/zstats/addr", format!("127.0.0.1:{port}")));
    let own = format!("http://127.0.0.1:{port}");
    for request in recorded() {
        let answer = asked(&store, &own, &request);
        assert_eq!(answer.status, request["status"].as_u64().unwrap() as u16, "{request}");
        assert_eq!(answer.text(), request["body"].as_str().unwrap(), "{request}");
        assert_eq!(answer.header("content-type"), request["content_type"].as_str().unwrap(), "{request}");
        assert_eq!(answer.header("location"), request["location"].as_str().unwrap_or_default(), "{request}");
        let path = request["path"].as_str().unwrap();
        if path.ends_with("/api/v1/zstats") || path.ends_with("?x=1") {
            // The same at the main address, where other paths have other ends.
            let base = store.url("");
            let main = asked(&store, &base, &request);
            assert_eq!((main.status, main.text()), (answer.status, answer.text()), "{request}");
            assert_eq!(main.header("location"), answer.header("location"), "{request}");
        }
    }
    assert_eq!((post(&store.client, &own), post(&store.client, &store.url(""))), (vec![0], vec![0]));
    for path in ["/metrics", "/-/healthy", "/api/v1/query?query=1", "/api/write"] {
        assert_eq!(try_send(store.client.get(format!("{own}{path}"))).unwrap().status, 404, "{path}");
    }
}

/// Its certificates are its own, and senders need no token of the main address.
#[test]
fn certificates_and_tokens_are_its_own() {
    let (mains, owns) = (Authority::new("mains"), Authority::new("owns"));
    let (plain_port, port) = (free_port(), free_port());
    let mut store = Store::prepare(config());
    let (certificate, key) = mains.issue("store").write(store.dir.path(), "store");
    let (own_certificate, own_key) = owns.issue("zstats").write(store.dir.path(), "zstats");
    let signer = Signer::new(7);
    let both = config()
        .set("/zstats/addr", format!("127.0.0.1:{port}"))
        .set_path("/zstats/https-cert-file", &own_certificate)
        .set_path("/zstats/https-key-file", &own_key)
        .set(setting::PUBLIC_KEY, signer.public_key())
        .set_path(setting::HTTPS_CERT, &certificate)
        .set_path(setting::HTTPS_KEY, &key);
    store.set_config(both.clone());
    let mut store = store.with_https(mains.client(None));
    store.resume();
    assert_eq!(store.get("/api/v1/query?query=1").status, 401);
    assert_eq!(post(&store.client, &store.url("")), [0]);
    let own = format!("https://localhost:{port}");
    assert_eq!(post(&owns.client(None), &own), [0]);
    assert!(mains.client(None).get(&own).send().is_err(), "that is another certificate");
    // Plain beside HTTPS, for senders that have no certificates; the log says what that means.
    let plain = both
        .set("/zstats/addr", format!("127.0.0.1:{plain_port}"))
        .set("/zstats/https-cert-file", json!(""))
        .set("/zstats/https-key-file", json!(""));
    store.stop(How::Term);
    store.set_config(plain);
    store.resume();
    assert_eq!(post(&client(), &format!("http://127.0.0.1:{plain_port}")), [0]);
}
