//! The programs in `examples/` do what they show, against a store with certificates and tokens.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::json;

use crate::harness::{Authority, Config, Signer, Store, free_port, programs, setting};

/// The program of an example: a run of all tests builds them, one of this target alone does not.
fn program(name: &str) -> Option<PathBuf> {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent()?.parent()?.join("examples").join(name);
    path.is_file().then_some(path)
}

#[test]
fn examples_push_and_query_with_tls_and_a_token() {
    let (Some(push), Some(query)) = (program("push_metrics"), program("query_metrics")) else {
        let reason = "no examples: `cargo build --examples` builds them";
        return programs::skipped("examples_push_and_query_with_tls_and_a_token", reason);
    };
    let (servers, clients, signer) = (Authority::new("servers"), Authority::new("clients"), Signer::new(5));
    let mut store = Store::prepare(Config::new("native"));
    let folder = store.dir.path().to_owned();
    let (certificate, key) = servers.issue("store").write(&folder, "store");
    let client = clients.issue("example");
    let (client_certificate, client_key) = client.write(&folder, "client");
    let client_authority = folder.join("clients.pem");
    std::fs::write(&client_authority, clients.pem()).unwrap();
    let authority = servers.write(&folder);
    let grpc = free_port();
    let config = Config::new("native")
        .set(setting::GRPC_ADDR, format!("127.0.0.1:{grpc}"))
        .set_path(setting::HTTPS_CERT, &certificate)
        .set_path(setting::HTTPS_KEY, &key)
        .set_path(setting::CLIENT_CA, &client_authority)
        .set(setting::CLIENT_CERTS, "required")
        .set(setting::PUBLIC_KEY, signer.public_key())
        .set(setting::ROLES, json!({"write": ["writer"], "read": ["reader"]}));
    store.set_config(config);
    let mut store = store.with_https(servers.client(Some(&client)));
    store.resume();
    let run = |program: &PathBuf, role: &str, shown: bool, more: &[&str]| -> Output {
        let mut command = Command::new(program);
        command.args(["--grpc", &format!("https://127.0.0.1:{grpc}")]);
        command.args(["--http", &format!("https://127.0.0.1:{}", store.port)]);
        command.arg("--ca").arg(&authority);
        if shown {
            command.arg("--cert").arg(&client_certificate).arg("--key").arg(&client_key);
        }
        command.args(["--token", &signer.token(&json!({"roles": [role]}))]).args(more).output().unwrap()
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let output = run(&push, "writer", true, &[]);
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}{errors}");
    for number in 0..3 {
        let line = format!("gRPC: request {number} is in the log: 2 stored, 0 left out, 0 refused");
        assert!(told.contains(&line), "{told}");
    }
    assert!(told.contains("remote write: 204"), "{told}");
    let output = run(&query, "reader", true, &["cpu_load"]);
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}{errors}");
    let labels = "{__name__=\"cpu_load\", cluster=\"demo\", hostname=\"node01\", type=\"node\"}";
    assert!(told.contains(&format!("gRPC, now: {labels} has 1 points, the last is 0.5")), "{told}");
    assert!(told.contains(&format!("gRPC, last hour: {labels} has ")), "{told}");
    assert!(told.contains("HTTP, now: 200 OK {\"status\":\"success\""), "{told}");
    let output = run(&query, "reader", true, &["http_requests_total"]);
    assert!(text(&output.stdout).contains("instance=\"node01:9100\""), "{}", text(&output.stdout));
    // Another role, and no certificate: refused, and the example says so.
    let output = run(&push, "reader", true, &[]);
    assert!(!output.status.success() && text(&output.stderr).contains("PermissionDenied"), "{}", text(&output.stderr));
    let output = run(&query, "reader", false, &["cpu_load"]);
    assert!(!output.status.success() && !output.stderr.is_empty(), "{}", text(&output.stdout));
}
