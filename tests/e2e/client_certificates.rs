//! Client certificates: who gets in, what their names open, and what SIGHUP changes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, SanType, date_time_ymd};
use serde_json::json;

use crate::harness::{Authority, Config, Issued, Line, Signer, Store, T0, binary, eventually, setting, try_send};

/// A store of a server's authority that asks for certificates of these authorities; its own client shows `shown`.
fn prepare(mode: &str, servers: &Authority, clients: &[&Authority], shown: &Issued, config: Config) -> Store {
    let mut store = Store::prepare(config.clone());
    let (certificate, key) = servers.issue("store").write(store.dir.path(), "store");
    let config = config
        .set_path(setting::HTTPS_CERT, &certificate)
        .set_path(setting::HTTPS_KEY, &key)
        .set_path(setting::CLIENT_CA, &write_authorities(&store, clients))
        .set(setting::CLIENT_CERTS, mode);
    store.set_config(config);
    store.with_https(servers.client(Some(shown)))
}

fn write_authorities(store: &Store, clients: &[&Authority]) -> std::path::PathBuf {
    let path = store.path("clients.pem");
    fs::write(&path, clients.iter().map(|authority| authority.pem()).collect::<String>()).unwrap();
    path
}

/// A certificate with a common name and a serial number, changed.
fn client(authority: &Authority, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
    authority.issue_with(|params| {
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(7u64.into());
        change(params);
    })
}

/// Whether a client that shows this gets an answer.
fn gets_in(store: &Store, servers: &Authority, shown: Option<&Issued>) -> bool {
    match try_send(servers.client(shown).get(store.url("/-/healthy"))) {
        Ok(answer) => answer.status == 200,
        Err(_) => false,
    }
}

#[test]
fn only_certificates_of_known_authorities_get_in() {
    let (servers, first, second) = (Authority::new("servers"), Authority::new("first"), Authority::new("second"));
    let good = client(&first, "good", |_| {});
    let config = |store: &Store| {
        // The second authority has revoked number 7; the first has published no list at all.
        fs::write(store.path("revoked.pem"), second.revoke(&[6, 7])).unwrap();
        store.config().clone().set(setting::CLIENT_CRL, "revoked.pem")
    };
    let strange = client(&Authority::new("strangers"), "good", |_| {});
    let expired = client(&first, "good", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let early = client(&first, "good", |params| params.not_before = date_time_ymd(2100, 1, 1));
    let other_use = client(&first, "good", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    });
    let revoked = client(&second, "good", |_| {});
    let not_revoked = client(&second, "good", |params| params.serial_number = Some(8u64.into()));
    for mode in ["required", "optional"] {
        let mut store = prepare(mode, &servers, &[&first, &second], &good, Config::new("native"));
        store.set_config(config(&store));
        store.resume();
        for (what, shown, expected) in [
            ("the first authority's", Some(&good), true),
            ("the second authority's", Some(&not_revoked), true),
            ("none", None, mode == "optional"),
            ("a stranger's", Some(&strange), false),
            ("one that has expired", Some(&expired), false),
            ("one of the future", Some(&early), false),
            ("one that was revoked", Some(&revoked), false),
            ("one that signs code", Some(&other_use), false),
        ] {
            let refused = || store.metrics().sum("treering_refused_total", "reason=\"client_certificate\"");
            let before = refused();
            assert_eq!(gets_in(&store, &servers, shown), expected, "{mode}: {what}");
            if !expected {
                eventually("the refusal is counted", || (refused() > before).then_some(()));
            }
        }
        let log = store.log();
        assert!(log.contains("client certificates, the last from 127.0.0.1:"), "{log}");
        let failed = || store.metrics().sum("treering_refused_total", "reason=\"handshake_failed\"");
        assert_eq!(failed(), 0.0);
        let plain = try_send(crate::harness::client().get(format!("http://127.0.0.1:{}/-/healthy", store.port)));
        assert!(plain.is_err(), "{plain:?}");
        eventually("plain HTTP is counted", || (failed() >= 1.0).then_some(()));
    }
}

/// What the four kinds of requests get: write, read, free, debug.
fn statuses(store: &Store, client: &reqwest::blocking::Client, token: Option<&str>) -> [u16; 4] {
    let line = Line::new("mem_used", "a1", 1.0, T0).to_string();
    let question = json!({"cluster": "alex", "from": T0, "to": T0 + 60, "queries": []}).to_string();
    let free = format!("/api/free?to={T0}");
    [
        ("POST", "/api/write", line.as_str()),
        ("POST", "/api/query", question.as_str()),
        ("POST", free.as_str(), "[]"),
        ("GET", "/api/debug", ""),
    ]
    .map(|(method, path, body)| {
        let mut request = client.request(method.parse().unwrap(), store.url(path)).body(body.to_owned());
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        try_send(request).unwrap().status
    })
}

