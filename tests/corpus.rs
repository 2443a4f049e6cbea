//! The committed corpora of the fuzz targets, replayed on any toolchain: seeds, and what fuzzers found.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use treering::testing::FUZZ_TARGETS;

fn fuzz() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from).join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_input_is_survived() {
    let mut inputs = 0;
    for (target, run) in FUZZ_TARGETS {
        let folder = fuzz().join("corpus").join(target);
        let files = names(&folder);
        assert!(files.len() >= 3, "{target} has {} inputs", files.len());
        for file in files {
            // Printed when it fails.
            println!("{target}/{file}");
            run(&fs::read(folder.join(file)).unwrap());
            inputs += 1;
        }
    }
    println!("{inputs} inputs");
}

/// A target that nobody runs finds nothing, and a corpus without a target is not replayed.
#[test]
fn every_target_has_its_program_and_corpus() {
    let known: BTreeSet<String> = FUZZ_TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, names(&fuzz().join("corpus")));
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &known {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"")), "{name}");
        let text = fs::read_to_string(fuzz().join(format!("targets/{name}.rs"))).unwrap();
        assert!(text.contains("fuzz_target!"), "{name}");
    }
    assert_eq!(known.len(), names(&fuzz().join("targets")).len());
}
