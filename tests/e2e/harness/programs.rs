//! Where the servers of others are, that tests run beside the store.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The path of a program, `None` when it is not installed. Besides `PATH` it is looked for where Debian keeps servers,
/// and where `make test` unpacks them.
pub fn find(name: &str) -> Option<PathBuf> {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers/usr");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend([PathBuf::from("/usr/sbin"), unpacked.join("bin"), unpacked.join("sbin")]);
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Says that a test does not run, in spite of the harness that keeps what passing tests print.
pub fn skipped(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test} ({reason})");
}
