//! Components that fall silent: what their node's sum says.

use crate::harness::{Config, How, Line, Series, Store, T0, in_each_form};

const THREADS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];
const TICKS: i64 = 120;

in_each_form! { silent_for_one_slot  silent_for_an_hour  silent_to_the_end  silent_from_the_beginning }

/// Four hwthreads over two hours; the third one sends nothing at the ticks that `silent` names.
fn sum(format: &str, silent: impl Fn(i64) -> bool) -> Series {
    let mut store = Store::start(Config::new(format));
    let mut lines = Vec::new();
    for k in 0..TICKS {
        for (thread, value) in THREADS.iter().enumerate() {
            if thread != 2 || !silent(k) {
                lines.push(Line::new("flops_any", "a1", *value, T0 + 60 * k).of("hwthread", thread));
            }
        }
    }
    store.write(lines);
    let ask = |store: &Store| store.series("a1", "flops_any", T0, T0 + 60 * TICKS).unwrap();
    let before = ask(&store);
    for how in [How::Kill, How::Term] {
        store.restart(how);
        assert_eq!(ask(&store), before, "after {how:?}");
    }
    assert_eq!(before.to, before.from + 60 * i64::try_from(before.data.len()).unwrap());
    before
}

/// All four, of which the third one is missing.
const WITHOUT: f64 = 1011.0;
const WHOLE: f64 = 1111.0;

/// A sum that silently lacks a part is wrong: better none for that minute. It must not take the whole answer away.
fn silent_for_one_slot(format: &str) {
    let series = sum(format, |k| k == 10);
    let expected: Vec<Option<f64>> = (0..TICKS).map(|k| (k != 10).then_some(WHOLE)).collect();
    assert_eq!((series.from, series.data), (T0, expected));
}

/// A thread that is silent for long is gone: after five slots the node's sum goes on without it.
fn silent_for_an_hour(format: &str) {
    let series = sum(format, |k| (30..90).contains(&k));
    let expected: Vec<Option<f64>> = (0..TICKS)
        .map(|k| match k {
            30..35 => None,
            35..90 => Some(WITHOUT),
            _ => Some(WHOLE),
        })
        .collect();
    assert_eq!((series.from, series.data), (T0, expected));
}

/// The newest slots, in which not everybody has spoken yet, are no part of the answer; and when one will never speak
/// again, the answer goes on after five slots.
fn silent_to_the_end(format: &str) {
    let series = sum(format, |k| k >= TICKS - 3);
    assert_eq!(series.data, vec![Some(WHOLE); usize::try_from(TICKS - 3).unwrap()]);
    let series = sum(format, |k| k >= TICKS - 10);
    let expected: Vec<Option<f64>> = (0..TICKS)
        .map(|k| match k {
            0..110 => Some(WHOLE),
            110..115 => None,
            _ => Some(WITHOUT),
        })
        .collect();
    assert_eq!(series.data, expected);
}

/// Before its first sample a component is absent, however long: it spoils nothing.
fn silent_from_the_beginning(format: &str) {
    let series = sum(format, |k| k < 3);
    let expected: Vec<Option<f64>> = (0..TICKS).map(|k| Some(if k < 3 { WITHOUT } else { WHOLE })).collect();
    assert_eq!((series.from, series.data), (T0, expected));
}
