//! YAML 1.2 as JSON: a document becomes the JSON value that means the same, and every value keeps its place.
//!
//! Invariant: what a document costs is bounded before it is built. Text, values, depth, and what aliases and anchors
//! copy have their limits, so no nest of aliases grows beyond what a file of that size could say in full.
//!
//! What JSON has no word for is refused: keys that are no plain texts, infinities, several documents, tags of an
//! application. A key that is there twice is refused too: one of the two would be lost without a word.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

/// Bytes of a YAML file. A metric with its two settings takes 60 of them.
pub const TEXT_BYTES_MAX: usize = 4 << 20;
/// Values and keys of a document.
const NODES_MAX: usize = 250_000;
/// Levels of a document; `serde_json` has the same limit.
const DEPTH_MAX: usize = 128;
/// What anchors keep and aliases repeat, in values and bytes of text.
const COPIES_MAX: usize = 1 << 20;

/// Why a text is no YAML that could be a config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} at line {line} column {column}")]
pub struct YamlError {
    /// What was found, or what was expected.
    pub text: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
}

/// A document as JSON.
#[derive(Debug)]
pub struct Yaml {
    /// The value.
    pub value: Value,
    /// Where it stands in the text.
    pub lines: Lines,
}

/// The line of a value, and those of what is in it.
#[derive(Debug, Default)]
pub struct Lines {
    /// Of the value, or of its key.
    line: usize,
    /// Line and column at which the value itself begins.
    begin: (usize, usize),
    inside: HashMap<Box<str>, Lines>,
}

impl Lines {
    /// The line, from 1, of the value that a JSON pointer leads to; of the last value on the way if it leads nowhere.
    pub fn line(&self, pointer: &str) -> usize {
        let mut at = self;
        for token in pointer.split('/').skip(1) {
            match at.inside(&token.replace("~1", "/").replace("~0", "~")) {
                Some(inner) => at = inner,
                None => break,
            }
        }
        at.line
    }

    /// The places of a member, or of an item by its number.
    pub fn inside(&self, key: &str) -> Option<&Lines> {
        self.inside.get(key)
    }

    /// Line and column, both from 1, at which the value begins.
    pub fn begin(&self) -> (usize, usize) {
        self.begin
    }

    /// The line, from 1, of the value's key; of the value, where it has none.
    pub fn own_line(&self) -> usize {
        self.line
    }
}

/// Reads the one document of a text.
pub fn parse(text: &str) -> Result<Yaml, YamlError> {
    read(text, Builder::default())
}

/// Reads the first document of a text and leaves every scalar but null the text that it is: who knows the types reads
/// `1.0` and `yes` as they were meant. Documents behind the first are not looked at.
pub fn parse_texts(text: &str) -> Result<Yaml, YamlError> {
    read(text, Builder { only_texts: true, ..Builder::default() })
}

fn read(text: &str, mut builder: Builder) -> Result<Yaml, YamlError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(YamlError { text: "found more than 4 MiB of YAML".to_owned(), line: 1, column: 1 });
    }
    // Editors of some systems put a mark of the byte order in front.
    for event in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
        let (event, span) = event.map_err(|error| error_at(error.marker(), error.info()))?;
        if builder.only_texts && builder.document.is_some() {
            break;
        }
        builder.take(event, &span.start).map_err(|text| error_at(&span.start, &text))?;
    }
    let (value, lines) = match builder.document {
        Some(node) => (node.value, node.lines),
        None => (Value::Null, Lines { line: 1, begin: (1, 1), ..Lines::default() }),
    };
    Ok(Yaml { value, lines })
}

fn error_at(at: &Marker, text: &str) -> YamlError {
    YamlError { text: text.to_owned(), line: at.line(), column: at.col() + 1 }
}

/// A value that is complete.
struct Node {
    value: Value,
    lines: Lines,
    size: Size,
}

/// What a value costs when it is copied.
#[derive(Clone, Copy)]
struct Size {
    /// Values, keys and bytes of texts.
    weight: usize,
    /// Levels; 1 for a scalar.
    height: usize,
}

/// A list or an object whose end has not come.
struct Open {
    begin: (usize, usize),
    anchor: usize,
    weight: usize,
    height: usize,
    inside: HashMap<Box<str>, Lines>,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    /// The members, and the key whose value comes next, with its line.
    Object(Map<String, Value>, Option<(String, usize)>),
}

