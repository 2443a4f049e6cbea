//! Flags and sub-commands.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::harness::{Config, FORMATS, How, Line, Store, T0, binary};

fn run(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_version_is_told() {
    for flag in ["-version", "--version", "-version=true"] {
        let output = run(&[flag]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{flag}: {output:?}");
        assert!(text.contains(env!("CARGO_PKG_VERSION")), "{flag}: {text:?}");
    }
}

#[test]
fn help_is_worth_reading() {
    for flag in ["-help", "--help", "-h"] {
        let output = run(&[flag]);
        assert!(output.status.success(), "{flag}: {output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for word in ["-config", "-dev", "-loglevel", "-logdate", "-version", "-gops", "-cleanup-checkpoints"] {
            assert!(text.contains(word), "{flag} does not name {word}:\n{text}");
        }
        for command in ["demo", "inspect", "convert", "bench", "schema"] {
            assert!(text.contains(command), "{flag} does not name {command}:\n{text}");
        }
    }
    for command in ["demo", "inspect", "convert", "bench"] {
        let output = run(&[command, "--help"]);
        assert!(output.status.success() && output.stdout.len() > 200, "{command}: {output:?}");
    }
}

#[test]
fn unknown_flags_are_errors() {
    for arguments in [&["-nosuch"][..], &["nosuch"], &["-loglevel", "loud"], &["-config"]] {
        let output = run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

/// Unit files of cc-metric-store have the flags in every spelling that Go accepts.
#[test]
fn flags_are_read_as_go_reads_them() {
    for flags in
        [&["--logdate", "-dev=false"][..], &["-logdate=true", "--gops"], &["-loglevel=debug"], &["--loglevel", "err"]]
    {
        let store = Store::start_with(Config::new("native"), flags);
        store.get("/-/healthy").expect_status(200);
        store.get("/swagger/").expect_status(404);
    }
}

/// Cron jobs call it beside a store that is down.
#[test]
fn checkpoints_can_be_cleaned_up_offline() {
    for format in FORMATS {
        let mut store = Store::start(Config::new(format));
        store.write((0..50).map(|k| Line::new("mem_used", "a1", k as f64, T0 + 60 * k)));
        store.stop(How::Term);
        // Nothing is older than fifty years: all stays.
        let output = Command::new(binary())
            .args(["-config", "config.json", "-cleanup-checkpoints"])
            .current_dir(store.dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{format}: {output:?}");
        store.resume();
        assert_eq!(store.values("a1", "mem_used", T0, T0 + 3000).len(), 50, "{format}");
    }
}

#[test]
fn inspect_prints_every_file() {
    for format in FORMATS {
        let mut store = Store::start(Config::new(format));
        store.write((0..50).map(|k| Line::new("mem_used", "inspected-host", k as f64, T0 + 60 * k)));
        for how in [How::Kill, How::Term] {
            store.stop(how);
            let files = store.files("var/checkpoints");
            let mut named = false;
            for file in files.iter().filter(|file| fs::metadata(file).unwrap().len() > 0) {
                let output = run(&["inspect", file.to_str().unwrap()]);
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(output.status.success() && !text.is_empty(), "{format}, {file:?}: {output:?}");
                named |= text.contains("mem_used");
            }
            assert!(named, "{format} after {how:?}: nothing in {files:?} names the metric");
            store.resume();
        }
    }
    let text_file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert!(!run(&["inspect", text_file]).status.success());
    assert!(!run(&["inspect", "/nonexistent"]).status.success());
}
