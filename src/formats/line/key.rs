//! Stage 2: a key comes apart into metric and tags.
//!
//! Done once for every distinct key. All of the key is checked here, tags that mean nothing to us included, so a key
//! that passes holds UTF-8 without control characters and no empty names.

use std::borrow::Cow;

use super::error::{Excerpt, LineError};
use super::split::{key_len, skip_blanks};

/// What a key says. Escapes are resolved; of a tag that occurs twice the last one counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Key<'a> {
    /// The metric's name, never empty.
    pub metric: Cow<'a, str>,
    /// Tag `cluster`.
    pub cluster: Option<Cow<'a, str>>,
    /// Tag `hostname` or `host`; empty when there is none.
    pub host: Cow<'a, str>,
    /// Tag `type`, `node` as any other; empty when there is none.
    pub kind: Cow<'a, str>,
    /// Tag `type-id`; empty when there is none.
    pub id: Cow<'a, str>,
    /// Tag `stype`; empty when there is none.
    pub sub_kind: Cow<'a, str>,
    /// Tag `stype-id`; empty when there is none.
    pub sub_id: Cow<'a, str>,
}

/// Takes apart a key that [`split`](super::split) gave.
///
/// The names are not yet safe as file names: `cluster` and `host` may hold `..`, slashes, backslashes and NUL.
///
/// # Errors
///
/// Bytes that are no UTF-8, control characters, an empty metric, an empty name or value of a tag, a tag without `=`.
pub fn parse_key(key: &[u8]) -> Result<Key<'_>, LineError> {
    let text = std::str::from_utf8(key)
        .map_err(|error| LineError::NotUtf8 { found: Excerpt::of(&key[error.valid_up_to()..]) })?;
    let (metric, mut rest) = text.split_at(token_len(text, METRIC_STOPS));
    let wrong = |expected| LineError::Metric { found: Excerpt::of(text.as_bytes()), expected };
    if metric.is_empty() {
        return Err(wrong("a metric's name at the start of the line"));
    }
    if metric.bytes().any(is_control) {
        return Err(wrong("no control character in a metric's name"));
    }
    let mut parsed = Key { metric: unescape(metric, METRIC_STOPS), ..Key::default() };
    while !rest.is_empty() {
        let Some(tag) = rest.strip_prefix(',') else {
            return Err(LineError::Tag { found: Excerpt::of(rest.as_bytes()), expected: "a comma before it" });
        };
        rest = take_tag(tag, &mut parsed)?;
    }
    Ok(parsed)
}

/// The metric's name of a line that [`split`](super::split) or [`parse_key`] refused, as far as it has a proper one. A
/// line whose metric is not configured is nobody's error, whatever else stands in it: collectors send events and logs
/// with string fields on the same subjects.
pub fn metric_of(line: &[u8]) -> Option<Cow<'_, str>> {
    let line = skip_blanks(line);
    let line = &line[..key_len(line)];
    let end = (0..line.len()).find(|&at| line[at] == b',' && (at == 0 || line[at - 1] != b'\\')).unwrap_or(line.len());
    let metric = std::str::from_utf8(&line[..end]).ok()?;
    let is_proper = !metric.is_empty() && !metric.bytes().any(is_control);
    is_proper.then(|| unescape(metric, METRIC_STOPS))
}

/// Reads the tag at the start of `text` into `parsed`; gives what follows it.
fn take_tag<'a>(text: &'a str, parsed: &mut Key<'a>) -> Result<&'a str, LineError> {
    let (name, rest) = text.split_at(token_len(text, STOPS));
    let whole = &text[..token_len(text, METRIC_STOPS)];
    let wrong = |expected| LineError::Tag { found: Excerpt::of(whole.as_bytes()), expected };
    let Some(rest) = rest.strip_prefix('=') else {
        return Err(wrong("a name, \"=\" and a value"));
    };
    if name.is_empty() {
        return Err(wrong("a name before \"=\""));
    }
    let (value, rest) = rest.split_at(token_len(rest, STOPS));
    if value.is_empty() {
        return Err(wrong("a value behind \"=\""));
    }
    if rest.starts_with('=') {
        return Err(wrong("a backslash before the second \"=\""));
    }
    // No escape gives a letter: a name that is written otherwise is not one of ours.
    let mut may_hold_nul = false;
    match name {
        "cluster" => {
            may_hold_nul = true;
            parsed.cluster = Some(unescape(value, STOPS));
        }
        "hostname" | "host" => {
            may_hold_nul = true;
            parsed.host = unescape(value, STOPS);
        }
        "type" => parsed.kind = unescape(value, STOPS),
        "type-id" => parsed.id = unescape(value, STOPS),
        "stype" => parsed.sub_kind = unescape(value, STOPS),
        "stype-id" => parsed.sub_id = unescape(value, STOPS),
        _ => {}
    }
    // A NUL there makes the name unfit as a directory, which is for the caller to judge, like `..` and slashes.
    if name.bytes().any(is_control) || value.bytes().any(|byte| is_control(byte) && !(may_hold_nul && byte == 0)) {
        return Err(wrong("no control character"));
    }
    Ok(rest)
}

/// The length of the text before the first of `stops` that has no backslash before it. All of them are ASCII, so it is
/// a character's boundary.
fn token_len(text: &str, stops: &[u8]) -> usize {
    let bytes = text.as_bytes();
    (0..bytes.len())
        .find(|&at| stops.contains(&bytes[at]) && (at == 0 || bytes[at - 1] != b'\\'))
        .unwrap_or(bytes.len())
}

