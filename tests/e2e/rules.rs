//! Rules of a running store: evaluated, stored, shown, told to an Alertmanager, read again at SIGHUP.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{Config, How, Line, Store, binary, eventually, now_secs, setting};

/// An Alertmanager that keeps what it is told.
pub(super) struct Alertmanager {
    pub(super) url: String,
    /// The alerts of all requests, checked as the real one checks them.
    told: Arc<Mutex<Vec<Value>>>,
}

impl Alertmanager {
    fn start() -> Alertmanager {
        Alertmanager::serve("http", take)
    }

    /// Hands each connection to `take`, which answers the alerts that come on it.
    pub(super) fn serve(scheme: &str, take: impl Fn(TcpStream) -> Vec<Value> + Send + 'static) -> Alertmanager {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let told: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let alerts = take(stream);
                kept.lock().unwrap().extend(alerts);
            }
        });
        Alertmanager { url, told }
    }

    pub(super) fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }
}

/// The alerts of one request, which is answered.
pub(super) fn take(stream: impl Read + Write) -> Vec<Value> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return Vec::new();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_lowercase());
    }
    assert_eq!(head[0], "post /api/v2/alerts http/1.1", "{head:?}");
    assert!(head.contains(&"authorization: basic dXNlcjpzM2NyZXQ=".to_lowercase()), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let Value::Array(alerts) = serde_json::from_slice(&body).unwrap() else { panic!("no list of alerts") };
    alerts
}

/// A config with rules of one file, evaluated each second.
pub(super) fn config(rules: &str) -> Config {
    Config::new("native").set("/rules/files", json!([rules])).set("/rules/evaluation-interval", "1s")
}

pub(super) fn data(store: &Store, path: &str) -> Value {
    let mut answer = store.get(&format!("/api/v1/{path}")).expect_status(200).json();
    assert_eq!(answer["status"], "success", "{answer}");
    answer["data"].take()
}

const RULES: &str = "groups:
- name: cluster
  rules:
  - record: fast
    expr: cpu_load * 2
  - record: cluster:cpu_load:max
    expr: max by (cluster) (cpu_load)
    labels: {source: rules}
- name: alerts
  labels: {team: hpc}
  rules:
  - alert: HighLoad
    expr: cpu_load > 3
    for: 1s
    labels: {severity: '{{ if gt $value 4.0 }}page{{ else }}ticket{{ end }}'}
    annotations:
      summary: '{{ $labels.hostname }} of {{ $externalLabels.site }} has {{ $value | humanize }}'
  - alert: Broken
    expr: cpu_load + on (cluster) group_left fast
";

#[test]
fn rules_are_evaluated_stored_shown_and_told() {
    let alertmanager = Alertmanager::start();
    let config = config("rules/*.yml")
        .set("/rules/external-labels/site", "erlangen")
        .set("/rules/alertmanagers", json!([{"url": alertmanager.url, "username": "user", "password": "s3cret"}]));
    let mut store = Store::prepare(config.set("/rules/external-url", "http://store.example"));
    fs::create_dir(store.path("rules")).unwrap();
    fs::write(store.path("rules/a.yml"), RULES).unwrap();
    store.resume();
    store.write([Line::new("cpu_load", "a1", 5.0, now_secs()), Line::new("cpu_load", "a2", 1.0, now_secs())]);
    let alerts = eventually("the alert fires", || {
        let alerts = data(&store, "alerts")["alerts"].take();
        (alerts[0]["state"] == "firing").then_some(alerts)
    });
    assert_eq!(alerts.as_array().unwrap().len(), 1, "{alerts}");
    let labels = json!({
        "alertname": "HighLoad", "cluster": "alex", "hostname": "a1", "severity": "page", "team": "hpc", "type": "node"
    });
    assert_eq!(alerts[0]["labels"], labels);
    assert_eq!(alerts[0]["annotations"], json!({"summary": "a1 of erlangen has 5"}));
    assert_eq!(alerts[0]["value"], "5e+00");
    let told = eventually("the Alertmanager is told", || {
        let told = alertmanager.told();
        (!told.is_empty()).then_some(told)
    });
    assert_eq!(told[0]["labels"]["site"], "erlangen", "{told:?}");
    assert_eq!(told[0]["labels"]["severity"], "page");
    assert_eq!(told[0]["annotations"], alerts[0]["annotations"]);
    assert_eq!(told[0]["generatorURL"], "http://store.example/graph?g0.expr=cpu_load+%3E+3&g0.tab=1");
    assert!(told[0]["startsAt"].as_str().unwrap() < told[0]["endsAt"].as_str().unwrap(), "{told:?}");
    // What is a configured metric in the tree's own words goes to the grid.
    let value = eventually("the result is stored", || {
        let mut result = data(&store, "query?query=fast%7Bhostname%3D%22a1%22%7D")["result"].take();
        (!result[0].is_null()).then(|| result[0].take())
    });
    let metric = json!({"__name__": "fast", "cluster": "alex", "hostname": "a1", "type": "node"});
    assert_eq!((&value["metric"], &value["value"][1]), (&metric, &json!("10")));
    rules_are_shown(&store);
    // Alerts are shown before their series are stored, and told before the answer to that is counted.
    let metrics = eventually("what was stored and sent is counted", || {
        let metrics = store.metrics();
        let stored = metrics.sum("treering_samples_total", "source=\"rules\"");
        let sent = metrics.sum("treering_notifications_sent_total", "alertmanager");
        (stored > 3.0 && sent >= 1.0).then_some(metrics)
    });
    assert!(metrics.sum("treering_rule_evaluation_failures_total", "rules/a.yml;alerts") >= 1.0);
    assert_eq!(metrics.sum("treering_rule_group_rules", "rules/a.yml;cluster"), 2.0);
    // The condition ends, and the Alertmanager learns of it.
    store.write([Line::new("cpu_load", "a1", 2.0, now_secs() + 1)]);
    eventually("the end is told", || {
        let now = store.get("/api/v1/alerts").json();
        let ended = alertmanager.told().pop().filter(|last| last["endsAt"] != told[0]["endsAt"]);
        (now["data"]["alerts"] == json!([]) && ended.is_some()).then_some(())
    });
    store.restart(How::Term);
    eventually("rules go on after a restart", || {
        let groups = data(&store, "rules")["groups"].take();
        (groups[1]["rules"][0]["health"] == "ok").then_some(())
    });
}

