//! What must hold for any bytes whatsoever, for fuzzers and property tests.

use super::split::{careful, common};
use super::{LineError, lines, metric_of, parse_key, seconds, split, whole_lines_len};

/// Reads `data` as lines and panics when an invariant of this module is broken.
#[expect(clippy::panic, reason = "a broken invariant is what a fuzz target reports")]
pub fn fuzz(data: &[u8]) {
    let whole = whole_lines_len(data);
    let (head, tail) = data.split_at(whole);
    assert!(lines(data).eq(lines(head).chain(lines(tail))), "a cut behind a whole line changes nothing");
    for line in lines(data) {
        let slow = careful(line);
        if let Some(fast) = common(line) {
            match &slow {
                Ok(Some(slow)) => {
                    assert_eq!(
                        (fast.key, fast.value.to_bits(), fast.time),
                        (slow.key, slow.value.to_bits(), slow.time)
                    );
                }
                _ => panic!("only the common way takes {line:?}: {slow:?}"),
            }
        }
        match split(line) {
            Ok(None) => {}
            Ok(Some(split)) => {
                assert!(split.value.is_finite());
                assert!(!split.key.is_empty());
                assert!(split.time.is_none_or(|raw| seconds(raw).abs() <= raw.saturating_abs()));
                check_key(split.key);
            }
            Err(error) => check_reason(&error),
        }
        super::differential::agree(line);
        // Any bytes may be offered as a key.
        check_key(line);
    }
}

fn check_key(key: &[u8]) {
    match parse_key(key) {
        Ok(parsed) => {
            assert!(!parsed.metric.is_empty());
            assert_eq!(metric_of(key), Some(parsed.metric));
        }
        Err(error) => check_reason(&error),
    }
}

fn check_reason(error: &LineError) {
    let reason = error.to_string();
    assert!(reason.len() < 512 && !reason.chars().any(char::is_control), "{reason}");
}
