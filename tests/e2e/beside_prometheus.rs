//! A real Prometheus beside the store: it scrapes, hands every sample on, and both are killed meanwhile. Afterwards
//! each sample that it has is here too, and the two give the same answers.
//!
//! It is Debian's, version 2.42: ranges that are closed on the left, so that functions over them are asked at times at
//! which no sample lies on a range's edge.

use std::collections::BTreeMap;

use reqwest::blocking::RequestBuilder;
use serde_json::{Value, json};

use crate::harness::{
    Authority, Config, FORM, How, Prometheus, Signer, Store, Target, eventually, form, free_port, programs, setting,
    try_send,
};

#[test]
fn over_http_with_a_token() {
    let signer = Signer::new(1);
    let config = config().set(setting::PUBLIC_KEY, signer.public_key());
    let config = config.set(setting::ROLES, json!({"read": ["r"], "write": ["w"]}));
    let token = signer.token(&json!({"roles": ["r", "w"]}));
    let store = Store::start(config);
    let url = format!("http://127.0.0.1:{}", store.port);
    let access = format!("authorization: {{credentials: {token}}}");
    World { store, token: Some(token), url, access }.run("over_http_with_a_token");
}

#[test]
fn over_mutual_tls() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let shown = clients.issue("prometheus");
    let mut store = Store::prepare(Config::new("native"));
    let folder = store.dir.path().to_owned();
    let (certificate, key) = servers.issue("store").write(&folder, "store");
    let authority = folder.join("clients.pem");
    std::fs::write(&authority, clients.pem()).unwrap();
    let config = config()
        .set_path(setting::HTTPS_CERT, &certificate)
        .set_path(setting::HTTPS_KEY, &key)
        .set_path(setting::CLIENT_CA, &authority)
        .set(setting::CLIENT_CERTS, "required")
        .set(setting::ROLES, json!({"read": ["r"], "write": ["w"]}))
        .set(setting::CERTIFICATES, json!({"prometheus": ["r", "w"]}));
    store.set_config(config);
    let mut store = store.with_https(servers.client(Some(&shown)));
    store.resume();
    let (certificate, key) = shown.write(&folder, "prometheus");
    let access = format!(
        "tls_config: {{ca_file: {}, cert_file: {}, key_file: {}}}",
        servers.write(&folder).display(),
        certificate.display(),
        key.display()
    );
    let url = format!("https://127.0.0.1:{}", store.port);
    World { store, token: None, url, access }.run("over_mutual_tls");
}

/// Keeps all exemplars, as Prometheus does.
fn config() -> Config {
    Config::new("native").set("/metric-store/limits/exemplars-per-series", 1000)
}

/// A store, and how Prometheus gets in.
struct World {
    store: Store,
    token: Option<String>,
    url: String,
    /// A line of Prometheus's configuration.
    access: String,
}

/// What is scraped: everything has this job.
const JOB: &str = "{job=~\".+\"}";
const ALL_SAMPLES: &str = "{job=~\".+\"}[1h]";

impl World {
    fn run(mut self, test: &str) {
        let Some(mut prometheus) = Prometheus::prepare() else {
            return programs::skipped(test, "no prometheus: `make test` installs it where it can");
        };
        let ports = [free_port(), free_port()];
        let mut first = Target::start(ports[0], page);
        let mut second = Target::start(ports[1], page);
        let (scraping, idle) = (self.configuration(&ports), self.configuration(&[]));
        prometheus.configure(&scraping);
        prometheus.resume();
        first.await_scrapes(4);
        self.await_all(&prometheus);

        self.store.stop(How::Kill);
        first.await_scrapes(3);
        self.store.resume();
        self.await_all(&prometheus);

        // One target vanishes, the other starts anew, and its counters with it.
        first.stop();
        second.stop();
        let mut second = Target::start(ports[1], page);
        let gone = [("query", "world_gauge{instance=\"n1:9100\"}")];
        eventually("the target's series end", || is_empty(&ask(prometheus.request("POST", "/api/v1/query"), &gone)));
        self.await_all(&prometheus);
        eventually("they end here too", || is_empty(&self.ask("query", &gone)));
        let first = Target::start(ports[0], page);
        first.await_scrapes(2);

        // What it had not sent when it is killed, Prometheus does not send later.
        prometheus.configure(&idle);
        prometheus.reload();
        self.await_end(&prometheus);
        prometheus.kill();
        prometheus.configure(&scraping);
        prometheus.resume();
        first.await_scrapes(3);
        self.store.restart(How::Kill);
        first.await_scrapes(2);
        prometheus.configure(&idle);
        prometheus.reload();
        self.await_end(&prometheus);
        second.stop();

        let times_ms = self.compare_samples(&prometheus);
        self.compare_answers(&prometheus, &times_ms);
        self.compare_listings(&prometheus, &times_ms);
        self.compare_remote_read(&prometheus, &times_ms);
        // And once more from what is on disk.
        self.store.restart(How::Kill);
        self.compare_samples(&prometheus);
    }

