//! The form of a rule file: what keys there are, and what their values look like.

use serde_json::{Map, Value};

use crate::disk::Disk;
use crate::formats::yaml::{Lines, TEXT_BYTES_MAX, parse_texts};
use crate::promql::parse::{ParseOptions, parse_duration_ms};

use super::check;
use super::error::FileError;
use super::spec::GroupSpec;

/// Rules in one file.
const RULES_MAX: usize = 20_000;

/// Reads and checks a rule file.
pub fn read_file(disk: &dyn Disk, file: &str, options: &ParseOptions) -> Result<Vec<GroupSpec>, Vec<FileError>> {
    let mut bytes = Vec::new();
    let read = disk.open(std::path::Path::new(file)).and_then(|opened| {
        std::io::Read::read_to_end(&mut std::io::Read::take(opened, TEXT_BYTES_MAX as u64 + 1), &mut bytes)
    });
    if let Err(error) = read {
        return Err(vec![FileError::whole(file, format_args!("cannot be read: {error}"))]);
    }
    match String::from_utf8(bytes) {
        Ok(text) => read_text(file, &text, options),
        Err(_) => Err(vec![FileError::whole(file, "cannot be read: no valid UTF-8")]),
    }
}

/// Reads and checks the text of a rule file.
pub fn read_text(file: &str, text: &str, options: &ParseOptions) -> Result<Vec<GroupSpec>, Vec<FileError>> {
    let yaml = parse_texts(text).map_err(|error| {
        vec![FileError {
            file: file.to_owned(),
            place: Some((error.line, error.column)),
            text: format!("yaml: {}", error.text),
        }]
    })?;
    let mut reader = Reader { file, errors: Vec::new() };
    let groups = reader.groups(&yaml.value, &yaml.lines);
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    check::check(file, groups, options)
}

/// A group as it is written.
pub(super) struct GroupText {
    pub name: String,
    pub interval_ms: Option<i64>,
    pub query_offset_ms: Option<i64>,
    pub limit: u64,
    pub labels: Vec<Pair>,
    pub rules: Vec<RuleText>,
    pub place: (usize, usize),
}

/// A rule as it is written; what is missing is empty.
pub(super) struct RuleText {
    pub record: Text,
    pub alert: Text,
    pub expr: Text,
    pub hold_ms: i64,
    pub keep_firing_ms: i64,
    pub labels: Vec<Pair>,
    pub annotations: Vec<Pair>,
    pub place: (usize, usize),
}

/// A text and its place; without one, the place of what it is missing from.
#[derive(Clone)]
pub(super) struct Text {
    pub text: String,
    pub place: (usize, usize),
}

/// A name and what it stands for.
pub(super) struct Pair {
    pub name: String,
    pub value: String,
    pub place: (usize, usize),
}

struct Reader<'f> {
    file: &'f str,
    errors: Vec<FileError>,
}