#[test]
fn names_in_certificates_have_roles() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let uri = "spiffe://example.org/admin";
    let collector = client(&clients, "collector", |_| {});
    let reader = clients.issue_with(|params| {
        params.subject_alt_names = vec![SanType::DnsName("Dash.Example.org".try_into().unwrap())];
    });
    let admin = client(&clients, "somebody", |params| {
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    });
    let unnamed = client(&clients, "unnamed", |_| {});
    let signer = Signer::new(1);
    let config = Config::new("native")
        .set(setting::ROLES, json!({"read": ["r", "a"], "write": ["w"], "free": ["a"], "debug": ["a"]}))
        .set(setting::CERTIFICATES, json!({"collector": ["w"], "dash.example.org": ["r"], uri: ["a"]}));
    let with_tokens = config.clone().set(setting::PUBLIC_KEY, signer.public_key());
    for (mode, config, has_tokens) in
        [("required", with_tokens.clone(), true), ("optional", with_tokens, true), ("optional", config, false)]
    {
        let mut store = prepare(mode, &servers, &[&clients], &collector, config);
        store.resume();
        for (shown, expected) in [
            (&collector, [200, 403, 403, 403]),
            (&reader, [403, 200, 403, 403]),
            (&admin, [403, 200, 200, 200]),
            // The certificate alone opens nothing.
            (&unnamed, [401; 4]),
        ] {
            let client = servers.client(Some(shown));
            assert_eq!(statuses(&store, &client, None), expected, "{mode}");
            let token = signer.token(&json!({"roles": ["w"]}));
            // A token that is shown decides alone; where there are none, it counts for nothing.
            let with_token = if has_tokens { [200, 403, 403, 403] } else { expected };
            assert_eq!(statuses(&store, &client, Some(&token)), with_token, "{mode}");
            let bad = if has_tokens { [401; 4] } else { expected };
            assert_eq!(statuses(&store, &client, Some("x.y.z")), bad, "{mode}");
            assert_eq!(try_send(client.get(store.url("/metrics"))).unwrap().status, 200);
        }
        if mode == "optional" {
            assert_eq!(statuses(&store, &servers.client(None), None), [401; 4]);
        }
    }
}

/// An authority is replaced, a certificate is revoked: neither may cost a restart.
#[test]
fn sighup_reloads_authorities_and_revocations() {
    let (servers, old, new) = (Authority::new("servers"), Authority::new("old"), Authority::new("new"));
    let (of_old, of_new) = (client(&old, "a", |_| {}), client(&new, "b", |_| {}));
    let mut store = prepare("required", &servers, &[&old], &of_old, Config::new("native"));
    fs::write(store.path("revoked.pem"), old.revoke(&[])).unwrap();
    store.set_config(store.config().clone().set(setting::CLIENT_CRL, "revoked.pem"));
    store.resume();
    assert!(!gets_in(&store, &servers, Some(&of_new)));
    // A broken list changes nothing.
    write_authorities(&store, &[&old, &new]);
    fs::write(store.path("revoked.pem"), "nonsense").unwrap();
    store.signal("HUP");
    eventually("the log tells", || store.log().contains("revocation lists \"revoked.pem\"").then_some(()));
    assert!(gets_in(&store, &servers, Some(&of_old)) && !gets_in(&store, &servers, Some(&of_new)));
    fs::write(store.path("revoked.pem"), old.revoke(&[7])).unwrap();
    store.signal("HUP");
    eventually("the new authority counts", || gets_in(&store, &servers, Some(&of_new)).then_some(()));
    assert!(!gets_in(&store, &servers, Some(&of_old)), "it was revoked");
    store.check_alive();
}

#[test]
fn files_that_cannot_be_used_are_told_at_start() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let shown = client(&clients, "a", |_| {});
    for (file, content, word) in [
        ("clients.pem", "nonsense", "client root certificates"),
        ("clients.pem", "", "client root certificates"),
        ("revoked.pem", "", "revocation lists"),
        ("revoked.pem", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "revocation lists"),
    ] {
        let mut store = prepare("required", &servers, &[&clients], &shown, Config::new("native"));
        fs::write(store.path("revoked.pem"), clients.revoke(&[])).unwrap();
        store.set_config(store.config().clone().set(setting::CLIENT_CRL, "revoked.pem"));
        fs::write(store.path(file), content).unwrap();
        let output = store.run_to_end();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(word) && text.contains(file), "{file}: {text}");
    }
}

fn import(folder: &Path, url: &str, more: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["import", "--url", url, "lines.lp"]).args(more).current_dir(folder);
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn commands_show_certificates() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let collector = client(&clients, "collector", |_| {});
    let roles = json!({"collector": []});
    let config = Config::new("native").set(setting::CERTIFICATES, roles);
    let mut store = prepare("required", &servers, &[&clients], &collector, config);
    store.resume();
    let folder = store.dir.path();
    servers.write(folder);
    collector.write(folder, "collector");
    fs::write(folder.join("lines.lp"), format!("{}\n", Line::new("mem_used", "a1", 7.0, T0))).unwrap();
    let url = format!("https://127.0.0.1:{}", store.port);
    let shown = ["--client-cert", "collector.pem", "--client-key", "collector-key.pem"];
    let output = import(folder, &url, &[&["--server-ca", "authority.pem"], &shown[..]].concat());
    assert!(output.status.success(), "{output:?}");
    let question = store.send(
        store.request("POST", "/api/query").body(
            json!({"cluster": "alex", "from": T0, "to": T0 + 60, "queries": [{"metric": "mem_used", "host": "a1"}]})
                .to_string(),
        ),
    );
    assert!(question.expect_status(200).text().contains("7.0"));
    for (more, word) in [
        (
            &["--server-ca", "authority.pem", "--client-cert", "none.pem", "--client-key", "collector-key.pem"][..],
            "none.pem",
        ),
        (&["--client-cert", "collector.pem"], "--client-key"),
    ] {
        let output = import(folder, &url, more);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(word), "{text}");
    }
    // Without a server there is nobody to show it to.
    let output = Command::new(binary()).args(["import", "lines.lp"]).args(shown).current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("--url"), "{text}");
}
