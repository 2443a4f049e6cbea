//! `GET /api/debug`: the tree with the runs of every series, as JSON of cc-metric-store's shape.
//!
//! Invariant: however large the tree, no more than one host of it is in memory for the answer.

use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::answer;
use super::turns::AnswerLimit;
use super::{App, Refusal, parameter};
use crate::server::service::Service;
use crate::store::{LevelSummary, RunSummary};

/// Dumps the level of `?selector=cluster:host:…`, the root without it.
pub(super) async fn debug(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let path: Vec<String> = match parameter(request.uri(), "selector") {
        Some(selector) if !selector.is_empty() => selector.split(':').map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let turn = app.answer_turn(AnswerLimit::Dumps).await?;
    answer::json(policy, turn, move |out| {
        if write_dump(out, &*app.service, &path)? {
            return Ok(());
        }
        let names: Vec<String> = path.iter().map(|name| format!("{name:?}")).collect();
        let text = format!("[METRICSTORE]> not found: []string{{{}}}", names.join(", "));
        Err(Refusal::json(StatusCode::BAD_REQUEST, text).into())
    })
    .await
}

/// Writes the dump of a level, indented for people, one host after the other; `false`, and nothing is written, when the
/// path leads nowhere.
fn write_dump(out: &mut dyn Write, service: &dyn Service, path: &[String]) -> io::Result<bool> {
    match path {
        [] => write_data(out, |out| {
            let mut root = Object::begin(out, 1)?;
            for cluster in service.clusters() {
                let hosts = service.hosts(&cluster).unwrap_or_default();
                write_hosts(root.value(&cluster)?, service, &cluster, &hosts, 2)?;
            }
            root.end()
        })?,
        [cluster] => {
            let Some(hosts) = service.hosts(cluster) else { return Ok(false) };
            write_data(out, |out| write_hosts(out, service, cluster, &hosts, 1))?;
        }
        _ => {
            let Some(level) = service.summary(path) else { return Ok(false) };
            write_data(out, |out| write_level(out, &level, 1))?;
        }
    }
    Ok(true)
}

/// Writes what stands around a dump.
fn write_data(out: &mut dyn Write, dump: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    out.write_all(b"{\"data\":")?;
    dump(out)?;
    out.write_all(b"}\n")
}

fn write_hosts(
    out: &mut dyn Write,
    service: &dyn Service,
    cluster: &str,
    hosts: &[Arc<str>],
    depth: usize,
) -> io::Result<()> {
    let mut object = Object::begin(out, depth)?;
    for host in hosts {
        if let Some(level) = service.summary(&[cluster.to_owned(), host.to_string()]) {
            write_level(object.value(host)?, &level, depth + 1)?;
        }
    }
    object.end()
}

fn write_level(out: &mut dyn Write, level: &LevelSummary, depth: usize) -> io::Result<()> {
    let mut object = Object::begin(out, depth)?;
    for (name, runs) in &level.metrics {
        let out = object.value(name)?;
        out.write_all(b"[")?;
        for (index, run) in runs.iter().enumerate() {
            write_run(out, run, index > 0)?;
        }
        out.write_all(b"]")?;
    }
    for (name, child) in &level.children {
        write_level(object.value(name)?, child, depth + 1)?;
    }
    object.end()
}

/// An object of JSON that is being written, a line for each of its values.
struct Object<'o> {
    out: &'o mut dyn Write,
    depth: usize,
    is_empty: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut dyn Write, depth: usize) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Object { out, depth, is_empty: true })
    }

    /// Writes a name; its value is the caller's to write.
    fn value(&mut self, name: &str) -> io::Result<&mut dyn Write> {
        let separator = if self.is_empty { "\n" } else { ",\n" };
        self.is_empty = false;
        write!(self.out, "{separator}{:\t<1$}", "", self.depth)?;
        serde_json::to_writer(&mut *self.out, name)?;
        self.out.write_all(b":")?;
        Ok(&mut *self.out)
    }

    fn end(self) -> io::Result<()> {
        if self.is_empty {
            return self.out.write_all(b"}");
        }
        write!(self.out, "\n{:\t<1$}}}", "", self.depth - 1)
    }
}

fn write_run(out: &mut dyn Write, run: &RunSummary, follows: bool) -> io::Result<()> {
    let separator = if follows { "," } else { "" };
    let end = run.start_secs.saturating_add(i64::from(run.frequency_secs) * i64::from(run.len));
    write!(out, "{separator}{{\"start\":{},\"len\":{},\"end\":{end}", run.start_secs, run.len)?;
    out.write_all(if run.sealed { b",\"saved\":true}" } else { b"}" })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn dump(level: &LevelSummary) -> Value {
        let mut out = Vec::new();
        write_data(&mut out, |out| write_level(out, level, 1)).unwrap();
        assert_eq!(out.last(), Some(&b'\n'));
        serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
    }

    #[test]
    fn a_dump_is_valid_json_whatever_the_names() {
        let run = |sealed, len| RunSummary { frequency_secs: 60, start_secs: 1000, len, sealed };
        let child = LevelSummary { metrics: vec![("a\"b\\\n\t\u{1}ü".into(), vec![run(false, 2)])], children: vec![] };
        let level = LevelSummary {
            metrics: vec![("load".into(), vec![run(true, 10), run(false, 1)]), ("none".into(), vec![])],
            children: vec![("ho\"st".into(), child), ("empty".into(), LevelSummary::default())],
        };
        let expected = json!({"data": {
            "load": [{"start": 1000, "len": 10, "end": 1600, "saved": true}, {"start": 1000, "len": 1, "end": 1060}],
            "none": [],
            "ho\"st": {"a\"b\\\n\t\u{1}ü": [{"start": 1000, "len": 2, "end": 1120}]},
            "empty": {},
        }});
        assert_eq!(dump(&level), expected);
        assert_eq!(dump(&LevelSummary::default()), json!({"data": {}}));
    }
}
