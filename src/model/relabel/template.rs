//! Texts with `$1` and `${name}` in them, expanded as Go's `Regexp.Expand` does.

use regex::{Captures, Regex};

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'t> {
    /// As it stands.
    Text(&'t str),
    /// A variable by its name or number: letters, digits and `_`.
    Variable(&'t str),
}

/// Takes a template apart: `$name` is as long as letters, digits and `_` go on, `${name}` ends at its brace, `$$` is a
/// dollar, and a dollar before anything else is itself.
pub fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        let after = &rest[at + 1..];
        if let Some(behind) = after.strip_prefix('$') {
            parts.push(Part::Text("$"));
            rest = behind;
            continue;
        }
        match variable(after) {
            Some((name, bytes)) => {
                parts.push(Part::Variable(name));
                rest = &after[bytes..];
            }
            None => {
                parts.push(Part::Text("$"));
                rest = after;
            }
        }
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// The variable at the start of a text behind a dollar, and how many bytes it takes.
fn variable(text: &str) -> Option<(&str, usize)> {
    let (inner, braces) = match text.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let end = inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len());
    let is_closed = !braces || inner[end..].starts_with('}');
    (end > 0 && is_closed).then_some((&inner[..end], end + if braces { 2 } else { 0 }))
}

/// A template whose variables are groups of a pattern.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    /// Whether a dollar stands in it, meaningful or not.
    pub(super) has_dollar: bool,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(Box<str>),
    Group(usize),
}

impl Template {
    /// Groups that the pattern does not have are empty.
    pub(super) fn new(text: &str, regex: &Regex) -> Template {
        let piece = |part| match part {
            Part::Text(text) => Some(Piece::Text(text.into())),
            Part::Variable(name) => group(name, regex).map(Piece::Group),
        };
        Template { pieces: parts(text).into_iter().filter_map(piece).collect(), has_dollar: text.contains('$') }
    }

    /// The text for what the pattern found.
    pub(super) fn expand(&self, captures: &Captures<'_>) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Group(group) => text.push_str(captures.get(*group).map_or("", |found| found.as_str())),
            }
        }
        text
    }
}

/// The group of a name; a number with a zero in front is a name.
fn group(name: &str, regex: &Regex) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if is_number {
        return name.parse().ok().filter(|&number| number < regex.captures_len());
    }
    regex.capture_names().position(|group| group == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(pattern: &str, text: &str, template: &str) -> String {
        let regex = Regex::new(pattern).unwrap();
        Template::new(template, &regex).expand(&regex.captures(text).unwrap())
    }

    #[test]
    fn variables_are_as_long_as_they_can_be() {
        assert_eq!(expand("(a)(?P<n>b)", "ab", "$1x-${1}x-$n-${n}n-$2"), "-ax-b-bn-b");
        assert_eq!(expand("(a)(b)?", "a", "[$2][$3][$0][$01]"), "[][][a][]");
        assert_eq!(expand("(a)", "a", "$$1 $ ${1 ${} $-"), "$1 $ ${1 ${} $-");
        assert_eq!(expand("(a)", "a", "$é1"), "", "letters are letters everywhere");
    }
}
