//! The rules of this source tree, as a test: layers, headers, banned calls, dead files, style.
//!
//! Every rule is a function from a file to complaints, and every rule has a test of its own that a bad snippet is
//! caught: a check that cannot fail checks nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use layers::layers;
use rules::{banned_calls, dead_files, header, length, machine_paths, mark_test_files, typography, unproved_unwraps};
use source::Source;

#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/named.rs"]
mod named;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

const RULES: &[fn(&Source) -> Vec<String>] =
    &[layers, header, unproved_unwraps, banned_calls, length, typography, machine_paths];

/// The repository; cargo says where it lies now, which need not be where it lay when this was compiled.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

fn all_sources() -> Vec<Source> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    let root = root();
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        walk(&root, &root.join(folder), &mut paths);
    }
    paths.sort();
    assert!(paths.len() > 20, "these cannot be all: {paths:?}");
    let read = |path: &PathBuf| Source::new(path.to_str().unwrap(), &fs::read_to_string(root.join(path)).unwrap());
    let mut sources: Vec<Source> = paths.iter().map(read).collect();
    mark_test_files(&mut sources);
    sources
}

#[test]
fn the_tree_is_tidy() {
    let sources = all_sources();
    let mut complaints: Vec<String> =
        sources.iter().flat_map(|source| RULES.iter().flat_map(move |rule| rule(source))).collect();
    complaints.extend(dead_files(&sources));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// Texts that are no Rust speak of no single machine either.
#[test]
fn texts_name_no_machine() {
    let root = root();
    let mut complaints = Vec::new();
    for folder in ["docs", "docs/formats", "configs", "."] {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if path.is_file() && [".md", ".toml", "Makefile", ".json"].iter().any(|end| name.ends_with(end)) {
                complaints.extend(machine_paths(&Source::new(&name, &fs::read_to_string(&path).unwrap())));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// What a rule says of a snippet in a file of that name.
fn judge(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    rule(&Source::new(path, text))
}

#[track_caller]
fn caught(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) {
    assert!(!judge(rule, path, text).is_empty(), "not caught in {path}: {text}");
}

#[track_caller]
fn passed(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) {
    let complaints = judge(rule, path, text);
    assert!(complaints.is_empty(), "{complaints:?} in {path}: {text}");
}
