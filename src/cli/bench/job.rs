//! The part `job`: the samples of a real job, under many cluster names.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde_json::json;

use super::error::BenchError;
use super::figures::{Figure, Outcome};
use super::questions::count;
use super::run::Course;
use super::store::{Setting, Store};
use super::subject::Subject;
use super::workload::STEP_SECS;
use super::writer::post;

/// The lines of a job, taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct Job {
    metrics: Vec<String>,
    hosts: Vec<String>,
    /// What stands behind the host in a key.
    tails: Vec<String>,
    lines: Vec<Line>,
    /// The values of each metric and host in their order, as they were written.
    values: BTreeMap<(usize, usize), Vec<String>>,
    /// Seconds from the first sample to where the next job may begin, a multiple of the step.
    span_secs: i64,
    first_secs: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    metric: usize,
    host: usize,
    tail: usize,
    /// The how-manieth value of its series.
    at: usize,
    secs: i64,
}

/// Numbers for names, in the order of their first use.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn number(&mut self, name: &str) -> usize {
        match self.0.iter().position(|known| known == name) {
            Some(at) => at,
            None => {
                self.0.push(name.to_owned());
                self.0.len() - 1
            }
        }
    }
}

impl Job {
    /// Reads a file of lines: plain, `.gz` or `.zst`.
    ///
    /// # Errors
    ///
    /// It cannot be read, or holds no lines of nodes with seconds.
    pub(super) fn load(path: &Path) -> Result<Job, BenchError> {
        let file = std::fs::File::open(path).map_err(BenchError::file(path))?;
        let mut text = String::new();
        let read = match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => flate2::read::MultiGzDecoder::new(file).take(FILE_BYTES_MAX).read_to_string(&mut text),
            Some("zst") => {
                zstd::Decoder::new(file).and_then(|decoder| decoder.take(FILE_BYTES_MAX).read_to_string(&mut text))
            }
            _ => file.take(FILE_BYTES_MAX).read_to_string(&mut text),
        };
        read.map_err(BenchError::file(path))?;
        Job::parse(&text).map_err(|reason| BenchError::Argument(format!("{}: {reason}", path.display())))
    }

    fn parse(text: &str) -> Result<Job, String> {
        let (mut metrics, mut hosts, mut tails) = (Names::default(), Names::default(), Names::default());
        let mut values: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        let mut lines = Vec::new();
        for (number, text) in text.lines().enumerate() {
            let parts = || {
                let mut words = text.split(' ');
                let (key, value, secs) = (words.next()?, words.next()?, words.next()?);
                let mut tags = key.split(',');
                let (metric, cluster, host) = (tags.next()?, tags.next()?, tags.next()?);
                cluster.strip_prefix("cluster=")?;
                let tail: String = tags.flat_map(|tag| [",", tag]).collect();
                Some((metric, host.strip_prefix("hostname=")?, tail, value.strip_prefix("value=")?, secs.parse().ok()?))
            };
            let (metric, host, tail, value, secs) = parts().ok_or_else(|| {
                format!("line {}: {text:?}: expected METRIC,cluster=C,hostname=H,… value=V SECONDS", number + 1)
            })?;
            let (metric, host, tail) = (metrics.number(metric), hosts.number(host), tails.number(&tail));
            let series = values.entry((metric, host)).or_default();
            lines.push(Line { metric, host, tail, at: series.len(), secs });
            series.push(value.to_owned());
        }
        let first_secs = lines.iter().map(|line| line.secs).min().ok_or("no lines")?;
        let last_secs = lines.iter().map(|line| line.secs).max().unwrap_or(first_secs);
        let span_secs = ((last_secs - first_secs) / STEP_SECS + 1) * STEP_SECS;
        Ok(Job { metrics: metrics.0, hosts: hosts.0, tails: tails.0, lines, values, span_secs, first_secs })
    }

    /// How often it runs one after the other, so that a series has about so many samples.
    fn repeats(&self, ticks: u32) -> u32 {
        let series = (self.metrics.len() * self.hosts.len()).max(1);
        let each = (self.lines.len() as f64 / series as f64).max(1.0);
        (f64::from(ticks) / each).round().max(1.0) as u32
    }

    /// Appends some of the lines of a repeat. Each repeat gives a host the values of the next one, so that no series
    /// says the same twice: a repetition would compress better than a job does.
    fn append(&self, out: &mut Vec<u8>, lines: &[Line], cluster: u32, repeat: u32) {
        for line in lines {
            let host = (line.host + repeat as usize) % self.hosts.len();
            let series = self.values.get(&(line.metric, host)).or_else(|| self.values.get(&(line.metric, line.host)));
            // The own series has this line at least.
            let Some(series) = series.filter(|series| !series.is_empty()) else { continue };
            let (metric, name, tail) = (&self.metrics[line.metric], &self.hosts[line.host], &self.tails[line.tail]);
            let value = &series[line.at % series.len()];
            let secs = line.secs + i64::from(repeat) * self.span_secs;
            // Writing to a vector cannot fail.
            let _ = writeln!(out, "{metric},cluster=job{cluster},hostname={name}{tail} value={value} {secs}");
        }
    }
}