    /// Prometheus's configuration: scrapes targets at these ports and the store itself; no ports: nothing.
    fn configuration(&self, ports: &[u16]) -> String {
        let World { store, url, access, .. } = self;
        let scheme = url.split(':').next().unwrap_or_default();
        let mut text = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             remote_write:\n\
             - url: {url}/api/v1/write\n  {access}\n  send_exemplars: true\n\
             \x20 metadata_config: {{send: true, send_interval: 1s}}\n\
             \x20 queue_config: {{batch_send_deadline: 200ms, min_backoff: 30ms, max_backoff: 300ms, max_shards: 4}}\n"
        );
        // A job that goes away leaves its series open; targets that go away end theirs.
        let none = "static_configs: []\n";
        let targets = |address: &str, instance: &str| {
            let labels = format!("{{cluster: fritz, instance: '{instance}'}}");
            format!("  - {{targets: ['{address}'], labels: {labels}}}\n")
        };
        text += "scrape_configs:\n- job_name: world\n  ";
        text += if ports.is_empty() { none } else { "static_configs:\n" };
        for (number, port) in (1..).zip(ports) {
            text += &targets(&format!("127.0.0.1:{port}"), &format!("n{number}:9100"));
        }
        let access = access.replace("authorization", "# authorization");
        text += &format!("- job_name: treering\n  scheme: {scheme}\n  {access}\n  ");
        text += if ports.is_empty() { none } else { "static_configs:\n" };
        if !ports.is_empty() {
            text += &targets(&format!("127.0.0.1:{}", store.port), "store:8082");
        }
        text
    }

    /// Asks the store.
    #[track_caller]
    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let mut request = self.store.request("POST", &format!("/api/v1/{path}"));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        ask(request, parameters)
    }

    /// The answers of Prometheus and of the store.
    #[track_caller]
    fn ask_both(&self, prometheus: &Prometheus, path: &str, parameters: &[(&str, &str)]) -> [Value; 2] {
        let theirs = ask(prometheus.request("POST", &format!("/api/v1/{path}")), parameters);
        [theirs, self.ask(path, parameters)]
    }

    /// Waits until every sample is here that Prometheus has at the moment of the call.
    fn await_all(&self, prometheus: &Prometheus) {
        let asked = [("query", ALL_SAMPLES)];
        let wanted = samples(&ask(prometheus.request("POST", "/api/v1/query"), &asked));
        assert!(wanted > 0);
        eventually("the store catches up", || (samples(&self.ask("query", &asked)) >= wanted).then_some(()));
    }

    /// Waits until Prometheus has ended all series, for it scrapes no longer, and the store has the ends too.
    fn await_end(&self, prometheus: &Prometheus) {
        let asked = [("query", JOB)];
        let path = "/api/v1/query";
        eventually("Prometheus ends its series", || is_empty(&ask(prometheus.request("POST", path), &asked)));
        self.await_all(prometheus);
        eventually("the store has the ends", || is_empty(&self.ask("query", &asked)));
    }

    /// Compares all samples to the bit, and gives their times, ascending.
    fn compare_samples(&self, prometheus: &Prometheus) -> Vec<i64> {
        let [theirs, ours] = self.ask_both(prometheus, "query", &[("query", ALL_SAMPLES)]);
        let (theirs, ours) = (by_labels(&theirs, "values"), by_labels(&ours, "values"));
        same("all samples", &theirs, &ours, is_same_text);
        let mut times_ms: Vec<i64> = theirs.values().flatten().map(|(time_ms, _)| *time_ms).collect();
        times_ms.sort_unstable();
        times_ms.dedup();
        assert!(theirs.len() > 100 && times_ms.len() > 20, "{} series, {} times", theirs.len(), times_ms.len());
        times_ms
    }

    fn compare_answers(&self, prometheus: &Prometheus, times_ms: &[i64]) {
        let (first, last) = (times_ms[0], times_ms[times_ms.len() - 1]);
        let offset_ms = quiet_millisecond(times_ms);
        let steps: Vec<i64> = (first / 1000..=last / 1000 + 3).map(|secs| secs * 1000 + offset_ms).collect();
        let exprs = EXACT.iter().map(|expr| (expr, true)).chain(CLOSE.iter().map(|expr| (expr, false)));
        let (start, end) = (seconds(steps[0]), seconds(steps[steps.len() - 1]));
        for (expr, is_exact) in exprs {
            let is_same = if is_exact { is_same_text } else { is_close };
            let range = [("query", *expr), ("start", &start), ("end", &end), ("step", "1")];
            let [theirs, ours] = self.ask_both(prometheus, "query_range", &range).map(|one| by_labels(&one, "values"));
            assert!(!theirs.is_empty(), "{expr} asks for nothing");
            same(expr, &theirs, &ours, is_same);
            for time_ms in steps.iter().step_by(4) {
                let time = seconds(*time_ms);
                let [theirs, ours] = self
                    .ask_both(prometheus, "query", &[("query", expr), ("time", &time)])
                    .map(|one| by_labels(&one, "value"));
                same(&format!("{expr} at {time}"), &theirs, &ours, is_same);
            }
        }
    }

    /// Metadata, exemplars, series and labels.
    fn compare_listings(&self, prometheus: &Prometheus, times_ms: &[i64]) {
        let (start, end) = (seconds(times_ms[0] - 1000), seconds(times_ms[times_ms.len() - 1] + 1000));
        for (path, name) in [("series", "match[]"), ("query_exemplars", "query"), ("labels", "match[]")] {
            let asked = [(name, "{__name__=~\"world_.+\"}"), ("start", &start), ("end", &end)];
            let [theirs, ours] = self.ask_both(prometheus, path, &asked).map(|one| sorted(&one));
            assert!(!theirs.is_empty(), "{path}");
            assert_eq!(ours, theirs, "{path}");
        }
        // Prometheus itself has it from the targets, which it no longer scrapes.
        let mut request = self.store.request("GET", "/api/v1/metadata?metric=world_seconds");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let metadata = try_send(request).unwrap().expect_status(200).json();
        let expected = json!({"type": "histogram", "help": "How long it took.", "unit": "seconds"});
        assert_eq!(metadata["data"], json!({"world_seconds": [expected]}));
    }

    /// Another Prometheus, which has nothing and reads from the store, answers as the first does.
    fn compare_remote_read(&self, first: &Prometheus, times_ms: &[i64]) {
        let Some(mut reader) = Prometheus::prepare() else { return };
        let World { url, access, .. } = self;
        reader.configure(&format!("remote_read:\n- url: {url}/api/v1/read\n  {access}\n  read_recent: true\n"));
        reader.resume();
        let offset_ms = quiet_millisecond(times_ms);
        let (start, end) =
            (seconds(times_ms[0] / 1000 * 1000 + offset_ms), seconds(times_ms[times_ms.len() - 1] + 2000));
        for expr in ["{job=\"world\"}", "rate(world_work_total[5s])", "up"] {
            let range = [("query", expr), ("start", &start), ("end", &end), ("step", "1")];
            let [theirs, ours] = [first, &reader].map(|one| ask(one.request("POST", "/api/v1/query_range"), &range));
            let (theirs, ours) = (by_labels(&theirs, "values"), by_labels(&ours, "values"));
            assert!(!theirs.is_empty());
            same(&format!("{expr} through remote read"), &theirs, &ours, is_same_text);
        }
    }
}