fn rules_are_shown(store: &Store) {
    let groups = eventually("the rule that makes no sense tells its error", || {
        let groups = data(store, "rules")["groups"].take();
        (groups[0]["rules"][1]["health"] == "err").then_some(groups)
    });
    assert_eq!((&groups[0]["name"], &groups[1]["name"]), (&json!("alerts"), &json!("cluster")));
    assert_eq!((&groups[0]["file"], &groups[0]["interval"]), (&json!("rules/a.yml"), &json!(1.0)));
    let alert = &groups[0]["rules"][0];
    for (key, value) in [
        ("name", json!("HighLoad")),
        ("query", json!("cpu_load > 3")),
        ("type", json!("alerting")),
        ("state", json!("firing")),
        ("health", json!("ok")),
        ("duration", json!(1.0)),
        ("keepFiringFor", json!(0.0)),
    ] {
        assert_eq!(alert[key], value, "{key} of {alert}");
    }
    assert_eq!(alert["alerts"][0]["labels"]["hostname"], "a1");
    assert!(alert["lastEvaluation"].as_str().unwrap().starts_with("20") && alert["evaluationTime"].is_f64(), "{alert}");
    let broken = &groups[0]["rules"][1];
    assert_eq!((&broken["health"], broken["lastError"].as_str().is_some()), (&json!("err"), true), "{broken}");
    let record = &groups[1]["rules"][1];
    assert_eq!((&record["type"], &record["labels"]), (&json!("recording"), &json!({"source": "rules"})));
    assert!(record["state"].is_null() && record["alerts"].is_null(), "{record}");
    let names = |query: &str| -> Vec<String> {
        let groups = data(store, &format!("rules?{query}"))["groups"].take();
        let rules = groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
        rules.map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("type=record"), ["fast", "cluster:cpu_load:max"]);
    assert_eq!(names("type=alert&rule_name[]=Broken&rule_name[]=fast"), ["Broken"]);
    assert_eq!(names("rule_group[]=cluster"), ["fast", "cluster:cpu_load:max"]);
    assert_eq!(names("file[]=other.yml"), [""; 0]);
    assert_eq!(names("match[]=%7Bsource%3D%22rules%22%7D"), ["cluster:cpu_load:max"]);
    let hidden = data(store, "rules?exclude_alerts=true&type=alert")["groups"][0]["rules"][0].take();
    assert!(hidden["alerts"].is_null() && hidden["state"] == "firing", "{hidden}");
    let first = data(store, "rules?group_limit=1");
    assert_eq!((first["groups"].as_array().unwrap().len(), &first["groups"][0]["name"]), (1, &json!("alerts")));
    let second =
        data(store, &format!("rules?group_limit=1&group_next_token={}", first["groupNextToken"].as_str().unwrap()));
    assert_eq!((&second["groups"][0]["name"], &second["groupNextToken"]), (&json!("cluster"), &Value::Null));
    for (query, expected) in [
        ("type=x", "invalid parameter \"type\": not supported value \"x\""),
        ("group_limit=0", "invalid parameter \"group_limit\": group_limit needs to be greater than 0"),
        ("group_limit=1&group_next_token=x", "invalid group_next_token 'x'. were rule groups changed?"),
        ("group_next_token=x", "group_limit needs to be present in order to paginate over the groups"),
        ("exclude_alerts=x", "error converting exclude_alerts"),
        ("match[]=%7B%7D", "match[] must contain at least one non-empty matcher"),
    ] {
        let answer = store.get(&format!("/api/v1/rules?{query}")).expect_status(400).json();
        assert!(answer["error"].as_str().unwrap().contains(expected), "{answer}");
    }
    let managers = data(store, "alertmanagers");
    assert!(managers["activeAlertmanagers"][0]["url"].as_str().unwrap().ends_with("/api/v2/alerts"), "{managers}");
}