impl Reader<'_> {
    fn wrong(&mut self, place: (usize, usize), text: String) {
        self.errors.push(FileError { file: self.file.to_owned(), place: Some(place), text });
    }

    fn groups(&mut self, value: &Value, lines: &Lines) -> Vec<GroupText> {
        let Some(members) = self.object(value, lines, "rulefmt.RuleGroups", &["groups"]) else { return Vec::new() };
        let mut groups = Vec::new();
        let mut rules = 0;
        self.each(members.get("groups"), lines.inside("groups"), |reader, value, lines| {
            let group = reader.group(value, lines);
            rules += group.as_ref().map_or(0, |group| group.rules.len());
            if rules > RULES_MAX {
                reader.wrong(lines.begin(), format!("found more than {RULES_MAX} rules in one file"));
                return;
            }
            groups.extend(group);
        });
        groups
    }

    fn group(&mut self, value: &Value, lines: &Lines) -> Option<GroupText> {
        let keys = ["name", "interval", "query_offset", "limit", "rules", "labels"];
        let members = self.object(value, lines, "rulefmt.RuleGroup", &keys)?;
        let limit = self.text(members, lines, "limit");
        let limit_number = match limit.text.as_str() {
            "" => Some(0),
            // A negative limit is none, as in Prometheus.
            text => text.parse::<i64>().ok().map(|limit| limit.max(0).unsigned_abs()),
        };
        if limit_number.is_none() {
            self.wrong(limit.place, format!("cannot unmarshal !!str `{}` into int", limit.text));
        }
        let mut rules = Vec::new();
        self.each(members.get("rules"), lines.inside("rules"), |reader, value, lines| {
            rules.extend(reader.rule(value, lines));
        });
        Some(GroupText {
            name: self.text(members, lines, "name").text,
            // 0 is the usual interval.
            interval_ms: self.duration(members, lines, "interval").filter(|&ms| ms > 0),
            query_offset_ms: self.duration(members, lines, "query_offset"),
            limit: limit_number.unwrap_or(0),
            labels: self.pairs(members, lines, "labels"),
            rules,
            place: lines.begin(),
        })
    }

    fn rule(&mut self, value: &Value, lines: &Lines) -> Option<RuleText> {
        let keys = ["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];
        let members = self.object(value, lines, "rulefmt.Rule", &keys)?;
        Some(RuleText {
            record: self.text(members, lines, "record"),
            alert: self.text(members, lines, "alert"),
            expr: self.text(members, lines, "expr"),
            hold_ms: self.duration(members, lines, "for").unwrap_or(0),
            keep_firing_ms: self.duration(members, lines, "keep_firing_for").unwrap_or(0),
            labels: self.pairs(members, lines, "labels"),
            annotations: self.pairs(members, lines, "annotations"),
            place: lines.begin(),
        })
    }

    /// The members of an object; null is one without members.
    fn object<'v>(
        &mut self,
        value: &'v Value,
        lines: &Lines,
        kind: &str,
        keys: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        let members = match value {
            Value::Object(members) => members,
            Value::Null => &NONE,
            other => {
                self.wrong(lines.begin(), format!("cannot unmarshal {} into {kind}", tag(other)));
                return None;
            }
        };
        for key in members.keys().filter(|key| !keys.contains(&key.as_str())) {
            let line = lines.inside(key).map_or(lines.begin().0, Lines::own_line);
            self.wrong((line, lines.begin().1), format!("field {key} not found in type {kind}"));
        }
        Some(members)
    }

    /// Calls `take` for each item of a list; null and a missing list have none.
    fn each(&mut self, value: Option<&Value>, lines: Option<&Lines>, mut take: impl FnMut(&mut Self, &Value, &Lines)) {
        let (Some(value), Some(lines)) = (value, lines) else { return };
        match value {
            Value::Null => {}
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    take(self, item, lines.inside(&at.to_string()).unwrap_or(lines));
                }
            }
            other => self.wrong(lines.begin(), format!("cannot unmarshal {} into a list", tag(other))),
        }
    }

    fn text(&mut self, members: &Map<String, Value>, lines: &Lines, key: &str) -> Text {
        let place = lines.inside(key).map_or(lines.begin(), Lines::begin);
        let text = match members.get(key) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                self.wrong(place, format!("cannot unmarshal {} into string", tag(other)));
                String::new()
            }
        };
        Text { text, place }
    }

    fn duration(&mut self, members: &Map<String, Value>, lines: &Lines, key: &str) -> Option<i64> {
        let Text { text, place } = self.text(members, lines, key);
        if text.is_empty() && !members.get(key).is_some_and(Value::is_string) {
            return None;
        }
        parse_duration_ms(&text).map_err(|error| self.wrong(place, error)).ok()
    }

    fn pairs(&mut self, members: &Map<String, Value>, lines: &Lines, key: &str) -> Vec<Pair> {
        let (Some(value), Some(lines)) = (members.get(key), lines.inside(key)) else { return Vec::new() };
        let pairs = match value {
            Value::Null => return Vec::new(),
            Value::Object(pairs) => pairs,
            other => {
                self.wrong(lines.begin(), format!("cannot unmarshal {} into map[string]string", tag(other)));
                return Vec::new();
            }
        };
        let pair = |name: &String| {
            let Text { text, place } = self.text(pairs, lines, name);
            Pair { name: name.clone(), value: text, place }
        };
        pairs.keys().map(pair).collect()
    }
}

/// What YAML calls a value.
fn tag(value: &Value) -> String {
    match value {
        Value::Array(_) => "!!seq".to_owned(),
        Value::Object(_) => "!!map".to_owned(),
        Value::String(text) => format!("!!str `{}`", text.chars().take(40).collect::<String>()),
        Value::Null => "!!null".to_owned(),
        Value::Bool(_) => "!!bool".to_owned(),
        Value::Number(_) => "!!int".to_owned(),
    }
}