/// What is the same to the last bit.
const EXACT: &[&str] = &[
    "{job=\"world\"}",
    "up",
    "world_gauge offset 3s",
    "timestamp(world_gauge)",
    "sum by (instance) (world_work_total)",
    "topk(1, world_gauge{kind=\"smooth\"})",
    "count by (kind) (world_gauge)",
    "world_gauge{kind=\"smooth\"} > on (instance) group_left () world_gauge{kind=\"same\"}",
    "absent(world_gauge{instance=\"n1:9100\"})",
    "count_over_time(world_gauge[6s])",
    "last_over_time(world_gauge[4s])",
    "present_over_time(world_gauge[2s])",
    "absent_over_time(world_gauge{kind=\"blinking\",instance=\"n1:9100\"}[2s])",
    "min_over_time(world_gauge{kind=~\"smooth|same\"}[7s])",
    "max_over_time(world_gauge{kind=~\"smooth|same\"}[7s])",
    "changes(world_gauge[9s])",
    "resets(world_work_total[9s])",
    "idelta(world_gauge{kind=\"smooth\"}[5s])",
    "max_over_time(count(up == 1)[8s:1s])",
];

/// What other versions may add up in another order.
const CLOSE: &[&str] = &[
    "rate(world_work_total[5s])",
    "increase(world_work_total[8s])",
    "irate(world_work_total[5s])",
    "delta(world_gauge{kind=\"smooth\"}[6s])",
    "deriv(world_gauge{kind=\"smooth\"}[6s])",
    "predict_linear(world_gauge{kind=\"smooth\"}[6s], 60)",
    "avg_over_time(world_gauge{kind!=\"odd\"}[6s])",
    "sum_over_time(world_gauge{kind!=\"odd\"}[6s])",
    "stddev_over_time(world_gauge{kind!=\"odd\"}[6s])",
    "stdvar_over_time(world_gauge{kind!=\"odd\"}[6s])",
    "quantile_over_time(0.3, world_gauge{kind=\"smooth\"}[6s])",
    "sum without (core) (rate(world_work_total[5s]))",
    "avg by (instance) (world_gauge{kind!=\"odd\"})",
    "histogram_quantile(0.9, sum by (le, instance) (rate(world_seconds_bucket[6s])))",
    "rate(world_seconds_sum[6s]) / rate(world_seconds_count[6s])",
    "avg_over_time(rate(world_work_total[4s])[5s:1s])",
];

