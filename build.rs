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
    // Older libraries do not load packed relocations; the program needs about as new a one as it is built with anyway.
    if glibc_version().is_some_and(|version| version >= (2, 36)) {
        // 1.57 MB of the program, which each start reads and keeps mapped, become 0.02 MB.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

/// Major and minor version of this machine's C library, if the program is built for this machine and uses glibc.
fn glibc_version() -> Option<(u32, u32)> {
    let set = |name: &str| env::var(name).unwrap_or_default();
    if set("HOST") != set("TARGET") || set("CARGO_CFG_TARGET_ENV") != "gnu" {
        return None;
    }
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    // "glibc 2.36"
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
