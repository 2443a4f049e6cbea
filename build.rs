//! Makes Rust of `api/treering/v1/metrics.proto`, without a `protoc` on the machine: messages and a client for the
//! service, and the descriptors that reflection answers.

use std::error::Error;
use std::path::PathBuf;
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
    Ok(())
}
