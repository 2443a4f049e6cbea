//! Makes Rust of `api/treering/v1/metrics.proto`, without a `protoc` on the machine: messages and a client for the
//! service, and the descriptors that reflection answers. And chooses how the program's relocations are stored.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use prost::Message;

const FOLDER: &str = "api";
const FILE: &str = "treering/v1/metrics.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}/{FILE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let descriptors = protox::compile([FILE], [FOLDER])?;
    fs::write(out.join("metrics.bin"), descriptors.encode_to_vec())?;
    // The server's side is written by hand: it reads messages with bounds that generated code has not.
    tonic_prost_build::configure().build_server(false).build_transport(false).compile_fds(descriptors)?;
    if is_run_by_glibc_of(2, 36) {
        // 1.5 MB of the program, which each start reads and keeps mapped, become 0.05 MB.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

/// Whether the program is built for this machine, with a C library of at least this version: an older one does not load
/// packed relocations. (The program needs about as new a library as it is built with anyway.)
fn is_run_by_glibc_of(major: u32, minor: u32) -> bool {
    let set = |name: &str| env::var(name).unwrap_or_default();
    if set("HOST") != set("TARGET") || set("CARGO_CFG_TARGET_ENV") != "gnu" {
        return false;
    }
    // "glibc 2.36"
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().nth(1).and_then(|version| version.split_once('.'));
    let Some((Ok(found_major), Ok(found_minor))) = version.map(|(a, b)| (a.parse::<u32>(), b.parse::<u32>())) else {
        return false;
    };
    (found_major, found_minor) >= (major, minor)
}
