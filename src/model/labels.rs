//! Label sets: what tells one stamped series from another.
//!
//! A set is sorted by name, names occur once, and an empty value is the same as no label, so none is kept. Clones share
//! everything; a changed set shares the names and values that stayed.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use super::xxhash::xxh64;

/// The label that holds the metric's name.
pub const METRIC_NAME: &str = "__name__";
/// The label that holds the upper bound of a classic histogram's bucket.
pub const BUCKET_LABEL: &str = "le";
/// The label that holds the metric's type, where types are labels.
pub const METRIC_TYPE: &str = "__type__";
/// The label that holds the metric's unit, where units are labels.
pub const METRIC_UNIT: &str = "__unit__";

/// One name and its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The name, never empty.
    pub name: Arc<str>,
    /// The value, never empty.
    pub value: Arc<str>,
}

/// A sorted set of labels, cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Labels(Arc<[Label]>);

static NONE: LazyLock<Labels> = LazyLock::new(|| Labels(Arc::from([])));

impl Labels {
    /// The set without labels.
    pub fn empty() -> Labels {
        NONE.clone()
    }

    /// A set of these pairs: sorted, without empty values, and of equal names the last one.
    pub fn from_pairs<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Labels {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.labels.push(Label { name: name.into(), value: value.into() });
        }
        builder.labels.reverse();
        builder.labels.sort_by(|a, b| a.name.cmp(&b.name));
        builder.labels.dedup_by(|b, a| a.name == b.name);
        builder.labels.retain(|label| !label.value.is_empty());
        builder.build()
    }

    /// A set of labels that are sorted already, with distinct names and without empty values.
    pub fn from_sorted(labels: Vec<Label>) -> Labels {
        debug_assert!(labels.windows(2).all(|pair| pair[0].name < pair[1].name));
        debug_assert!(labels.iter().all(|label| !label.value.is_empty()));
        if labels.is_empty() { Labels::empty() } else { Labels(labels.into()) }
    }

    /// The value of that name, if there is one.
    pub fn get(&self, name: &str) -> Option<&str> {
        // Sets are short: a scan beats a binary search.
        self.0.iter().find(|label| &*label.name == name).map(|label| &*label.value)
    }

    /// The value of that name; empty without one.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// The metric's name; empty without one.
    pub fn metric_name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// Every label, sorted by name.
    pub fn iter(&self) -> std::slice::Iter<'_, Label> {
        self.0.iter()
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels for which `keep` holds.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&Label) -> bool) -> Labels {
        let kept: Vec<Label> = self.0.iter().filter(|label| keep(label)).cloned().collect();
        if kept.len() == self.0.len() { self.clone() } else { Labels::from_sorted(kept) }
    }

    /// The set without the metric's name, type and unit: what is left when a value is no longer that metric.
    #[must_use]
    pub fn without_metadata(&self) -> Labels {
        self.filter(|label| !is_metadata(&label.name))
    }

    /// A builder that starts from this set.
    pub fn edit(&self) -> LabelsBuilder {
        LabelsBuilder { labels: self.0.to_vec() }
    }

    /// Prometheus's hash of the set: XXH64 of its labels, each part with its length before it.
    pub fn prometheus_hash(&self) -> u64 {
        let mut bytes = Vec::with_capacity(256);
        for label in self.iter() {
            for part in [&label.name, &label.value] {
                match part.len() {
                    length @ 0..=254 => bytes.push(length as u8),
                    length => {
                        bytes.push(255);
                        bytes.extend_from_slice(&(length as u32).to_le_bytes()[..3]);
                    }
                }
                bytes.extend_from_slice(part.as_bytes());
            }
        }
        xxh64(&bytes)
    }
}

impl Default for Labels {
    fn default() -> Labels {
        Labels::empty()
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for label in self.iter() {
            state.write(label.name.as_bytes());
            state.write_u8(0xFF);
            state.write(label.value.as_bytes());
            state.write_u8(0xFF);
        }
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Labels) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Labels) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As Prometheus prints it: `{a="b", c="d"}`; the metric's name is a label like the others.
impl fmt::Display for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("{")?;
        for (i, label) in self.iter().enumerate() {
            if i > 0 {
                out.write_str(", ")?;
            }
            if is_plain_name(&label.name) {
                out.write_str(&label.name)?;
            } else {
                write_quoted(out, &label.name)?;
            }
            out.write_str("=")?;
            write_quoted(out, &label.value)?;
        }
        out.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Changes a set of labels, one by one.
