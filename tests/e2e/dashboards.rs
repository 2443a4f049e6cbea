//! The files of `configs/prometheus`: Prometheus takes its configuration, and each expression of each dashboard has an
//! answer over what the demo's cluster sends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Config, Store, binary, eventually, form, now_secs, programs};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/prometheus")
}

/// File names and contents of the dashboards.
fn dashboards() -> Vec<(String, Value)> {
    let mut found: Vec<(String, Value)> = fs::read_dir(folder().join("grafana/dashboards"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let board = serde_json::from_slice(&fs::read(entry.path()).unwrap());
            (name.clone(), board.unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(found.len() >= 3, "{} dashboards", found.len());
    found
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value[key].as_array().unwrap_or_else(|| panic!("no list {key} in {value}")).iter()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

/// The variables that a text uses, `$name` and `${name}`.
fn used(text: &str) -> BTreeSet<String> {
    let names = text.split('$').skip(1).map(|rest| {
        let rest = rest.trim_start_matches('{');
        rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
    });
    names.filter(|name: &String| !name.starts_with("__")).collect()
}

#[test]
fn dashboards_hold_together() {
    let mut uids = BTreeSet::new();
    for (file, board) in dashboards() {
        assert!(uids.insert(text(&board, "uid").to_owned()), "{file}: its uid is another's");
        assert!(text(&board, "uid").len() <= 40 && !text(&board, "title").is_empty(), "{file}");
        assert!(board["id"].is_null(), "{file}: an id belongs to one Grafana alone");
        let mut defined = BTreeSet::new();
        for variable in list(&board["templating"], "list") {
            let known = used(&variable["query"].to_string());
            assert!(known.is_subset(&defined), "{file}: {} needs what stands behind it", variable["name"]);
            let is_source = text(variable, "type") == "datasource";
            assert!(is_source || text(&variable["datasource"], "uid") == "${datasource}", "{file}: {variable}");
            assert!(defined.insert(text(variable, "name").to_owned()), "{file}: twice {}", variable["name"]);
        }
        let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
        let mut asked = BTreeSet::new();
        for panel in list(&board, "panels") {
            let title = text(panel, "title");
            assert!(ids.insert(panel["id"].as_i64().unwrap()), "{file}: {title}: its id is another's");
            let place = |key: &str| panel["gridPos"][key].as_i64().unwrap();
            assert!(place("x") + place("w") <= 24, "{file}: {title} does not fit");
            for (x, y) in (place("x")..place("x") + place("w")).flat_map(|x| (0..place("h")).map(move |y| (x, y))) {
                assert!(places.insert((x, place("y") + y)), "{file}: {title} lies on another panel");
            }
            if text(panel, "type") == "row" {
                continue;
            }
            assert_eq!(text(&panel["datasource"], "uid"), "${datasource}", "{file}: {title}");
            assert!(panel["fieldConfig"]["defaults"].is_object(), "{file}: {title}");
            let mut references = BTreeSet::new();
            for target in list(panel, "targets") {
                assert_eq!(text(&target["datasource"], "uid"), "${datasource}", "{file}: {title}");
                assert!(references.insert(text(target, "refId")), "{file}: {title}: two queries of one name");
                asked.extend(used(text(target, "expr")));
                assert!(used(text(target, "expr")).is_subset(&defined), "{file}: {title} uses what is not defined");
            }
            assert!(!references.is_empty(), "{file}: {title} asks nothing");
        }
        asked.insert("datasource".to_owned());
        assert_eq!(asked, defined, "{file}: variables that nobody uses");
    }
}

/// A simulated cluster that feeds a store. Dropped, it is killed.
struct Demo(Child);

impl Demo {
    fn feed(store: &Store) -> Demo {
        let mut command = Command::new(binary());
        command.args(["demo", "--hosts", "3", "--backfill", "10m", "--url", &store.url("")]);
        command.arg("--config").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/config.json"));
        Demo(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn data(store: &Store, path: &str, parameters: &[(&str, &str)]) -> Value {
    let answer = store.get(&format!("/api/v1/{path}?{}", form(parameters)));
    assert_eq!(answer.status, 200, "{parameters:?}: {}", answer.text());
    let mut answer = answer.json();
    assert!(answer["warnings"].is_null(), "{parameters:?}: {answer}");
    answer["data"].take()
}

/// The values of a variable, asked as Grafana asks.
fn values(store: &Store, query: &str) -> Vec<String> {
    let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let inner = inner.unwrap_or_else(|| panic!("not asked for in this test: {query}"));
    let (selector, label) = inner.rsplit_once(", ").map_or((None, inner), |(selector, label)| (Some(selector), label));
    let asked: Vec<(&str, &str)> = selector.map(|selector| ("match[]", selector)).into_iter().collect();
    let found = data(store, &format!("label/{label}/values"), &asked);
    found.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_expression_has_an_answer() {
    let config = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/config.json")).unwrap();
    let store = Store::start(Config::recorded(serde_json::from_slice(&config).unwrap()));
    let _demo = Demo::feed(&store);
    // The last metric of the last host, until now.
    let begun = now_secs();
    eventually("the past is there", || {
        let asked = [("query", "count(last_over_time(acc_temp[30s]))")];
        let found = data(&store, "query", &asked);
        let full = [("query", "count(count_over_time(cpu_load[10m]) >= 59)"), ("time", &begun.to_string())];
        let past = data(&store, "query", &full);
        let is_there = found["result"][0]["value"][1] == "12" && past["result"][0]["value"][1] == "3";
        is_there.then_some(())
    });
    let (end, start) = (now_secs(), begun - 300);
    let (start, end) = (start.to_string(), end.to_string());
    let mut expressions = 0;
    for (file, board) in dashboards() {
        let mut variables = BTreeMap::from([
            ("__rate_interval".to_owned(), "40s".to_owned()),
            ("__interval".to_owned(), "10s".to_owned()),
            ("__range".to_owned(), "300s".to_owned()),
        ]);
        for variable in list(&board["templating"], "list").filter(|variable| text(variable, "type") == "query") {
            let found = values(&store, &filled(text(&variable["query"], "query"), &variables));
            assert!(!found.is_empty(), "{file}: {} has no values", variable["name"]);
            let chosen = match variable["multi"].as_bool() {
                // As Grafana joins several for `=~`.
                Some(true) => format!("({})", found.join("|")),
                _ => found[0].clone(),
            };
            variables.insert(text(variable, "name").to_owned(), chosen);
        }
        for panel in list(&board, "panels").filter(|panel| text(panel, "type") != "row") {
            for target in list(panel, "targets") {
                let expr = filled(text(target, "expr"), &variables);
                let range = [("query", expr.as_str()), ("start", &start), ("end", &end), ("step", "15")];
                let found = match target["instant"].as_bool() {
                    Some(true) => data(&store, "query", &[("query", &expr), ("time", &end)]),
                    _ => data(&store, "query_range", &range),
                };
                let series = found["result"].as_array().unwrap();
                assert!(!series.is_empty(), "{file}: {}: {expr}", panel["title"]);
                legend_fits(text(target, "legendFormat"), series);
                expressions += 1;
            }
        }
    }
    assert!(expressions > 60, "{expressions} expressions");
}

/// The text with variables replaced.
fn filled(text: &str, variables: &BTreeMap<String, String>) -> String {
    variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
}

/// Each label that a legend shows is one of each series.
#[track_caller]
fn legend_fits(legend: &str, series: &[Value]) {
    for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
        for one in series {
            assert!(one["metric"][label].is_string(), "{legend} of {}", one["metric"]);
        }
    }
}

#[test]
fn prometheus_takes_the_configuration() {
    let Some(promtool) = programs::find("promtool") else {
        return programs::skipped("prometheus_takes_the_configuration", "no promtool");
    };
    let output =
        Command::new(promtool).args(["check", "config"]).arg(folder().join("prometheus.yml")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("SUCCESS") && !told.to_lowercase().contains("warning"), "{told}");
}
