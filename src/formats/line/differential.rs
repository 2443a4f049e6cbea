//! The parser against the crate `influxdb-line-protocol`, and against any bytes.
//!
//! Where both accept a line they agree on every part of it. Known differences, all of them the reference's ways:
//!
//! | text | here | there |
//! | --- | --- | --- |
//! | `\\` in a name | two backslashes | one |
//! | `,` in a tag's name, `=` in its value, without a backslash | refused | accepted |
//! | control characters in a name | refused | accepted, but for tab, newline and a metric's NUL |
//! | a backslash at the end of a name | itself | refused |
//! | tabs before and between the parts | refused | accepted before the line |
//! | carriage return at the end | dropped | refused |
//! | `1.`, `.5`, `0x1p3`, `1_000` | accepted | refused |
//! | `1e400` | refused | infinite |

use influxdb_line_protocol::{FieldValue, parse_lines};

use super::{parse_key, split};

/// What a line says: metric, the tags that mean something (sorted, without their empty values), value, time.
type Meaning = (String, Vec<(&'static str, String)>, u64, Option<i64>);

const TAGS: [&str; 7] = ["cluster", "host", "hostname", "stype", "stype-id", "type", "type-id"];

fn ours(line: &str) -> Option<Meaning> {
    let split = split(line.as_bytes()).ok()??;
    let key = parse_key(split.key).ok()?;
    let mut tags = vec![
        ("cluster", key.cluster.unwrap_or_default()),
        ("hostname", key.host),
        ("stype", key.sub_kind),
        ("stype-id", key.sub_id),
        ("type", key.kind),
        ("type-id", key.id),
    ];
    tags.retain(|(_, value)| !value.is_empty());
    let tags = tags.into_iter().map(|(name, value)| (name, value.into_owned())).collect();
    Some((key.metric.into_owned(), tags, split.value.to_bits(), split.time))
}

fn theirs(line: &str) -> Option<Meaning> {
    let mut parsed = parse_lines(line).collect::<Result<Vec<_>, _>>().ok()?;
    let line = parsed.pop().filter(|_| parsed.is_empty())?;
    let mut value = None;
    for (name, field) in &line.field_set {
        if *name != "value" {
            return None;
        }
        value = Some(match field {
            FieldValue::F64(value) if value.is_finite() => *value,
            FieldValue::I64(value) => *value as f64,
            FieldValue::U64(value) => *value as f64,
            _ => return None,
        });
    }
    let mut tags: Vec<(&str, String)> = Vec::new();
    for (name, value) in line.series.tag_set.iter().flatten() {
        let Some(&name) = TAGS.iter().find(|known| *name == **known) else { continue };
        let name = if name == "host" { "hostname" } else { name };
        tags.retain(|(known, _)| *known != name);
        tags.push((name, value.to_string()));
    }
    tags.sort();
    Some((line.series.measurement.to_string(), tags, value?.to_bits(), line.timestamp))
}

/// Panics when both accept a line and take it for something different.
pub(super) fn agree(line: &[u8]) {
    // Two backslashes are one of the known differences.
    let Ok(line) = std::str::from_utf8(line) else { return };
    if line.contains(r"\\") {
        return;
    }
    if let (Some(ours), Some(theirs)) = (ours(line), theirs(line)) {
        assert_eq!(ours, theirs, "{line:?}");
    }
}

#[cfg(test)]
mod tests;
