//! The recorded cases: requests and answers of cc-metric-store 1.5.4, played against our binary in each form.
//!
//! A case (`tests/conformance/NAME.json`) has a `config`, `files` that lie in the directory before the start, `nats`
//! when it needs a NATS server, and `steps`: `write`, `ask`, `http`, `publish`, `restart`, `wait`, each with the
//! `status` and the `json` or `text` that is expected. `{{now}}`, `{{now-60}}` stand for the time of play, a string
//! `"@12"` for the number 12. JSON is compared by value, with `any-order` without the order of arrays.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::harness::{Answer, Config, How, NatsServer, Publisher, Store, now_secs, setting};

macro_rules! cases {
    ($($name:ident $file:literal)*) => {
        cases!(@form native $($name $file)*);
        cases!(@form wal $($name $file)*);
        cases!(@form json $($name $file)*);

        #[test]
        fn every_case_is_played() {
            let mut there: Vec<String> = fs::read_dir(cases_folder())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            there.sort();
            let mut named = vec![$(concat!($file, ".json")),*];
            named.sort_unstable();
            assert_eq!(there, named);
        }
    };
    (@form $form:ident $($name:ident $file:literal)*) => {
        mod $form {
            $(
                #[test]
                fn $name() {
                    super::play($file, stringify!($form));
                }
            )*
        }
    };
}

cases! {
    bad_input "bad-input"
    free "free"
    gaps "gaps"
    health "health"
    nats "nats"
    numbers "numbers"
    query_scopes "query-scopes"
    reads_bin_and_wal_checkpoints "reads-bin-and-wal-checkpoints"
    reads_bin_checkpoints "reads-bin-checkpoints"
    reads_json_checkpoints "reads-json-checkpoints"
    reads_phases "reads-phases"
    resolution "resolution"
    restart_kill "restart-kill"
    restart_term "restart-term"
    tokens "tokens"
    write_forms "write-forms"
}

fn cases_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance"))
}

/// Plays one case, and panics with all steps that went wrong.
fn play(name: &str, format: &str) {
    let text = fs::read(cases_folder().join(format!("{name}.json"))).unwrap();
    let case: Value = serde_json::from_slice(&text).unwrap();
    let mut config = Config::recorded(case["config"].clone()).set(setting::FORMAT, format);
    let server = case["nats"].as_bool().unwrap_or_default().then(NatsServer::start);
    let publisher = server.as_ref().map(NatsServer::publisher);
    if let Some(server) = &server {
        config = config.nats(&server.address());
    }
    let mut store = Store::prepare(config);
    for (path, content) in case["files"].as_object().into_iter().flatten() {
        let path = store.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = match content {
            Value::String(text) => text.clone().into_bytes(),
            other => STANDARD.decode(other["base64"].as_str().unwrap()).unwrap(),
        };
        fs::write(path, bytes).unwrap();
    }
    store.resume();
    if let Some(server) = &server {
        for subscription in case["config"]["metric-store"]["nats-subscriptions"].as_array().unwrap() {
            server.await_subscription(subscription["subscribe-to"].as_str().unwrap());
        }
    }
    let mut wrong = Vec::new();
    let mut published = false;
    for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        published |= step.get("publish").is_some();
        let why = run(&mut store, publisher.as_ref(), step, published);
        if let Some(why) = why {
            wrong.push(format!("step {number} ({}): {why}", step["say"].as_str().unwrap_or("no title")));
        }
    }
    assert!(wrong.is_empty(), "{name} in form {format}:\n{}", wrong.join("\n"));
}

