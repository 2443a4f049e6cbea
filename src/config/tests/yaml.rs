//! Configs in YAML: the same settings, and the same problems with their lines.

use super::*;

#[test]
fn the_yaml_example_means_the_same_as_the_json_one() {
    let [yaml, json] = ["yaml", "json"].map(|extension| {
        let config = load(&repository(&format!("configs/config.{extension}")), &Environment::empty()).unwrap();
        (format!("{config:?}"), config.effective.0)
    });
    assert_eq!(yaml, json);
}

/// The same mistakes get the same words, and the line beside.
#[test]
fn problems_in_yaml_have_their_lines() {
    let sandbox = Sandbox::new("");
    let metrics = sandbox.path("metrics.yml").display().to_string();
    let text = format!(
        "# mistakes\nmain:\n  adr: x\n  compression: gzip\n  auth: {{ roles: {{ rea: [a] }} }}\n\
         metric-store:\n  cleanup:\n    mode: archive\n  nats-subscriptions:\n  - cluster-tag: x\n\
         metrics-file: {metrics}\ncron: 1\n"
    );
    sandbox.write("config.yaml", &text);
    sandbox.write("metrics.yml", "a: &broken\n  frequency: 0\nb: *broken\n");
    let errors = load(&sandbox.path("config.yaml"), &Environment::empty()).unwrap_err().to_string();
    let errors = errors.replace(&format!("{}/", sandbox.folder.path().display()), "");
    let mut errors: Vec<&str> = errors.lines().collect();
    errors.sort_unstable();
    let store = "config.yaml:7#/metric-store/cleanup/directory: missing, expected a folder, as ";
    assert_eq!(
        errors,
        [
            r#"config.yaml:10#/metric-store/nats-subscriptions/0/subscribe-to: missing, expected a string"#,
            r#"config.yaml:3#/main/adr: unknown key, did you mean "addr"?"#,
            r#"config.yaml:4#/main/compression: found "gzip", expected "auto", "on" or "off""#,
            r#"config.yaml:5#/main/auth/roles/rea: unknown key, did you mean "read"?"#,
            &format!(r#"{store}/metric-store/cleanup/mode is "archive""#),
            r#"metrics.yml:2#/a/frequency: found 0, expected at least 1"#,
            r#"metrics.yml:3#/b/frequency: found 0, expected at least 1"#,
        ]
    );
}

#[test]
fn yaml_is_told_by_the_name_or_by_the_text() {
    let yaml = "main: {addr: '127.0.0.1:1'}\nmetrics: {m: {frequency: 60}}\nmetric-store:\n";
    let json = config(json!({ "main": { "addr": "127.0.0.1:1" } })).to_string();
    let sandbox = Sandbox::new("");
    for name in ["a.json", "a.yaml", "a.YML", "a", "a.conf"] {
        for (text, store_is_there) in [(yaml, false), (json.as_str(), true)] {
            sandbox.write(name, text);
            match load(&sandbox.path(name), &Environment::empty()) {
                Ok(config) => assert!(store_is_there && config.metrics().len() == 1, "{name}: {text}"),
                // A section without content is none, in both.
                Err(errors) => {
                    assert!(
                        !store_is_there && errors.to_string().ends_with("/metric-store: missing, expected an object")
                    );
                }
            }
        }
    }
    for (name, text, expected) in [
        ("b.yaml", "main: [", "b.yaml: no valid YAML: "),
        ("b.json", "main: [", "b.json: no JSON, which begins with {, and no valid YAML: "),
        ("b.json", "{main: 1}", "b.json: no valid JSON: "),
        ("b.json", "", "b.json: no valid JSON: "),
        ("b.yaml", "", "b.yaml:1: found no object, expected an object with sections"),
    ] {
        sandbox.write(name, text);
        let errors = load(&sandbox.path(name), &Environment::empty()).unwrap_err().to_string();
        assert!(errors.contains(expected), "{errors}");
    }
}