#[derive(Debug, Clone, Default)]
pub struct LabelsBuilder {
    /// Sorted, distinct, without empty values.
    labels: Vec<Label>,
}

impl LabelsBuilder {
    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: impl AsRef<str> + Into<Arc<str>>) -> &mut LabelsBuilder {
        let found = self.labels.binary_search_by(|label| (*label.name).cmp(name));
        match (found, value.as_ref().is_empty()) {
            (Ok(at), true) => {
                self.labels.remove(at);
            }
            (Ok(at), false) => self.labels[at].value = value.into(),
            (Err(_), true) => {}
            (Err(at), false) => self.labels.insert(at, Label { name: name.into(), value: value.into() }),
        }
        self
    }

    /// Removes a label, if it is there.
    pub fn remove(&mut self, name: &str) -> &mut LabelsBuilder {
        self.labels.retain(|label| &*label.name != name);
        self
    }

    /// Keeps the labels for which `keep` holds.
    pub fn retain(&mut self, keep: impl FnMut(&Label) -> bool) -> &mut LabelsBuilder {
        self.labels.retain(keep);
        self
    }

    /// The set.
    pub fn build(self) -> Labels {
        Labels::from_sorted(self.labels)
    }
}

/// Whether the label says what the metric is, and not which of its series this is.
pub fn is_metadata(name: &str) -> bool {
    matches!(name, METRIC_NAME | METRIC_TYPE | METRIC_UNIT)
}

/// Whether the name needs no quotes: ASCII letters, digits and underscores, no digit in front.
pub fn is_plain_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Writes a text in double quotes, as Go's `strconv.Quote` does.
pub fn write_quoted(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\u{7}' => out.write_str("\\a")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{b}' => out.write_str("\\v")?,
            // Rust escapes what is not printable just where Go does, spelled otherwise; DEL and below by two digits.
            other if (other as u32) < 0x20 || other == '\u{7f}' => write!(out, "\\x{:02x}", other as u32)?,
            other if other.is_ascii() || is_printable(other) => out.write_char(other)?,
            other if (other as u32) < 0x1_0000 => write!(out, "\\u{:04x}", other as u32)?,
            other => write!(out, "\\U{:08x}", other as u32)?,
        }
    }
    out.write_char('"')
}

fn is_printable(character: char) -> bool {
    // Blanks other than the plain one are not printable in Go. A mark is, though Rust escapes one at a text's start.
    let text: String = ['a', character].iter().collect();
    !character.is_whitespace() && text.escape_debug().nth(1) != Some('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sorted_and_without_empty_values() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="1", b="3"}"#);
        assert_eq!(labels.get("c"), None);
    }

    #[test]
    fn builders_set_and_remove() {
        let labels = Labels::from_pairs([("__name__", "m"), ("b", "2")]);
        let mut builder = labels.edit();
        builder.set("a", "x").set("b", "").set("c", "tab\there");
        let changed = builder.build();
        assert_eq!(changed.to_string(), r#"{__name__="m", a="x", c="tab\there"}"#);
        assert_eq!(changed.without_metadata().to_string(), r#"{a="x", c="tab\there"}"#);
    }

    #[test]
    fn names_that_are_not_plain_are_quoted() {
        let labels = Labels::from_pairs([("a.b", "1"), ("0x", "2"), ("ok", "\u{7f}é\u{a0}")]);
        assert_eq!(labels.to_string(), r#"{"0x"="2", "a.b"="1", ok="\x7fé\u00a0"}"#);
    }

    /// Combining marks were written as escapes, since Rust escapes one that has nothing before it; Go writes them as
    /// they are.
    #[test]
    fn marks_are_printable() {
        let mut out = String::new();
        write_quoted(&mut out, "\u{301}e\u{301}\u{ad}\u{e0001}").unwrap();
        assert_eq!(out, "\"\u{301}e\u{301}\\u00ad\\U000e0001\"");
    }

    #[test]
    fn order_is_by_name_then_value_then_length() {
        let short = Labels::from_pairs([("a", "1")]);
        let long = Labels::from_pairs([("a", "1"), ("b", "1")]);
        let other = Labels::from_pairs([("a", "2")]);
        assert!(short < long && long < other && Labels::empty() < short);
    }
}