/// The text without the backslashes before `escapable` bytes. Every other backslash stands for itself, one before a
/// backslash as well.
fn unescape<'a>(text: &'a str, escapable: &[u8]) -> Cow<'a, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, behind) = rest.split_at(at);
        let behind = &behind[1..];
        plain.push_str(before);
        match behind.bytes().next() {
            Some(byte) if escapable.contains(&byte) => {
                plain.push(char::from(byte));
                rest = &behind[1..];
            }
            _ => {
                plain.push('\\');
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

fn is_control(byte: u8) -> bool {
    byte < b' ' || byte == 0x7f
}

/// What ends a metric's name, and can be escaped in it.
const METRIC_STOPS: &[u8] = b", ";

/// What ends the name and the value of a tag, and can be escaped in them.
const STOPS: &[u8] = b",= ";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn key(text: &str) -> Key<'_> {
        parse_key(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    #[track_caller]
    fn assert_reason(key: &[u8], reason: &str) {
        assert_eq!(parse_key(key).unwrap_err().to_string(), reason, "{key:?}");
    }

    #[test]
    fn tags_come_in_any_order_and_others_are_ignored() {
        let expected = Key {
            metric: "flops_any".into(),
            cluster: Some("alex".into()),
            host: "a0001".into(),
            kind: "hwthread".into(),
            id: "12".into(),
            sub_kind: "disk".into(),
            sub_id: "sda".into(),
        };
        for text in [
            "flops_any,cluster=alex,hostname=a0001,type=hwthread,type-id=12,stype=disk,stype-id=sda",
            "flops_any,stype-id=sda,type-id=12,unit=F/s,host=a0001,type=hwthread,room=b2,stype=disk,cluster=alex",
        ] {
            let parsed = key(text);
            assert_eq!(parsed, expected);
            assert!(matches!(parsed.host, Cow::Borrowed(_)), "no copy without escapes");
        }
    }

    #[test]
    fn missing_tags_are_empty_and_a_missing_cluster_is_none() {
        assert_eq!(key("load"), Key { metric: "load".into(), ..Key::default() });
        assert_eq!(key("load,type=node").kind, "node");
    }

    #[test]
    fn the_last_of_equal_tags_wins() {
        let parsed = key("load,cluster=a,hostname=b,host=c,cluster=d,type=core,type=socket");
        assert_eq!((parsed.cluster.as_deref(), &*parsed.host, &*parsed.kind), (Some("d"), "c", "socket"));
    }

    #[test]
    fn escapes_are_resolved_as_in_the_reference() {
        let parsed = key(r"my\ cpu\,load\=x=y,clu\ ster=x,cluster=a\,b,host=c\ d\=e\\f,type=\\\,g\,h\");
        assert_eq!(parsed.metric, r"my cpu,load\=x=y", "no escape of = in a metric");
        assert_eq!(parsed.cluster.as_deref(), Some("a,b"));
        assert_eq!(parsed.host, r"c d=e\\f", "a backslash escapes no backslash");
        assert_eq!(parsed.kind, r"\\,g,h\");
    }

    #[test]
    fn names_that_would_leave_a_directory_are_the_callers_to_judge() {
        let parsed = key("load,cluster=../../etc,hostname=a\\b\0");
        assert_eq!((parsed.cluster.as_deref(), &*parsed.host), (Some("../../etc"), "a\\b\0"));
    }

    #[test]
    fn bad_keys_get_a_reason() {
        assert_reason(b"load,hostname=", r#"tag "hostname=": expected a value behind "=""#);
        assert_reason(b"load,hostname=,type=node", r#"tag "hostname=": expected a value behind "=""#);
        assert_reason(b"load,room=", r#"tag "room=": expected a value behind "=""#);
        assert_reason(b"load,=a", r#"tag "=a": expected a name before "=""#);
        assert_reason(b"load,host", r#"tag "host": expected a name, "=" and a value"#);
        assert_reason(b"load,host,type=node", r#"tag "host": expected a name, "=" and a value"#);
        assert_reason(b"load,", r#"tag "": expected a name, "=" and a value"#);
        assert_reason(b"load,,host=a", r#"tag "": expected a name, "=" and a value"#);
        assert_reason(b"load,host=a,", r#"tag "": expected a name, "=" and a value"#);
        assert_reason(b"load,host=a=b", r#"tag "host=a=b": expected a backslash before the second "=""#);
        assert_reason(b"load,host=a\tb", r#"tag "host=a\tb": expected no control character"#);
        assert_reason(b"load,type=a\0", r#"tag "type=a\0": expected no control character"#);
        assert_reason(b"load,ro\x7fom=b", r#"tag "ro\u{7f}om=b": expected no control character"#);
        assert_reason(b"", r#""": expected a metric's name at the start of the line"#);
        assert_reason(b",host=a", r#"",host=a": expected a metric's name at the start of the line"#);
        assert_reason(b"lo\x01ad,host=a", r#""lo\u{1}ad,host=a": expected no control character in a metric's name"#);
        assert_reason(b"load,host=a\xff,type=node", r#""\xff,type=node": expected UTF-8"#);
        assert_reason(b"load,host=a b", r#"tag " b": expected a comma before it"#);
    }

    #[test]
    fn refused_lines_still_name_their_metric() {
        assert_eq!(metric_of(b"  slurm_job,host=a event=\"x y\"").as_deref(), Some("slurm_job"));
        assert_eq!(metric_of(b"my\\ job\\,x,host= v").as_deref(), Some("my job,x"));
        assert_eq!(metric_of(b"load,host=\xff value=1").as_deref(), Some("load"));
        assert_eq!(metric_of(b"load").as_deref(), Some("load"));
        assert_eq!(metric_of(b",host=a value=1"), None);
        assert_eq!(metric_of(b"lo\xffad value=1"), None);
        assert_eq!(metric_of(b"lo\tad value=1"), None);
        assert_eq!(metric_of(b""), None);
    }
}