/// What a target says at its scrape of this number. Counters begin well above zero: how a rate is extrapolated below a
/// counter's zero has changed since Debian's Prometheus.
fn page(scrape: u64) -> String {
    // No -0: Prometheus leaves out what equals zero when it writes a sample, and nobody can tell the two apart then.
    const ODD: [&str; 9] =
        ["NaN", "+Inf", "-Inf", "5e-324", "1.7976931348623157e308", "0.1", "1e-7", "-2.5", "9007199254740993"];
    let number = scrape as f64;
    let smooth = 40.0 + number * 1.3 + (number * 0.7).sin();
    let odd = ODD[usize::try_from(scrape).unwrap() % ODD.len()];
    let mut text = format!(
        "# HELP world_gauge Goes up and down.\n# TYPE world_gauge gauge\n\
         world_gauge{{kind=\"smooth\"}} {smooth}\nworld_gauge{{kind=\"odd\"}} {odd}\nworld_gauge{{kind=\"same\"}} 42\n"
    );
    if scrape % 5 < 3 {
        text += &format!("world_gauge{{kind=\"blinking\"}} {scrape}\n");
    }
    let (falling_back, rising) = (500 + scrape % 6 * 7, 1e9 + number * 0.1);
    let (fast, all) = (1000 + scrape * 3, 1000 + scrape * 5);
    let sum = 700.0 + number * 2.6;
    text + &format!(
        "# HELP world_work How much was done.\n# TYPE world_work counter\n\
         world_work_total{{core=\"0\"}} {falling_back}\nworld_work_total{{core=\"1\"}} {rising}\n\
         # HELP world_seconds How long it took.\n# TYPE world_seconds histogram\n# UNIT world_seconds seconds\n\
         world_seconds_bucket{{le=\"0.1\"}} {fast} # {{trace_id=\"t{scrape}\"}} 0.05\n\
         world_seconds_bucket{{le=\"1.0\"}} {all}\nworld_seconds_bucket{{le=\"+Inf\"}} {all}\n\
         world_seconds_sum {sum}\nworld_seconds_count {all}\n# EOF\n"
    )
}

