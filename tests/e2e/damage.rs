//! Files that a crash or a bad disk has damaged: what is whole in them is kept, and nothing else suffers.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use crate::harness::{Config, How, Line, Store, T0, in_each_form};

in_each_form! { garbage_behind_a_log  a_log_cut_short  one_damaged_checkpoint_stops_no_other }

const TICKS: i64 = 50;

fn write(store: &Store, host: &str, ticks: std::ops::Range<i64>) {
    for k in ticks {
        store.write([Line::new("mem_used", host, k as f64, T0 + 60 * k)]);
    }
}

fn values(store: &Store, host: &str) -> Vec<f64> {
    store.values(host, "mem_used", T0, T0 + 60 * 10 * TICKS)
}

fn range(from: i64, to: i64) -> Vec<f64> {
    (from..to).map(|k| k as f64).collect()
}

/// The files that hold the log, when nothing but a log has been written yet.
fn logs(store: &Store, format: &str) -> Vec<PathBuf> {
    let mut files = match format {
        "native" => store.files("var/checkpoints/.treering"),
        _ => store.files("var/checkpoints/alex"),
    };
    files.retain(|path| !path.to_string_lossy().contains("/state/") && fs::metadata(path).unwrap().len() > 200);
    assert!(!files.is_empty(), "no log among {:?}", store.files("var/checkpoints"));
    files
}

/// The power went while a record was being written. The next records must not land behind the torn one, where nobody
/// would find them.
fn garbage_behind_a_log(format: &str) {
    for garbage in [&b"\xA1\xA7\x1D\xCC\x40\0\0\0ab"[..], b"\xA1", &[0; 4096], b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"]
    {
        let mut store = Store::start(Config::new(format));
        write(&store, "a1", 0..TICKS);
        write(&store, "a2", 0..TICKS);
        store.stop(How::Kill);
        for path in logs(&store, format) {
            OpenOptions::new().append(true).open(&path).unwrap().write_all(garbage).unwrap();
        }
        store.resume();
        assert_eq!(values(&store, "a1"), range(0, TICKS), "with {garbage:02x?}");
        write(&store, "a1", TICKS..TICKS + 5);
        for how in [How::Kill, How::Term, How::Kill] {
            store.restart(how);
            assert_eq!(values(&store, "a1"), range(0, TICKS + 5), "after {how:?} with {garbage:02x?}");
            assert_eq!(values(&store, "a2"), range(0, TICKS), "after {how:?} with {garbage:02x?}");
        }
    }
}

/// The last record of each log is incomplete: it alone is lost.
fn a_log_cut_short(format: &str) {
    let mut store = Store::start(Config::new(format));
    write(&store, "a1", 0..TICKS);
    store.stop(How::Kill);
    for path in logs(&store, format) {
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 3).unwrap();
    }
    store.resume();
    assert_eq!(values(&store, "a1"), range(0, TICKS - 1));
    write(&store, "a1", TICKS - 1..TICKS + 5);
    store.restart(How::Kill);
    assert_eq!(values(&store, "a1"), range(0, TICKS + 5));
}

/// A sector went bad below one checkpoint. The store must start, answer for everybody else, say what it could not
/// read, and keep the file for those who can.
fn one_damaged_checkpoint_stops_no_other(format: &str) {
    const HOSTS: usize = 64;
    let mut store = Store::start(Config::new(format));
    let name = |host: usize| format!("a{host:02}");
    for host in 0..HOSTS {
        store.write((0..TICKS).map(|k| Line::new("mem_used", name(host), k as f64, T0 + 60 * k)));
    }
    store.stop(How::Term);
    let victim = match format {
        // The largest of the snapshots, which are all that a checkpoint leaves.
        "native" => store
            .files("var/checkpoints/.treering")
            .into_iter()
            .filter(|path| !path.to_string_lossy().contains("/state/"))
            .max_by_key(|path| fs::metadata(path).unwrap().len())
            .unwrap(),
        _ => store
            .files("var/checkpoints/alex/a07")
            .into_iter()
            .find(|path| path.extension().is_some_and(|extension| extension == "bin" || extension == "json"))
            .unwrap(),
    };
    let mut bytes = fs::read(&victim).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].iter_mut().take(64).for_each(|byte| *byte ^= 0xA5);
    if format != "native" {
        // These have no checksums: only what cannot be read at all is known to be damaged.
        bytes.truncate(middle);
    }
    fs::write(&victim, &bytes).unwrap();
    store.resume();
    let whole = (0..HOSTS).filter(|host| values(&store, &name(*host)) == range(0, TICKS)).count();
    // One shard of sixteen, or one host.
    let expected = if format == "native" { HOSTS / 2 } else { HOSTS - 1 };
    assert!(whole >= expected && whole < HOSTS, "{whole} hosts of {HOSTS} are whole, with damage in {victim:?}");
    assert!(store.metrics().sum("treering_recovery_damage_total", "") >= 1.0);
    let told = victim.file_name().unwrap().to_str().unwrap();
    assert!(store.log().contains(told), "the log does not name {told}:\n{}", store.log());
    // It works on, and the damage does not spread at the next checkpoint.
    write(&store, "a07", TICKS..TICKS + 1);
    store.restart(How::Term);
    assert_eq!(values(&store, "a07").last(), Some(&(TICKS as f64)));
    let again = (0..HOSTS).filter(|host| *host != 7 && values(&store, &name(*host)) == range(0, TICKS)).count();
    assert!(again + 1 >= whole, "{again} of {whole}");
    let kept = store.files("var/checkpoints").into_iter().any(|path| fs::read(path).unwrap() == bytes);
    assert!(kept, "the damaged file was deleted");
}
