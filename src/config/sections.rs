//! The config file's sections, some of them maybe in files of their own, put together into one document.
//!
//! Like cc-metric-store, a top-level key `NAME-file` names a file that holds the section `NAME`; its path is relative
//! to the working directory. Members that are null count as absent everywhere, except the metrics themselves.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::error::{Location, Problem};
use super::suggest::nearest;
use super::text::{Text, is_yaml, read_text};
use crate::formats::yaml::Lines;

/// The sections that Treering knows.
pub(super) const SECTIONS: [&str; 11] = [
    "main",
    "metrics",
    "metric-store",
    "nats",
    "prometheus",
    "remote-write",
    "rules",
    "server",
    "storage",
    "tls",
    "zstats",
];

/// Files larger than this are refused: nobody writes such a config, and reading a device file by mistake would
/// exhaust memory.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// All sections as one JSON object, with the places they came from.
pub(super) struct Document {
    /// The known sections by name.
    pub value: Value,
    /// The main file.
    file: Source,
    /// The files of those sections that have one.
    section_files: HashMap<&'static str, Source>,
    /// Variables by the pointer that they set.
    variables: HashMap<&'static str, String>,
}

/// A file as problems name it.
struct Source {
    /// Its name as it was given.
    name: String,
    /// Its lines, where they are known.
    lines: Option<Lines>,
}

impl Source {
    fn location(&self, pointer: &str) -> Location {
        let line = self.lines.as_ref().map(|lines| lines.line(pointer));
        Location::File { file: self.name.clone(), pointer: shown(pointer).to_owned(), line }
    }
}

impl Document {
    fn new(name: String) -> Self {
        Document {
            value: Value::Object(Map::new()),
            file: Source { name, lines: None },
            section_files: HashMap::new(),
            variables: HashMap::new(),
        }
    }

    /// Reads a config file and the files that its sections name. What cannot be read is absent from the document and
    /// noted as a problem.
    pub(super) fn read(path: &Path, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) -> Self {
        let mut document = Document::new(path.display().to_string());
        let Some(Text { value, lines }) = read_file(path, &document.file.name, problems) else { return document };
        document.file.lines = lines;
        let Value::Object(members) = value else {
            document.problem(problems, "", "found no object, expected an object with sections".to_owned());
            return document;
        };
        let mut sections = Map::new();
        for (key, mut value) in members.clone() {
            let own_file = key.strip_suffix("-file").and_then(known);
            let section = own_file.or_else(|| known(&key));
            let Some(section) = section else {
                document.unknown(&key, problems, warnings);
                continue;
            };
            if own_file.is_some() {
                if members.contains_key(section) {
                    let text = format!("found both it and the section {section:?}, expected one of them");
                    document.problem(problems, &format!("/{key}"), text);
                    continue;
                }
                let Value::String(name) = value else {
                    document.problem(problems, &format!("/{key}"), "expected the name of a file".to_owned());
                    continue;
                };
                let Some(content) = read_file(Path::new(&name), &name, problems) else { continue };
                value = content.value;
                document.section_files.insert(section, Source { name, lines: content.lines });
            }
            if value.is_null() {
                continue;
            }
            tidy(&mut value, section == "metrics");
            sections.insert(section.to_owned(), value);
        }
        document.value = Value::Object(sections);
        document
    }

    /// A document of one value, whose sections lie in no other files.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn without_files(value: Value, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) -> Self {
        let mut document = Document::new("config.json".to_owned());
        let Value::Object(members) = value else {
            document.problem(problems, "", "found no object, expected an object with sections".to_owned());
            return document;
        };
        let mut sections = Map::new();
        for (key, mut value) in members {
            match known(&key) {
                None => document.unknown(&key, problems, warnings),
                Some(_) if value.is_null() => {}
                Some(section) => {
                    tidy(&mut value, section == "metrics");
                    sections.insert(section.to_owned(), value);
                }
            }
        }
        document.value = Value::Object(sections);
        document
    }

    /// Sets a value that a variable brings; creates its section when there is none. A section that is no object is
    /// left alone: the schema complains about it.
    pub(super) fn set(&mut self, pointer: &'static str, value: Value, variable: String) {
        let Some((section, key)) = pointer.trim_start_matches('/').split_once('/') else { return };
        if let Value::Object(sections) = &mut self.value
            && let Value::Object(members) = sections.entry(section).or_insert_with(|| Value::Object(Map::new()))
        {
            members.insert(key.to_owned(), value);
            self.variables.insert(pointer, variable);
        }
    }

    /// The place that a pointer into the document stands for.
    pub(super) fn location(&self, pointer: &str) -> Location {
        if let Some(variable) = self.variables.get(pointer) {
            return Location::Variable(variable.clone());
        }
        let rest = pointer.strip_prefix('/').unwrap_or(pointer);
        let section = rest.split('/').next().unwrap_or_default();
        match self.section_files.get(section) {
            Some(source) => source.location(&rest[section.len()..]),
            None => self.file.location(pointer),
        }
    }

    fn problem(&self, problems: &mut Vec<Problem>, pointer: &str, text: String) {
        problems.push(Problem { location: self.file.location(pointer), text });
    }

    /// A section that nobody knows: cc-metric-store ignores it, so a file that it shares with other programs must
    /// load. One that looks like a slip of the finger would silently lose its settings, and is an error.
    fn unknown(&self, key: &str, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) {
        if key == "$schema" {
            return;
        }
        match nearest(key.strip_suffix("-file").unwrap_or(key), SECTIONS) {
            Some(section) => {
                let text = format!("unknown section, did you mean {section:?}?");
                self.problem(problems, &format!("/{}", escape(key)), text);
            }
            None => {
                let location = self.file.location(&format!("/{}", escape(key)));
                warnings.push(format!("{location}: unknown section, ignored"));
            }
        }
    }
}

fn known(name: &str) -> Option<&'static str> {
    SECTIONS.into_iter().find(|section| *section == name)
}

/// A key as a token of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A pointer as messages show it: names below tokens are secrets.
pub(super) fn shown(pointer: &str) -> &str {
    let tokens = ["/zstats/tokens/", "/tokens/"].into_iter().find(|tokens| pointer.starts_with(tokens));
    tokens.map_or(pointer, |tokens| &pointer[..tokens.len() - 1])
}

/// Reads a text file of a sane size.
pub(super) fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 64 MiB"));
    }
    Ok(text)
}

fn read_file(path: &Path, file: &str, problems: &mut Vec<Problem>) -> Option<Text> {
    let read = read_bounded(path).map_err(|error| format!("cannot be read: {error}"));
    match read.and_then(|text| read_text(&text, is_yaml(path))) {
        Ok(text) => Some(text),
        Err(text) => {
            let location = Location::File { file: file.to_owned(), pointer: String::new(), line: None };
            problems.push(Problem { location, text });
            None
        }
    }
}

/// Removes null members and turns whole numbers with a point (`60.0`) into integers. The members of `metrics` are
/// kept whatever they are: a metric that is null is a mistake, not an absent one.
fn tidy(value: &mut Value, keep_nulls: bool) {
    match value {
        Value::Object(members) => {
            if !keep_nulls {
                members.retain(|_, member| !member.is_null());
            }
            members.values_mut().for_each(|member| tidy(member, false));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| tidy(item, false)),
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && float.fract() == 0.0
                && float.abs() < EXACT_MAX
            {
                // Below 2^53 every whole float is an integer exactly.
                *value = Value::from(float as i64);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