#[test]
fn sighup_reads_rules_again_and_a_bad_file_changes_nothing() {
    let mut store = Store::prepare(config("rules.yml"));
    let rule = |name: &str| format!("groups:\n- name: g\n  rules:\n  - {{record: {name}, expr: vector(1)}}\n");
    fs::write(store.path("rules.yml"), rule("a")).unwrap();
    store.resume();
    let name = |store: &Store| data(store, "rules")["groups"][0]["rules"][0]["name"].take();
    assert_eq!(name(&store), "a");
    fs::write(store.path("rules.yml"), rule("b")).unwrap();
    store.signal("HUP");
    eventually("the new rule is there", || (name(&store) == "b").then_some(()));
    fs::write(store.path("rules.yml"), "groups:\n- name: g\n  rules:\n  - {record: c, expr: sum(}\n").unwrap();
    store.signal("HUP");
    eventually("the log names the mistake", || {
        let log = store.log();
        let expected = "rules.yml: 4:23: group \"g\", rule 1, \"c\": could not parse expression: 1:5: parse error";
        (log.contains("the rules stay as they are") && log.contains(expected)).then_some(())
    });
    assert_eq!(name(&store), "b");
    let without = store.config().clone().set("/rules/files", json!([]));
    let without = without.set("/main/addr", format!("127.0.0.1:{}", store.port));
    fs::write(store.path("config.json"), without.json().to_string()).unwrap();
    store.signal("HUP");
    eventually("no rule is left", || (data(&store, "rules")["groups"] == json!([])).then_some(()));
}

#[test]
fn a_start_with_a_bad_rule_file_is_refused() {
    let mut store = Store::prepare(config("rules.yml"));
    fs::write(store.path("rules.yml"), "groups:\n- name: g\n  rule: []\n").unwrap();
    let output = store.run_to_end();
    assert!(!output.status.success());
    let log = format!("{}{}", String::from_utf8_lossy(&output.stderr), store.log());
    assert!(log.contains("rules.yml: 3:3: field rule not found in type rulefmt.RuleGroup"), "{log}");
    let missing = Store::prepare(config("gone.yml")).run_to_end();
    assert!(!missing.status.success(), "a file that is named must be there");
}

/// In the reference's forms of files nothing but the grid has room.
#[test]
fn without_the_native_form_results_go_to_the_grid_only() {
    let mut store = Store::prepare(config("rules.yml").set(setting::FORMAT, "wal"));
    fs::write(store.path("rules.yml"), RULES).unwrap();
    store.resume();
    store.write([Line::new("cpu_load", "a1", 5.0, now_secs())]);
    eventually("the grid has its result", || {
        let result = data(&store, "query?query=fast")["result"].take();
        (result[0]["value"][1] == "10").then_some(())
    });
    let error = eventually("the other rule tells its error", || {
        let rule = data(&store, "rules?rule_name[]=cluster:cpu_load:max")["groups"][0]["rules"][0].take();
        rule["lastError"].as_str().map(str::to_owned)
    });
    assert!(error.contains("native"), "{error}");
}

#[test]
fn rule_files_are_checked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("good.yml", RULES);
    write("bad.yml", "groups:\n- name: g\n  rules:\n  - {alert: a, expr: 1, labels: {x: '{{ foo }}'}}\n");
    let check = |files: &[&str]| {
        let output = Command::new(binary()).arg("check-rules").args(files).current_dir(&folder).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, stdout, stderr) = check(&["good.yml"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("Checking good.yml\n  SUCCESS: 4 rules found"), "{stdout}");
    let (code, stdout, stderr) = check(&["*.yml"]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("SUCCESS: 4 rules found"), "{stdout}");
    assert!(
        stderr.contains("bad.yml: 4:37: group \"g\", rule 1, \"a\": label \"x\": template: __alert_a:1: "),
        "{stderr}"
    );
    assert_eq!(check(&["none*.yml"]).0, Some(1));
}
