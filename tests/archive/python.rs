//! Python with the packages of `requirements.txt`, in a virtual environment below `target`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("requirements.txt");
const SPARK_REQUIREMENTS: &str = include_str!("requirements-spark.txt");

/// A Python that has what was asked for.
#[derive(Debug, Clone)]
pub struct Python {
    program: PathBuf,
}

/// Python with DuckDB, pyarrow and pandas; `None` where there can be none, which was then said. Missing in CI, it is a
/// failure.
pub fn python(test: &str) -> Option<Python> {
    static MADE: OnceLock<Result<Python, String>> = OnceLock::new();
    match MADE.get_or_init(|| make("venv", REQUIREMENTS)) {
        Ok(python) => Some(python.clone()),
        Err(reason) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} needs Python in CI: {reason}");
            skipped(test, reason);
            None
        }
    }
}

/// Python with Spark; `None` where there can be none, which was then said.
pub fn spark(test: &str) -> Option<Python> {
    static MADE: OnceLock<Result<Python, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        run(Command::new("java").arg("-version")).map_err(|reason| format!("no java: {reason}"))?;
        make("venv-spark", SPARK_REQUIREMENTS)
    });
    match made {
        Ok(python) => Some(python.clone()),
        Err(reason) => {
            skipped(test, reason);
            None
        }
    }
}

impl Python {
    /// Runs a script in a folder; answers what it prints.
    #[track_caller]
    pub fn run(&self, script: &str, folder: &Path, arguments: &[&str]) -> String {
        let path = folder.join("script.py");
        fs::write(&path, script).unwrap();
        let mut command = Command::new(&self.program);
        command.arg(&path).args(arguments).current_dir(folder).env("SPARK_LOCAL_IP", "127.0.0.1");
        match run(&mut command) {
            Ok(output) => String::from_utf8(output.stdout).unwrap(),
            Err(reason) => panic!("{reason}\n--- of\n{script}"),
        }
    }
}

/// Past what the test harness captures, for a skipped test counts as passed.
fn skipped(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test} ({})", reason.trim());
}

/// Makes an environment, or takes the one that was made of the same requirements.
fn make(name: &str, requirements: &str) -> Result<Python, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let folder = target.join(name);
    let python = Python { program: folder.join("bin/python") };
    let marker = folder.join("requirements.txt");
    if fs::read_to_string(&marker).is_ok_and(|made| made == requirements) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let list = target.join(format!("{name}.txt"));
    fs::write(&list, requirements).map_err(|error| error.to_string())?;
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2", "--timeout", "30", "-r"];
    run(Command::new(&python.program).args(pip).arg(&list))?;
    fs::write(&marker, requirements).map_err(|error| error.to_string())?;
    Ok(python)
}

/// Runs a command; what it prints to standard error is the reason of a failure.
fn run(command: &mut Command) -> Result<Output, String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!(
            "{:?}: {}\n{}{}",
            command.get_program(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
