//! A real Prometheus.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use reqwest::blocking::{Client, RequestBuilder};
use tempfile::TempDir;

use super::{eventually, free_port, http, programs};

/// Debian's `prometheus` on a free port, in a directory of its own. Dropped, it is killed.
pub struct Prometheus {
    pub dir: TempDir,
    program: PathBuf,
    port: u16,
    client: Client,
    features: String,
    child: Option<Child>,
}

impl Prometheus {
    /// A directory and a port; the process comes with [`Prometheus::resume`]. `None` where it is not installed.
    pub fn prepare() -> Option<Prometheus> {
        let program = programs::find("prometheus")?;
        let dir = tempfile::Builder::new().prefix("treering-prometheus-").tempdir().unwrap();
        Some(Prometheus {
            dir,
            program,
            port: free_port(),
            client: http::client(),
            features: "exemplar-storage".to_owned(),
            child: None,
        })
    }

    /// Switches a feature on from the next start.
    pub fn enable(&mut self, feature: &str) {
        self.features += &format!(",{feature}");
    }

    /// Writes its configuration, which counts from the next start or reload.
    pub fn configure(&self, yaml: &str) {
        fs::write(self.dir.path().join("prometheus.yml"), yaml).unwrap();
    }

    /// Starts it (again) with the data that is there, and waits until it is ready.
    pub fn resume(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.dir.path().join("log.txt")).unwrap();
        let mut command = Command::new(&self.program);
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.enable-lifecycle"]);
        command.arg(format!("--web.listen-address=127.0.0.1:{}", self.port));
        command.arg(format!("--enable-feature={}", self.features));
        command.arg("--log.level=debug").current_dir(self.dir.path());
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let child = self.child.insert(child.unwrap_or_else(|error| panic!("{:?}: {error}", self.program)));
        eventually("Prometheus is ready", || {
            let status = child.try_wait().unwrap();
            assert!(status.is_none(), "Prometheus ended: {}", read_log(&self.dir));
            let url = format!("http://127.0.0.1:{}/-/ready", self.port);
            (self.client.get(url).send().ok()?.status() == 200).then_some(())
        });
    }

    /// Has it read its configuration again.
    pub fn reload(&self) {
        http::try_send(self.request("POST", "/-/reload")).unwrap().expect_status(200);
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("http://127.0.0.1:{}{path}", self.port))
    }
}

fn read_log(dir: &TempDir) -> String {
    fs::read_to_string(dir.path().join("log.txt")).unwrap_or_default()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = read_log(&self.dir);
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- Prometheus's log ends with\n{}\n---", lines[lines.len().saturating_sub(25)..].join("\n"));
        }
    }
}
