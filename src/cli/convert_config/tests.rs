//! Tests of the conversion: what is printed is loaded again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::converted;
use crate::config::{self, Config, Environment};

/// A config as it is written for the original.
const ORIGINAL: &str = r#"# The stats server.
{
    "stats.enabled" : 1,    # runs
    "stats.https_enabled" : 0,
    "stats.http_port" : 9905,
    "stats.stingest_host" : "localhost",
    "stats.stingest_port" : 5300,
    "stats.stingest_timeout": 360,
    "stats.keep_tmp_files" : 0,
    "stats.reqs_max" : 16,
    "stats.reqs_dir" : "/tmp/stats/reqs",
    # "stats.reqs_dir" : "/elsewhere",
    "stats.serializer_qd" : 10,
    "zvcacher.drop_after_secs_lw" : 600,
    "zvcacher.drop_after_secs_hw" : 120,
    "zvcacher.cache_entries_high_wmark" : 50000,
    "zvcacher.cache_entries_low_wmark" : 10000,
    "zvcacher.cache_bkts" : 10000,
    "bridger.notify_stingest" : 0,
    "bridger.stingests_qd" : 512
}
"#;

/// The same with other lines.
fn original(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(ORIGINAL.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

/// What our loader makes of what is printed, and the remarks.
fn loaded(text: &str, pem_file: Option<&Path>) -> (Config, Vec<String>) {
    let converted = converted(text, pem_file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("zstats.json"), &converted.text).unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(example).unwrap()).unwrap();
    config["zstats-file"] = path("zstats.json").to_str().unwrap().into();
    fs::write(path("config.json"), config.to_string()).unwrap();
    let config = config::load(&path("config.json"), &Environment::empty()).unwrap();
    (config, converted.remarks)
}

fn problems(text: &str) -> Vec<String> {
    converted(text, None).unwrap_err()
}

#[test]
fn the_example_is_converted() {
    let (config, remarks) = loaded(ORIGINAL, None);
    let zstats = config.zstats.unwrap();
    assert_eq!(zstats.addr.as_deref(), Some(":9905"));
    assert!(zstats.https.is_none() && zstats.notify.is_none());
    let tokens: Vec<_> = zstats.tokens.iter().map(|(token, account)| (&**token, &*account.account)).collect();
    assert_eq!(tokens, [("*", "Zebrium")]);
    assert_eq!((zstats.requests_max, zstats.state_limits.instances_max), (16, 50_000));
    assert_eq!(zstats.state_limits.idle_ms, 600_000);
    assert_eq!(zstats.spool.unwrap().directory, Path::new("/tmp/stats/reqs"));
    // Whatever is not said is told.
    for key in ["tokens", "reqs_dir", "serializer_qd", "drop_after_secs_hw", "cache_entries_low_wmark"] {
        assert!(remarks.iter().any(|remark| remark.contains(key)), "{key} in {remarks:#?}");
    }
    assert_eq!(remarks.len(), 4, "{remarks:#?}");
}

#[test]
fn everything_has_its_place() {
    let text = original(&[
        ("https_enabled\" : 0", "https_enabled\" : 1"),
        ("9905", "19905"),
        ("notify_stingest\" : 0", "notify_stingest\" : 2"),
        ("localhost", "::1"),
        ("5300", "5301.7"),
        ("360", "90"),
        (": 512", ": 20000"),
        ("reqs_max\" : 16", "reqs_max\" : 5000"),
        ("50000", "70000"),
        ("lw\" : 600", "lw\" : 900"),
        ("\"stats.enabled\" : 1", "\"stats.extra\" : 7, \"stats.enabled\" : 1"),
    ]);
    let pem_file = Path::new("/etc/ssl/both.pem");
    let (config, remarks) = loaded(&text, Some(pem_file));
    let zstats = config.zstats.unwrap();
    let https = zstats.https.unwrap();
    assert_eq!((https.cert_file.as_path(), https.key_file.as_path()), (pem_file, pem_file));
    let notify = zstats.notify.unwrap();
    assert_eq!((notify.address.as_str(), notify.timeout), ("[::1]:5301", Duration::from_secs(90)));
    assert_eq!((notify.calls_max, zstats.requests_max), (10_000, 256));
    assert_eq!((zstats.state_limits.instances_max, zstats.state_limits.idle_ms), (70_000, 900_000));
    for key in ["stats.extra", "stats.reqs_max", "bridger.stingests_qd", "bridger.notify_stingest"] {
        assert!(remarks.iter().any(|remark| remark.starts_with(key)), "{key} in {remarks:#?}");
    }
}

#[test]
fn a_server_that_is_off_stays_off() {
    let (config, remarks) = loaded(&original(&[("\"stats.enabled\" : 1", "\"stats.enabled\" : 0")]), None);
    assert!(config.zstats.is_none());
    assert!(remarks.iter().any(|remark| remark.contains("off")), "{remarks:#?}");
}

#[test]
fn all_that_is_wrong_is_told() {
    let text = original(&[
        ("9905", "\"9905\""),
        ("\"/tmp/stats/reqs\"", "5"),
        ("\"zvcacher.cache_bkts\" : 10000,", ""),
        (": 512", ": null"),
    ]);
    let found = problems(&text);
    assert_eq!(
        found,
        [
            "stats.http_port: found \"9905\", expected a number",
            "stats.reqs_dir: found 5, expected a text",
            "bridger.stingests_qd: found null, expected a number",
            "zvcacher.cache_bkts: found nothing, expected a number",
        ]
    );
    let text = original(&[
        ("9905", "99050"),
        ("\"/tmp/stats/reqs\"", "\"\""),
        ("lw\" : 600", "lw\" : 0"),
        ("reqs_max\" : 16", "reqs_max\" : -1"),
        ("notify_stingest\" : 0", "notify_stingest\" : 1"),
        ("localhost", ""),
        ("5300", "0"),
        ("https_enabled\" : 0", "https_enabled\" : 1"),
    ]);
    let found = problems(&text);
    let keys: Vec<&str> = found.iter().map(|problem| problem.split(':').next().unwrap()).collect();
    assert_eq!(
        keys,
        [
            "stats.http_port",
            "variable PEMFILE",
            "zvcacher.drop_after_secs_lw",
            "stats.reqs_max",
            "stats.reqs_dir",
            "stats.stingest_host",
            "stats.stingest_port",
        ],
        "{found:#?}"
    );
    // A comment begins inside of texts, too, as in the original; the line is the file's.
    let found = problems(&original(&[("\"localhost\"", "\"local#host\"")]));
    assert!(found.len() == 1 && found[0].contains("line 6"), "{found:?}");
    assert!(converted(&original(&[("localhost", "a\\\"b\\\\")]), None).is_ok());
    for text in ["", "[]", "# nothing\n", "{", "{\"stats.enabled\": 1e999}"] {
        assert!(problems(text)[0].contains("no JSON object"), "{text}");
    }
}
