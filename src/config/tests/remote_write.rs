//! The section `remote-write`.

use super::*;

fn remote_write(section: Value) -> Value {
    config(json!({ "remote-write": section }))
}

fn own_warnings(config: &Config) -> Vec<&str> {
    config.warnings.iter().map(String::as_str).filter(|warning| warning.starts_with("/remote-write")).collect()
}

#[test]
fn a_whole_section_is_understood() {
    let loaded = loaded(&remote_write(json!({
        "protocols": ["remote-write"], "cluster-label": "dc", "default-cluster": "main", "host-labels": ["nodename"],
        "default-host": "rest", "cut-domain": true, "reject-non-finite": true,
        "relabel-configs": [
            { "source_labels": ["a", "b"], "separator": "/", "regex": "(.*)/x", "target_label": "c", "replacement": "$1" },
            { "action": "LabelDrop", "regex": "tmp_.*" },
            { "action": "hashmod", "source_labels": ["a"], "modulus": 4, "target_label": "shard" }
        ],
        "mappings": [
            { "match": "x{gpu=\"1\"}", "metric": "m", "type": "accelerator", "type-id": "$gpu", "scale": 0.5 },
            { "match": "{__name__=~\"y_(?P<z>.+)\"}", "metric": "$z", "stype": "disk", "stype-id": "$d", "keep": true }
        ],
        "otlp": { "translation-strategy": "NoTranslation", "promote-resource-attributes": ["host.name"] },
        "limits": { "samples-per-body": 5, "body": "2MiB" }
    })));
    let options = &loaded.remote_write;
    assert!(options.protocols.remote_write && !options.protocols.remote_read && !options.protocols.otlp);
    assert_eq!(
        (options.placing.cluster_label.as_str(), options.placing.host_labels.as_slice()),
        ("dc", &["nodename".to_owned()][..])
    );
    assert_eq!((options.placing.default_cluster.as_str(), options.placing.default_host.as_str()), ("main", "rest"));
    assert!(options.placing.cut_domain && options.reject_non_finite);
    assert_eq!((options.relabel.len(), options.mappings.len()), (3, 2));
    assert_eq!((options.limits.samples_max, options.limits.body_bytes_max), (5, 2 << 20));
    assert_eq!(options.otlp.resource_attributes, ["host.name"]);
    assert_eq!(own_warnings(&loaded), [""; 0]);
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (section, expected) in [
        (
            json!({ "relabel-configs": [{ "action": "rename" }] }),
            "/remote-write/relabel-configs/0/action: unknown relabel action \"rename\"",
        ),
        (
            json!({ "relabel-configs": [{ "action": "keep" }, { "source_labels": ["a"] }] }),
            "/remote-write/relabel-configs/1: relabel configuration for replace action requires 'target_label' value",
        ),
        (
            json!({ "relabel-configs": [{ "action": "keep", "regex": "(" }] }),
            "/remote-write/relabel-configs/0: error parsing regexp: missing closing ): `(`",
        ),
        (
            json!({ "relabel-configs": [{ "source-labels": ["a"] }] }),
            "/remote-write/relabel-configs/0/source-labels: unknown key, did you mean \"source_labels\"?",
        ),
        (json!({ "mappings": [{}] }), "/remote-write/mappings/0/match: missing, expected a string"),
        (
            json!({ "mappings": [{ "match": "{a=~\".*\"}" }] }),
            "/remote-write/mappings/0: match must contain at least one non-empty matcher",
        ),
        (
            json!({ "mappings": [{ "match": "x", "scale": 0 }] }),
            "/remote-write/mappings/0: scale 0 is no finite number other than zero",
        ),
        (
            json!({ "default-host": "a/b" }),
            "/remote-write/default-host: found \"a/b\", expected a name of 1 to 255 bytes without \"..\", \"/\" and \"\\\"",
        ),
        (
            json!({ "protocols": ["remote_write"] }),
            "/remote-write/protocols/0: found \"remote_write\", expected \"remote-write\", \"remote-read\", \"import\" or \
             \"otlp\"",
        ),
        (json!({ "limits": { "body": 0 } }), "/remote-write/limits/body: found 0, expected 1 byte to 4 GiB"),
    ] {
        let problems = problems(&remote_write(section));
        assert_eq!(problems, [format!("config.json#{expected}")]);
    }
    let problem = problems(&config(json!({ "remote_write": {} })));
    assert_eq!(problem, ["config.json#/remote_write: unknown section, did you mean \"remote-write\"?"]);
}

/// Where queries look back for a minute, `target_info` came every two and a half, and was gone in between.
#[test]
fn target_info_comes_as_often_as_queries_look_back() {
    let loaded = loaded(&config(json!({ "prometheus": { "lookback-delta": "1m" } })));
    assert_eq!(loaded.remote_write.otlp.lookback_delta_ms, 60_000);
}

#[test]
fn what_has_no_effect_is_told() {
    let section = json!({ "mappings": [{ "match": "x", "metric": "typo", "type": "node" }] });
    let loaded = loaded(&remote_write(section));
    let warnings = own_warnings(&loaded);
    assert_eq!(warnings, ["/remote-write/mappings/0/metric: \"typo\" is not in /metrics: the mapping takes no series"]);
}

#[test]
fn a_reload_takes_the_section_over() {
    let (old, new) = (loaded(&remote_write(json!({}))), loaded(&remote_write(json!({ "cut-domain": true }))));
    assert_eq!(restart_needed(&old, &new), Vec::<String>::new());
}
