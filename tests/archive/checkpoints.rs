//! Checkpoints as cc-metric-store leaves them, made up, and their way into an archive: `treering -cleanup-checkpoints`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Config, binary, setting};

/// Seconds between two samples of every series here.
pub const FREQUENCY_SECS: i64 = 60;
/// A long time even for an unoptimised program on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// A series of every host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    pub metric: String,
    /// The joined name of the component; empty for the host itself.
    pub component: String,
}

/// A cluster whose every host has the same series.
pub struct Cluster {
    pub name: &'static str,
    pub hosts: Vec<String>,
    /// Sorted by component and metric.
    pub series: Vec<Series>,
    /// The centre of the first slot.
    pub start_secs: i64,
    pub ticks: usize,
}

impl Cluster {
    /// Writes one snapshot a host; `value` gives the value of a host, a series and a tick, NaN for none.
    pub fn write(&self, checkpoints: &Path, value: impl Fn(usize, usize, usize) -> f32) {
        for (host, name) in self.hosts.iter().enumerate() {
            let folder = checkpoints.join(self.name).join(name);
            fs::create_dir_all(&folder).unwrap();
            let from = self.start_secs - FREQUENCY_SECS;
            let to = self.start_secs + self.ticks as i64 * FREQUENCY_SECS;
            let mut out = BufWriter::new(File::create(folder.join(format!("{from}.bin"))).unwrap());
            out.write_all(&0xCC5B_0001u32.to_le_bytes()).unwrap();
            out.write_all(&from.to_le_bytes()).unwrap();
            out.write_all(&to.to_le_bytes()).unwrap();
            let components = self.components();
            let level = |out: &mut BufWriter<File>, component: &str| {
                let own: Vec<usize> =
                    (0..self.series.len()).filter(|at| self.series[*at].component == component).collect();
                out.write_all(&(own.len() as u32).to_le_bytes()).unwrap();
                for at in own {
                    text(out, &self.series[at].metric);
                    out.write_all(&FREQUENCY_SECS.to_le_bytes()).unwrap();
                    out.write_all(&self.start_secs.to_le_bytes()).unwrap();
                    out.write_all(&(self.ticks as u32).to_le_bytes()).unwrap();
                    for tick in 0..self.ticks {
                        out.write_all(&value(host, at, tick).to_le_bytes()).unwrap();
                    }
                }
            };
            level(&mut out, "");
            out.write_all(&(components.len() as u32).to_le_bytes()).unwrap();
            for component in components {
                text(&mut out, &component);
                level(&mut out, &component);
                out.write_all(&0u32.to_le_bytes()).unwrap();
            }
            out.flush().unwrap();
        }
    }

    fn components(&self) -> Vec<String> {
        let mut names: Vec<String> = self.series.iter().map(|series| series.component.clone()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| !name.is_empty());
        names
    }

    /// A config in which a cleanup archives all of it.
    pub fn config(&self, format: &str) -> Config {
        let mut config = Config::new(format)
            .set("/main/addr", "127.0.0.1:0")
            .set(setting::RETENTION, "48h")
            .set("/metric-store/cleanup/mode", "archive")
            .set("/metric-store/cleanup/directory", "./archive");
        for series in &self.series {
            config = config.metric(&series.metric, FREQUENCY_SECS as u32, Some("sum"));
        }
        config
    }
}

fn text(out: &mut impl Write, text: &str) {
    out.write_all(&(text.len() as u16).to_le_bytes()).unwrap();
    out.write_all(text.as_bytes()).unwrap();
}

/// Archives what lies in `var/checkpoints` of a folder to its `archive`, offline.
#[track_caller]
pub fn archive(folder: &Path, config: &Config) {
    fs::write(folder.join("config.json"), serde_json::to_vec_pretty(config.json()).unwrap()).unwrap();
    fs::create_dir_all(folder.join("archive")).unwrap();
    let log = File::create(folder.join("cleanup.txt")).unwrap();
    let mut child = Command::new(binary())
        .args(["-config", "config.json", "-loglevel", "info", "-cleanup-checkpoints"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let log = fs::read_to_string(folder.join("cleanup.txt")).unwrap();
    assert!(status.success(), "after {:?}: {status}\n{log}", begun.elapsed());
}
