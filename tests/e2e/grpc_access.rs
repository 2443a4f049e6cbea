//! gRPC: certificates, tokens and roles are those of HTTP.

use serde_json::{Value, json};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use treering::server::proto::{QueryRangeRequest, QueryRequest, WriteRequest};

use crate::harness::{Authority, Config, Grpc, Issued, Signer, Store, T0, eventually, free_port, grid, setting};

/// The codes of pushing, asking, asking for a range, and health.
fn codes(grpc: &Grpc) -> [Code; 4] {
    let push = WriteRequest { grid: vec![grid("mem_used", "a1", T0, &[1.0])], ..WriteRequest::default() };
    let query = QueryRequest { query: "mem_used".into(), time_ms: Some(1000 * T0), ..QueryRequest::default() };
    let range = QueryRangeRequest {
        query: "mem_used".into(),
        start_ms: 1000 * T0,
        end_ms: 1000 * T0,
        step_ms: 1000,
        ..QueryRangeRequest::default()
    };
    let health = grpc.request(HealthCheckRequest::default());
    let health = grpc.block_on(HealthClient::new(grpc.channel.clone()).check(health));
    [grpc.push(vec![push]).map(drop), grpc.query(query).map(drop), grpc.query_range(range).map(drop), health.map(drop)]
        .map(|outcome| outcome.map_or_else(|status| status.code(), |()| Code::Ok))
}

const OPEN: [Code; 4] = [Code::Ok; 4];

/// Whether there is no connection: the client's words for that depend on when it ended.
fn is_lost(grpc: &Grpc) -> bool {
    codes(grpc).iter().all(|code| matches!(code, Code::Unavailable | Code::Unknown))
}

#[test]
fn tokens_open_what_their_roles_do() {
    let signer = Signer::new(7);
    let config = |protected: bool| {
        Config::new("native")
            .set(setting::PUBLIC_KEY, signer.public_key())
            .set(setting::ROLES, json!({"write": ["writer"], "read": ["reader"]}))
            .set(setting::PROTECT_METRICS, protected)
    };
    for protected in [false, true] {
        let port = free_port();
        let store = Store::prepare(config(protected));
        let mut store = store;
        store.set_config(config(protected).set(setting::GRPC_ADDR, format!("127.0.0.1:{port}")));
        store.spawn();
        let with = |claims: &Value| Grpc::plain(port).with_token(signer.token(claims));
        let both = with(&json!({"roles": ["reader", "writer"]}));
        eventually("it serves", || (codes(&both) == OPEN).then_some(()));
        let health = if protected { Code::Unauthenticated } else { Code::Ok };
        let [refused, forbidden] = [Code::Unauthenticated, Code::PermissionDenied];
        assert_eq!(codes(&Grpc::plain(port)), [refused, refused, refused, health]);
        assert_eq!(codes(&Grpc::plain(port).with_token("x.y.z".into())), [refused, refused, refused, health]);
        assert_eq!(codes(&with(&json!({"roles": ["reader"]}))), [forbidden, Code::Ok, Code::Ok, Code::Ok]);
        assert_eq!(codes(&with(&json!({"roles": ["writer"]}))), [Code::Ok, forbidden, forbidden, Code::Ok]);
        let expired = codes(&with(&json!({"roles": ["reader", "writer"], "exp": T0})));
        assert_eq!(expired, [refused, refused, refused, health]);
        let error = Grpc::plain(port).query(QueryRequest::default()).unwrap_err();
        assert_eq!(error.message(), "Use JWT Authentication");
        assert!(error.metadata().get("www-authenticate").is_none());
    }
}

/// A store that serves both ports with a certificate and asks for those of clients.
fn secured(mode: &str, servers: &Authority, clients: &Authority, shown: &Issued, certificates: Value) -> (Store, u16) {
    let port = free_port();
    let mut store = Store::prepare(Config::new("native"));
    let (certificate, key) = servers.issue("store").write(store.dir.path(), "store");
    let mut config = Config::new("native")
        .set(setting::GRPC_ADDR, format!("127.0.0.1:{port}"))
        .set_path(setting::HTTPS_CERT, &certificate)
        .set_path(setting::HTTPS_KEY, &key);
    if mode != "off" {
        let authority = clients.write(store.dir.path());
        config = config.set_path(setting::CLIENT_CA, &authority).set(setting::CLIENT_CERTS, mode);
    }
    if certificates != json!({}) {
        config = config.set(setting::CERTIFICATES, certificates).set(setting::ROLES, json!({"write": ["writer"]}));
    }
    store.set_config(config);
    let mut store = store.with_https(servers.client(Some(shown)));
    store.resume();
    (store, port)
}

#[test]
fn certificates_are_those_of_https() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let known = clients.issue("known");
    let stranger = Authority::new("others").issue("known");
    let (mut store, port) = secured("off", &servers, &clients, &known, json!({}));
    assert_eq!(codes(&Grpc::secured(port, &servers, None)), OPEN);
    assert!(is_lost(&Grpc::secured(port, &clients, None)), "another authority's");
    assert!(is_lost(&Grpc::plain(port)));
    // A reload serves new connections with the new certificate.
    let renewed = Authority::new("renewed");
    renewed.issue("store").write(store.dir.path(), "store");
    store.signal("HUP");
    eventually("the new certificate", || (codes(&Grpc::secured(port, &renewed, None)) == OPEN).then_some(()));
    store.check_alive();
    for mode in ["optional", "required"] {
        let (_store, port) = secured(mode, &servers, &clients, &known, json!({}));
        assert_eq!(codes(&Grpc::secured(port, &servers, Some(&known))), OPEN, "{mode}");
        let anonymous = Grpc::secured(port, &servers, None);
        assert!(if mode == "required" { is_lost(&anonymous) } else { codes(&anonymous) == OPEN }, "{mode}");
        assert!(is_lost(&Grpc::secured(port, &servers, Some(&stranger))), "{mode}");
    }
}

#[test]
fn names_in_certificates_have_roles() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (writer, reader, nobody) = (clients.issue("writer"), clients.issue("reader"), clients.issue("nobody"));
    let roles = json!({"writer": ["writer"], "reader": []});
    let (_store, port) = secured("optional", &servers, &clients, &writer, roles);
    assert_eq!(codes(&Grpc::secured(port, &servers, Some(&writer))), OPEN);
    let [refused, forbidden] = [Code::Unauthenticated, Code::PermissionDenied];
    assert_eq!(codes(&Grpc::secured(port, &servers, Some(&reader))), [forbidden, Code::Ok, Code::Ok, Code::Ok]);
    for other in [Some(&nobody), None] {
        assert_eq!(codes(&Grpc::secured(port, &servers, other)), [refused, refused, refused, Code::Ok]);
    }
}