#[derive(Default)]
struct Builder {
    /// Whether scalars stay texts.
    only_texts: bool,
    open: Vec<Open>,
    document: Option<Node>,
    nodes: usize,
    copied: usize,
    anchors: HashMap<usize, (Value, Size)>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: &Marker) -> Result<(), String> {
        let (line, begin) = (at.line(), (at.line(), at.col() + 1));
        let lines = || Lines { line, begin, ..Lines::default() };
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.document.is_some() => {
                Err("found a second document, expected one".to_owned())
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                self.count()?;
                if self.awaits_key() {
                    self.keep(anchor, &Value::from(&*text), Size { weight: 1 + text.len(), height: 1 })?;
                    return self.key(&text, style, line);
                }
                let size = Size { weight: 1 + text.len(), height: 1 };
                let value = match self.only_texts {
                    true if style == ScalarStyle::Plain && is_null(&text) => Value::Null,
                    true => Value::from(&*text),
                    false => scalar(&text, style, tag.as_deref())?,
                };
                self.complete(anchor, Node { value, lines: lines(), size })
            }
            Event::Alias(anchor) => {
                self.count()?;
                if self.awaits_key() {
                    return Err("found an alias as a key, expected a text".to_owned());
                }
                let Some((value, size)) = self.anchors.get(&anchor) else {
                    return Err("found an alias of what it is a part of".to_owned());
                };
                let size = *size;
                copy(&mut self.copied, size.weight)?;
                if self.open.len() + size.height > DEPTH_MAX {
                    return Err(format!("found more than {DEPTH_MAX} levels"));
                }
                // What is wrong with a copy is told at its alias: the same may be good at the anchor's place.
                self.complete(0, Node { value: value.clone(), lines: lines(), size })
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(anchor, tag.as_deref(), "seq", begin, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(anchor, tag.as_deref(), "map", begin, Content::Object(Map::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                // The parser ends only what it began.
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.content {
                    Content::List(items) => Value::Array(items),
                    Content::Object(members, _) => Value::Object(members),
                };
                let lines = Lines { line: open.begin.0, begin: open.begin, inside: open.inside };
                let size = Size { weight: open.weight, height: open.height };
                self.complete(open.anchor, Node { value, lines, size })
            }
        }
    }

    fn count(&mut self) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > NODES_MAX { Err(format!("found more than {NODES_MAX} values")) } else { Ok(()) }
    }

    fn awaits_key(&self) -> bool {
        self.open.last().is_some_and(|open| matches!(open.content, Content::Object(_, None)))
    }

    fn begin(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        kind: &str,
        begin: (usize, usize),
        content: Content,
    ) -> Result<(), String> {
        self.count()?;
        if self.awaits_key() {
            return Err("found a list or an object as a key, expected a text".to_owned());
        }
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema() || tag.suffix != kind) {
            return Err(unknown_tag(tag));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("found more than {DEPTH_MAX} levels"));
        }
        self.open.push(Open { begin, anchor, weight: 1, height: 1, inside: HashMap::new(), content });
        Ok(())
    }

    fn key(&mut self, text: &str, style: ScalarStyle, line: usize) -> Result<(), String> {
        let Some(Open { content: Content::Object(members, next), inside, weight, .. }) = self.open.last_mut() else {
            return Ok(());
        };
        if text == "<<" && style == ScalarStyle::Plain {
            return Err("found a merge key (<<), which YAML 1.2 does not have: expected the keys themselves".to_owned());
        }
        if members.contains_key(text) {
            let first = inside.get(text).map_or(0, |lines| lines.line);
            return Err(format!("found the key {text:?} twice, first at line {first}"));
        }
        *weight += 1 + text.len();
        *next = Some((text.to_owned(), line));
        Ok(())
    }

    /// Puts a value where it belongs.
    fn complete(&mut self, anchor: usize, mut node: Node) -> Result<(), String> {
        self.keep(anchor, &node.value, node.size)?;
        let Some(open) = self.open.last_mut() else {
            self.document = Some(node);
            return Ok(());
        };
        open.weight += node.size.weight;
        open.height = open.height.max(node.size.height + 1);
        match &mut open.content {
            Content::List(items) => {
                open.inside.insert(items.len().to_string().into(), node.lines);
                items.push(node.value);
            }
            Content::Object(members, next) => {
                if let Some((key, line)) = next.take() {
                    // The key's line: the value of a block begins on the line below.
                    node.lines.line = line;
                    open.inside.insert(key.as_str().into(), node.lines);
                    members.insert(key, node.value);
                }
            }
        }
        Ok(())
    }

    /// Keeps a value for the aliases of its anchor; the number 0 is none.
    fn keep(&mut self, anchor: usize, value: &Value, size: Size) -> Result<(), String> {
        if anchor > 0 {
            copy(&mut self.copied, size.weight)?;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(())
    }
}

/// Counts a copy that is about to be made.
fn copy(copied: &mut usize, weight: usize) -> Result<(), String> {
    *copied += weight;
    if *copied > COPIES_MAX {
        return Err("found anchors and aliases that copy more than 1 MiB".to_owned());
    }
    Ok(())
}

fn unknown_tag(tag: &Tag) -> String {
    format!("found the tag {:?}, expected none", format!("{}{}", tag.handle, tag.suffix))
}

/// The value of a scalar, by the core schema (YAML 1.2.2, section 10.3).
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { plain(text) } else { Ok(Value::from(text)) };
    };
    let core = tag.is_yaml_core_schema();
    if (core && tag.suffix == "str") || (tag.handle.is_empty() && tag.suffix == "!") {
        return Ok(Value::from(text));
    }
    let value = plain(text)?;
    let fits = match tag.suffix.as_str() {
        "null" => value.is_null(),
        "bool" => value.is_boolean(),
        "int" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        _ => return Err(unknown_tag(tag)),
    };
    if !core {
        return Err(unknown_tag(tag));
    }
    if fits { Ok(value) } else { Err(format!("found {text:?}, expected what its tag says: {:?}", tag.suffix)) }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn plain(text: &str) -> Result<Value, String> {
    match text {
        _ if is_null(text) => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        let digits = text.strip_prefix(prefix).filter(|digits| digits.chars().all(|c| c.is_digit(radix)));
        if let Some(number) = digits.and_then(|digits| u64::from_str_radix(digits, radix).ok()) {
            return Ok(Value::from(number));
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(format!("found {text}, expected a finite number"));
    }
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !unsigned.chars().all(numeric) {
        return Ok(Value::from(text));
    }
    if let Ok(number) = text.parse::<i64>() {
        return Ok(Value::from(number));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Ok(Value::from(number));
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::from(number)),
        Ok(_) => Err(format!("found {text}, expected a number within the range of 64-bit floats")),
        Err(_) => Ok(Value::from(text)),
    }
}

#[cfg(test)]
mod tests;
