//! Who may do what: tokens, roles, the user the process becomes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use serde_json::{Value, json};

use crate::harness::{Answer, Config, Line, Signer, Store, T0, eventually, now_secs, setting};

fn with_token(store: &Store, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let request = store.request(method, path).header("authorization", format!("Bearer {token}"));
    store.send(request.body(body.to_owned()))
}

/// What the four kinds of requests get with a token: write, read, free, debug.
fn statuses(store: &Store, token: &str) -> [u16; 4] {
    let line = Line::new("mem_used", "a1", 1.0, T0).to_string();
    let question = json!({"cluster": "alex", "from": T0, "to": T0 + 60, "queries": []}).to_string();
    [
        with_token(store, "POST", "/api/write", token, &line).status,
        with_token(store, "GET", "/api/query", token, &question).status,
        with_token(store, "POST", &format!("/api/free?to={T0}"), token, "[]").status,
        with_token(store, "GET", "/api/debug", token, "").status,
    ]
}

#[test]
fn tokens_are_checked() {
    let signer = Signer::new(1);
    let store = Store::start(Config::new("native").set(setting::PUBLIC_KEY, signer.public_key()));
    let now = now_secs();
    let good = signer.token(&json!({"sub": "admin", "exp": now + 3600, "nbf": now - 10, "roles": ["x"]}));
    assert_eq!(statuses(&store, &good), [200; 4]);
    assert_eq!(statuses(&store, &signer.token(&json!({}))), [200; 4], "a token without claims is for ever");
    let none = json!({"alg": "none"});
    let bad: [(&str, String); 7] = [
        ("expired", signer.token(&json!({"exp": now - 1}))),
        ("not yet", signer.token(&json!({"nbf": now + 600}))),
        ("another key", Signer::new(2).token(&json!({}))),
        ("no algorithm", signer.token_with_header(&none, &json!({}))),
        ("another algorithm", signer.token_with_header(&json!({"alg": "HS256", "typ": "JWT"}), &json!({}))),
        ("cut", good[..good.len() - 4].to_owned()),
        ("nonsense", "x.y".to_owned()),
    ];
    for (what, token) in bad {
        assert_eq!(statuses(&store, &token), [401; 4], "{what}");
    }
    let answer = store.get("/api/debug").expect_status(401);
    assert_eq!(answer.text().trim_end(), "Use JWT Authentication");
    store.send(store.request("GET", "/api/debug").header("authorization", "Basic eDp5")).expect_status(401);
}

/// Checked tokens are remembered, but not beyond their end.
#[test]
fn a_known_token_expires_all_the_same() {
    let signer = Signer::new(1);
    let store = Store::start(Config::new("native").set(setting::PUBLIC_KEY, signer.public_key()));
    let token = signer.token(&json!({"exp": now_secs() + 3}));
    assert_eq!(with_token(&store, "GET", "/api/debug", &token, "").status, 200);
    eventually("it expires", || (with_token(&store, "GET", "/api/debug", &token, "").status == 401).then_some(()));
}

#[test]
fn roles_separate_collectors_from_readers() {
    let signer = Signer::new(1);
    let roles = json!({"read": ["reader", "admin"], "write": ["collector"], "free": ["admin"], "debug": ["admin"]});
    let store =
        Store::start(Config::new("native").set(setting::PUBLIC_KEY, signer.public_key()).set(setting::ROLES, roles));
    let ask = |roles: Value| statuses(&store, &signer.token(&json!({"sub": "x", "roles": roles})));
    assert_eq!(ask(json!(["collector"])), [200, 403, 403, 403]);
    assert_eq!(ask(json!(["reader"])), [403, 200, 403, 403]);
    assert_eq!(ask(json!(["admin"])), [403, 200, 200, 200]);
    assert_eq!(ask(json!(["collector", "admin"])), [200; 4]);
    assert_eq!(ask(json!([])), [403; 4]);
    assert_eq!(ask(json!("collector admin reader")), [403; 4]);
    assert_eq!(statuses(&store, &signer.token(&json!({}))), [403; 4]);
}

#[test]
fn metrics_can_be_protected() {
    let signer = Signer::new(1);
    let config = Config::new("native").set(setting::PUBLIC_KEY, signer.public_key());
    let mut store = Store::prepare(config.set(setting::PROTECT_METRICS, true));
    store.spawn();
    eventually("it listens", || {
        store.check_alive();
        crate::harness::try_send(store.client.get(store.url("/metrics"))).ok()
    });
    store.get("/metrics").expect_status(401);
    let answer = with_token(&store, "GET", "/metrics", &signer.token(&json!({})), "");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Started as root for a port below 1024, it runs as somebody who may do little else.
#[test]
fn privileges_are_dropped() {
    // uid 65534 is `nobody` on Debian and everywhere else.
    let nobody = fs::read_to_string("/etc/passwd").unwrap().lines().any(|line| line.starts_with("nobody:x:65534:"));
    let root = fs::metadata("/proc/self").unwrap();
    if !nobody || std::os::unix::fs::MetadataExt::uid(&root) != 0 {
        println!("not root, or no user nobody: there are no privileges to drop");
        return;
    }
    let mut store = Store::prepare(Config::new("wal").set(setting::USER, "nobody"));
    fs::set_permissions(store.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for path in ["", "var", "var/checkpoints", "var/archive"] {
        chown(store.path(path), Some(65534), None).unwrap();
    }
    store.resume();
    let status = fs::read_to_string(format!("/proc/{}/status", store.pid())).unwrap();
    let uids = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    assert!(uids.split_whitespace().skip(1).all(|uid| uid == "65534"), "{uids}");
    // Every thread, not only the first.
    for task in fs::read_dir(format!("/proc/{}/task", store.pid())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
    }
    store.write([Line::new("mem_used", "a1", 7.0, T0)]);
    store.restart(crate::harness::How::Term);
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 60), [7.0]);
}