/// The data of a successful answer.
#[track_caller]
pub(super) fn ask(request: RequestBuilder, parameters: &[(&str, &str)]) -> Value {
    let answer = try_send(request.header("content-type", FORM).body(form(parameters))).unwrap();
    assert_eq!(answer.status, 200, "{parameters:?}: {}", answer.text());
    answer.json()["data"].take()
}

pub(super) fn is_empty(data: &Value) -> Option<()> {
    data["result"].as_array().unwrap().is_empty().then_some(())
}

/// How many samples a matrix has.
fn samples(data: &Value) -> usize {
    let series = data["result"].as_array().unwrap().iter();
    series.map(|one| one["values"].as_array().unwrap().len()).sum()
}

/// Time in milliseconds and value of a sample.
pub(super) type Point = (i64, String);

/// The points of each series of an answer; `key` is where they are.
pub(super) fn by_labels(data: &Value, key: &str) -> BTreeMap<String, Vec<Point>> {
    // A histogram stands for itself: its keys come in one order.
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let point = |pair: &Value| ((pair[0].as_f64().unwrap() * 1000.0).round() as i64, text(&pair[1]));
    let points = |one: &Value| match key {
        "values" | "histograms" => one[key].as_array().unwrap().iter().map(point).collect(),
        _ => vec![point(&one[key])],
    };
    data["result"].as_array().unwrap().iter().map(|one| (one["metric"].to_string(), points(one))).collect()
}

/// Panics with the first difference.
#[track_caller]
pub(super) fn same(
    what: &str,
    theirs: &BTreeMap<String, Vec<Point>>,
    ours: &BTreeMap<String, Vec<Point>>,
    is_same: fn(&str, &str) -> bool,
) {
    for (series, expected) in theirs {
        let Some(points) = ours.get(series) else { panic!("{what}: {series} is missing, of {expected:?}") };
        let pairs = || expected.iter().zip(points);
        let is_equal =
            expected.len() == points.len() && pairs().all(|(one, other)| one.0 == other.0 && is_same(&one.1, &other.1));
        assert!(is_equal, "{what}: {series}\n  Prometheus: {expected:?}\n  Treering:   {points:?}");
    }
    let more: Vec<&String> = ours.keys().filter(|series| !theirs.contains_key(*series)).collect();
    assert!(more.is_empty(), "{what}: only here: {more:?}");
}

pub(super) fn is_same_text(one: &str, other: &str) -> bool {
    one == other
}

pub(super) fn is_close(one: &str, other: &str) -> bool {
    let (left, right): (f64, f64) = (one.parse().unwrap(), other.parse().unwrap());
    // Differences of large numbers keep fewer digits.
    one == other || (left - right).abs() <= 1e-8 * left.abs().max(right.abs()).max(1e-3)
}

/// The millisecond of the second that is farthest from those of all samples.
pub(super) fn quiet_millisecond(times_ms: &[i64]) -> i64 {
    let taken: Vec<i64> = times_ms.iter().map(|time_ms| time_ms.rem_euclid(1000)).collect();
    let distance = |offset_ms: i64| {
        let apart =
            |taken_ms: &i64| (offset_ms - taken_ms).rem_euclid(1000).min((taken_ms - offset_ms).rem_euclid(1000));
        taken.iter().map(apart).min().unwrap_or(0)
    };
    let offset_ms = (1..1000).max_by_key(|offset_ms| distance(*offset_ms)).unwrap_or(1);
    assert!(distance(offset_ms) > 0, "samples at every millisecond");
    offset_ms
}

pub(super) fn seconds(time_ms: i64) -> String {
    format!("{}.{:03}", time_ms / 1000, time_ms % 1000)
}

/// The entries of a list as texts in their order.
fn sorted(list: &Value) -> Vec<String> {
    let mut texts: Vec<String> = list.as_array().unwrap().iter().map(Value::to_string).collect();
    texts.sort();
    texts
}