/// Runs one step and says what is wrong with its answer. What was published arrives in its own time: then a wrong
/// answer counts only when it stays wrong.
fn run(store: &mut Store, publisher: Option<&Publisher>, step: &Value, patiently: bool) -> Option<String> {
    if let Some(lines) = step["publish"].as_str() {
        publisher.unwrap().publish(step["subject"].as_str().unwrap(), &with_times(lines));
        return None;
    }
    match step["restart"].as_str() {
        Some("term") => store.restart(How::Term),
        Some("kill") => store.restart(How::Kill),
        Some(other) => panic!("unknown restart {other}"),
        None => {}
    }
    // The recorded store writes its log behind the answer, ours before it: only that one needs the pauses.
    if let Some(seconds) = step["wait"].as_f64()
        && std::env::var_os("TREERING_BINARY").is_some()
    {
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }
    if step.get("restart").is_some() || step.get("wait").is_some() {
        return None;
    }
    let deadline = Instant::now() + Duration::from_secs(if patiently { 15 } else { 0 });
    loop {
        let why = difference(step, &request(store, step));
        if why.is_none() || Instant::now() >= deadline {
            return why;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn request(store: &Store, step: &Value) -> Answer {
    let (method, path, body) = if let Some(lines) = step["write"].as_str() {
        let path = format!("/api/write{}", step["query"].as_str().unwrap_or_default());
        ("POST".to_owned(), path, with_times(lines))
    } else if let Some(question) = step.get("ask") {
        let method = step["method"].as_str().unwrap_or("GET").to_owned();
        let path = step["path"].as_str().unwrap_or("/api/query").to_owned();
        (method, path, with_numbers(&with_times(&question.to_string())))
    } else {
        let line = with_times(step["http"].as_str().unwrap_or_else(|| panic!("unknown step {step}")));
        let (method, path) = line.split_once(' ').unwrap();
        (method.to_owned(), path.to_owned(), with_times(step["body"].as_str().unwrap_or_default()))
    };
    let mut request = store.request(&method, &path).body(body);
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap());
    }
    store.send(request)
}

fn difference(step: &Value, answer: &Answer) -> Option<String> {
    let text = answer.text();
    let start: String = text.chars().take(600).collect();
    if u64::from(answer.status) != step["status"].as_u64().unwrap() {
        return Some(format!("status {}, expected {}: {start}", answer.status, step["status"]));
    }
    if step["status-only"].as_bool().unwrap_or_default() {
        return None;
    }
    if let Some(expected) = step.get("json") {
        let Ok(got) = serde_json::from_str::<Value>(&text) else { return Some(format!("no JSON: {start}")) };
        let any_order = step["any-order"].as_bool().unwrap_or_default();
        if canonical(&got, any_order) != canonical(expected, any_order) {
            return Some(first_difference("", &got, expected).unwrap_or_else(|| format!("in some order: {start}")));
        }
    } else if let Some(expected) = step["text"].as_str()
        && text != expected
    {
        return Some(format!("text {start:?}, expected {expected:?}"));
    }
    None
}

/// Numbers become floats, and in any order arrays are sorted.
fn canonical(value: &Value, any_order: bool) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), canonical(value, any_order))).collect(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|value| canonical(value, any_order)).collect();
            if any_order {
                items.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        Value::Number(number) => number.as_f64().unwrap().into(),
        other => other.clone(),
    }
}

/// Where two values differ first, for people.
fn first_difference(at: &str, got: &Value, expected: &Value) -> Option<String> {
    match (got, expected) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(key, value)| first_difference(&format!("{at}/{key}"), value, &b[key]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| first_difference(&format!("{at}/{i}"), a, b))
        }
        _ if canonical(got, false) == canonical(expected, false) => None,
        _ => {
            let short = |value: &Value| value.to_string().chars().take(600).collect::<String>();
            Some(format!("at {at:?}:\n  got      {}\n  expected {}", short(got), short(expected)))
        }
    }
}

/// `{{now}}`, `{{now+60}}`, `{{now-60}}` become seconds.
fn with_times(text: &str) -> String {
    let mut parts = text.split("{{now");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (offset, rest) = part.split_once("}}").unwrap_or_else(|| panic!("{{{{now without an end: {part:?}"));
        let offset: i64 = if offset.is_empty() { 0 } else { offset.parse().unwrap() };
        out.push_str(&(now_secs() + offset).to_string());
        out.push_str(rest);
    }
    out
}

/// `"@12"` becomes `12`.
fn with_numbers(text: &str) -> String {
    let mut parts = text.split("\"@");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('"') {
            Some((number, rest)) if number.parse::<i64>().is_ok() => {
                out.push_str(number);
                out.push_str(rest);
            }
            _ => {
                out.push_str("\"@");
                out.push_str(part);
            }
        }
    }
    out
}

#[test]
fn placeholders_are_replaced() {
    let now = now_secs();
    let text = with_times("a {{now-60}} b {{now}}");
    let seconds: Vec<i64> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!((now - 60..=now - 50).contains(&seconds[0]) && (now..=now + 10).contains(&seconds[1]), "{text}");
    assert_eq!(with_numbers(r#"{"a":"@12","b":"@x","c":"@-3"}"#), r#"{"a":12,"b":"@x","c":-3}"#);
}

#[test]
fn a_difference_is_seen() {
    let step = serde_json::json!({"status": 200, "json": {"a": [1, 2.5]}});
    let answer = |status, body: &str| Answer { status, headers: Default::default(), body: body.as_bytes().to_vec() };
    assert_eq!(difference(&step, &answer(200, r#"{"a":[1.0,2.5]}"#)), None);
    for (status, body) in [(400, r#"{"a":[1.0,2.5]}"#), (200, r#"{"a":[2.5,1]}"#), (200, "{}"), (200, "no")] {
        assert!(difference(&step, &answer(status, body)).is_some(), "{body}");
    }
    let any_order = serde_json::json!({"status": 200, "any-order": true, "json": {"a": [1, 2.5]}});
    assert_eq!(difference(&any_order, &answer(200, r#"{"a":[2.5,1]}"#)), None);
}
