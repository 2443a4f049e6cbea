//! Three questions to the store, their answers for people, and the curl lines to ask them again.

use std::fmt::Write;

use serde_json::Value;

use crate::model::{Aggregation, Metric};

use super::catalogue::signal_of;
use super::cluster::Cluster;
use super::error::{DemoError, TOKEN_VARIABLE};
use super::http::Http;
use super::show::{say, time_of_day};
use super::topology::Place;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// What it asks, for people.
    pub title: String,
    /// What it asks, for the store.
    pub body: String,
}

/// The questions that these metrics allow: one hardware thread, a node's sum, all nodes.
pub(super) fn questions(cluster: &Cluster, metrics: &[Metric], from_secs: i64, to_secs: i64) -> Vec<Question> {
    let pick = |wanted: &[&str], fits: &dyn Fn(&Metric) -> bool| {
        let named = wanted.iter().find_map(|name| metrics.iter().find(|metric| &*metric.name == *name));
        named.filter(|metric| fits(metric)).or_else(|| metrics.iter().find(|metric| fits(metric)))
    };
    let place = |metric: &Metric| signal_of(&metric.name).place;
    let host = cluster.host_name(0);
    let (quoted_cluster, quoted_host) = (quoted(cluster.name()), quoted(&host));
    let body = |rest: String| format!(r#"{{"cluster":{quoted_cluster},"from":{from_secs},"to":{to_secs},{rest}}}"#);
    let mut questions = Vec::new();
    if let Some(metric) = pick(&["cpu_user"], &|metric| place(metric) == Place::Hwthread) {
        let name = quoted(&metric.name);
        questions.push(Question {
            title: format!("One hardware thread: {} of {host}, hwthread 3", metric.name),
            body: body(format!(
                r#""queries":[{{"metric":{name},"host":{quoted_host},"type":"hwthread","type-ids":["3"]}}]"#
            )),
        });
    }
    let sums = |metric: &Metric| place(metric) == Place::Hwthread && metric.aggregation == Aggregation::Sum;
    if let Some(metric) = pick(&["flops_any"], &sums) {
        let name = quoted(&metric.name);
        let threads = Place::Hwthread.tags().len();
        questions.push(Question {
            title: format!("A node: {} of {host}, the sum over its {threads} hardware threads", metric.name),
            body: body(format!(r#""queries":[{{"metric":{name},"host":{quoted_host}}}]"#)),
        });
    }
    if let Some(metric) = pick(&["node_power", "cpu_load"], &|metric| place(metric) == Place::Node) {
        let name = quoted(&metric.name);
        questions.push(Question {
            title: format!("All nodes: {}", metric.name),
            body: body(format!(r#""for-all-nodes":[{name}]"#)),
        });
    }
    questions
}

/// Asks, and prints the answers.
///
/// # Errors
///
/// A question that was not answered.
pub(super) async fn ask(http: &Http, own: bool, questions: &[Question]) -> Result<(), DemoError> {
    for (number, question) in (1..).zip(questions) {
        let answer = http.query(&question.body).await?;
        say(&format!("\n{number}. {}", question.title));
        say(&shown(&answer));
        say(&curl(http, own, &question.body));
    }
    Ok(())
}

/// The command that asks the same.
fn curl(http: &Http, own: bool, body: &str) -> String {
    let insecure = if own && http.base().starts_with("https:") { " -k" } else { "" };
    let token =
        if http.has_token() { format!(r#" -H "Authorization: Bearer ${TOKEN_VARIABLE}""#) } else { String::new() };
    // A quote ends the shell's text, so it stands outside of it.
    let body = body.replace('\'', r"'\''");
    format!("   curl -s{insecure}{token} -X GET {}/api/query -d '{body}'", http.base())
}

/// An answer for people: a line for each row.
fn shown(answer: &Value) -> String {
    let rows = answer["results"].as_array().map_or(&[][..], Vec::as_slice);
    let mut text = String::new();
    for (index, row) in rows.iter().take(ROWS_MAX).enumerate() {
        let host = answer["queries"][index]["host"].as_str().unwrap_or("");
        for entry in row.as_array().map_or(&[][..], Vec::as_slice) {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "   {}", shown_entry(host, entry));
        }
    }
    if rows.len() > ROWS_MAX {
        let _ = writeln!(text, "   … and {} more", rows.len() - ROWS_MAX);
    }
    if rows.is_empty() {
        text.push_str("   nothing\n");
    }
    text.trim_end().to_owned()
}

fn shown_entry(host: &str, entry: &Value) -> String {
    let host = if host.is_empty() { String::new() } else { format!("{host}  ") };
    if let Some(error) = entry["error"].as_str() {
        return format!("{host}{error}");
    }
    let Some(data) = entry["data"].as_array().filter(|data| !data.is_empty()) else {
        return format!("{host}no data");
    };
    // The store fills the time before the first sample with nulls: nothing to see there.
    let data: Vec<Option<f64>> = data.iter().map(Value::as_f64).skip_while(Option::is_none).collect();
    let number = |name: &str| entry[name].as_f64().unwrap_or(0.0);
    let span = |name: &str| time_of_day(entry[name].as_i64().unwrap_or(0));
    let last = data.iter().rev().find_map(|value| *value).map_or("none".to_owned(), |value| format!("{value:.2}"));
    format!(
        "{host}{} to {}  {}  last {last}, average {:.2}, {:.2} to {:.2}",
        span("from"),
        span("to"),
        sparkline(&data),
        number("avg"),
        number("min"),
        number("max")
    )
}

/// A small picture of values, blank where there are none.
fn sparkline(data: &[Option<f64>]) -> String {
    let columns = data.len().min(COLUMNS);
    let means: Vec<Option<f64>> = (0..columns)
        .map(|column| {
            let part = &data[column * data.len() / columns..(column + 1) * data.len() / columns];
            let known: Vec<f64> = part.iter().copied().flatten().collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        })
        .collect();
    let least = means.iter().copied().flatten().fold(f64::INFINITY, f64::min);
    let most = means.iter().copied().flatten().fold(f64::NEG_INFINITY, f64::max);
    let bar = |mean: f64| {
        let height = if most > least { (mean - least) / (most - least) } else { 0.0 };
        // From 0 to 7, for the height is from 0 to 1.
        BARS[(height * 7.0).round() as usize]
    };
    means.iter().map(|mean| mean.map_or(' ', bar)).collect()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const COLUMNS: usize = 30;
/// Nodes that are shown.
const ROWS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_shows_the_shape_and_the_holes() {
        assert_eq!(sparkline(&[Some(0.0), None, Some(7.0), Some(3.5)]), "▁ █▅");
        assert_eq!(sparkline(&[Some(2.0); 100]).chars().count(), COLUMNS);
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn answers_are_shown_row_by_row() {
        let answer = serde_json::json!({
            "queries": [{"host": "a01"}, {"host": "a02"}, {"host": "a03"}],
            "results": [
                [{"from": 0, "to": 20, "data": [1.0, null], "avg": 1.0, "min": 1.0, "max": 1.0}],
                [{"error": "out of luck"}],
                [{"from": 0, "to": 0}],
            ]
        });
        let text = shown(&answer);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("a01  00:00:00 to 00:00:20") && lines[0].contains("last 1.00"), "{text}");
        assert!(lines[1].contains("a02  out of luck") && lines[2].contains("a03  no data"), "{text}");
    }
}