/// Measures one store.
///
/// # Errors
///
/// It does not start, refuses lines, or has lost some.
pub(super) fn job(course: &Course<'_>, subject: &Subject, job: &Job) -> Result<Outcome, BenchError> {
    let mut outcome = Outcome::default();
    let entry = |name: &String| (name.clone(), json!({"frequency": STEP_SECS, "aggregation": "sum"}));
    // Jobs are old: nothing is dropped for its age.
    let setting = Setting { metrics: job.metrics.iter().map(entry).collect(), retention: "438000h", nats: None };
    let store = Store::start(subject, &setting, course.base, course.stop)?;
    let (clusters, repeats) = (course.sizes.job_clusters, job.repeats(course.sizes.job_ticks));
    course.say("writing the job");
    let before = store.processor_time()?;
    write(course, &store, job, clusters, repeats)?;
    let used = store.processor_time()?.saturating_sub(before);
    course.settle()?;
    let memory = store.memory()?;
    let of_cluster = job.lines.len() as u64 * u64::from(repeats);
    let samples = (of_cluster * u64::from(clusters)) as f64;
    for cluster in [0, clusters - 1] {
        let of = |metric: &String, host: &String| json!({"metric": metric, "host": host, "aggreg": false});
        let queries: Vec<_> =
            job.metrics.iter().flat_map(|metric| job.hosts.iter().map(move |host| of(metric, host))).collect();
        let to_secs = job.first_secs + i64::from(repeats) * job.span_secs + STEP_SECS;
        let from_secs = job.first_secs - STEP_SECS;
        let question = json!({"cluster": format!("job{cluster}"), "from": from_secs, "to": to_secs,
                              "queries": queries});
        let got = count(&store, &question)?;
        if !course.all_there(subject, "of the job", got, of_cluster, &mut outcome)? {
            return Ok(outcome);
        }
    }
    outcome.push(Figure::JobProcessor, used.as_secs_f64() / samples * 1e6);
    outcome.push(Figure::JobMemory, memory.resident_bytes as f64 / samples);
    outcome.push(Figure::JobPeak, memory.peak_bytes as f64 / samples);
    Ok(outcome)
}

/// Posts everything; a cluster's lines stay in order.
fn write(course: &Course<'_>, store: &Store<'_>, job: &Job, clusters: u32, repeats: u32) -> Result<(), BenchError> {
    let (next, waits) = (AtomicU32::new(0), AtomicU64::new(0));
    let work = || {
        let (mut client, mut body) = (store.client(), Vec::new());
        loop {
            let cluster = next.fetch_add(1, Ordering::Relaxed);
            if cluster >= clusters {
                return Ok(());
            }
            for repeat in 0..repeats {
                for lines in job.lines.chunks(BODY_LINES) {
                    if course.stop.is_asked() {
                        return Err(BenchError::Interrupted);
                    }
                    body.clear();
                    job.append(&mut body, lines, cluster, repeat);
                    post(store, &mut client, &body, &waits, course.stop)?;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(BenchError::Interrupted)))
    })
}

/// Lines of a body.
const BODY_LINES: usize = 5000;
const CONNECTIONS: u32 = 2;
/// A file of more bytes is no job's.
const FILE_BYTES_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a,cluster=x,hostname=h1,type=node value=1 100\na,cluster=x,hostname=h2,type=node value=2 107\n\
                        a,cluster=x,hostname=h1,type=node value=3 160\nb,cluster=x,hostname=h1,type=node value=4 161\n";

    fn lines(job: &Job, cluster: u32, repeat: u32) -> String {
        let mut out = Vec::new();
        job.append(&mut out, &job.lines, cluster, repeat);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_repeat_is_the_file_itself() {
        let job = Job::parse(TEXT).unwrap();
        assert_eq!(lines(&job, 7, 0), TEXT.replace("cluster=x", "cluster=job7"));
        assert_eq!(job.repeats(1), 1);
        assert_eq!(job.repeats(10), 10, "four lines of four series");
    }

    #[test]
    fn later_repeats_lie_behind_and_differ() {
        let job = Job::parse(TEXT).unwrap();
        assert_eq!(
            lines(&job, 0, 1),
            "a,cluster=job0,hostname=h1,type=node value=2 220\na,cluster=job0,hostname=h2,type=node value=1 227\n\
             a,cluster=job0,hostname=h1,type=node value=2 280\nb,cluster=job0,hostname=h1,type=node value=4 281\n"
        );
    }

    #[test]
    fn a_line_of_another_shape_is_an_error_with_its_number() {
        for text in ["", "a value=1 5\n", "a,cluster=x,hostname=h v=1 5\n", "a,cluster=x,hostname=h value=1\n"] {
            assert!(Job::parse(text).is_err(), "{text:?}");
        }
        let error = Job::parse(&format!("{TEXT}nonsense\n")).unwrap_err();
        assert!(error.contains("line 5") && error.contains("nonsense"), "{error}");
    }
}
