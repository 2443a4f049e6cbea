//! Matchers: what a label of a series has to be for the series to be meant.
//!
//! A label that a series does not have counts as one with an empty value.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::labels::{Labels, METRIC_NAME, is_plain_name, write_quoted};
use super::pattern::{Pattern, PatternError};

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        }
    }
}

/// A condition on one label.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    /// There if and only if `op` is about a pattern.
    pattern: Option<Pattern>,
}

impl Matcher {
    /// A condition; refuses a pattern that is none, or that is too large.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Matcher, PatternError> {
        let value = value.into();
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Pattern::new(&value)?),
        };
        Ok(Matcher { name: name.into(), op, value, pattern })
    }

    /// The condition that the label is `value`.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Matcher {
        Matcher { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is compared.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The text or pattern it is compared with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it is about the metric's name.
    pub fn is_name(&self) -> bool {
        self.name == METRIC_NAME
    }

    /// Whether a label of this value fits.
    pub fn matches(&self, value: &str) -> bool {
        match (&self.pattern, self.op) {
            (Some(pattern), MatchOp::NotRegex) => !pattern.matches(value),
            (Some(pattern), _) => pattern.matches(value),
            (None, MatchOp::NotEqual) => self.value != value,
            (None, _) => self.value == value,
        }
    }

    /// Whether these labels fit.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.value(&self.name))
    }

    /// The only values that can fit, if they are few and known: what an index looks up instead of trying all.
    pub fn literals(&self) -> Option<&[String]> {
        match (&self.pattern, self.op) {
            (None, MatchOp::Equal) => Some(std::slice::from_ref(&self.value)),
            (Some(pattern), MatchOp::Regex) => pattern.literals(),
            _ => None,
        }
    }

    /// Whether matching takes a compiled automaton: such matchers cost memory, so a query may hold only some.
    pub(crate) fn is_compiled(&self) -> bool {
        self.pattern.as_ref().is_some_and(Pattern::is_compiled)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for Matcher {}

impl Hash for Matcher {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.op, &self.value).hash(state);
    }
}

/// As it stands in a query: `name=~"value"`, the name in quotes where it needs them.
impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain_name(&self.name) {
            out.write_str(&self.name)?;
        } else {
            write_quoted(out, &self.name)?;
        }
        out.write_str(self.op.as_str())?;
        write_quoted(out, &self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
        Matcher::new(name, op, value).unwrap()
    }

    #[test]
    fn a_missing_label_is_an_empty_one() {
        let labels = Labels::from_pairs([("host", "f0201")]);
        assert!(matcher("host", MatchOp::Regex, "f02.*").matches_labels(&labels));
        assert!(matcher("rack", MatchOp::Equal, "").matches_labels(&labels));
        assert!(matcher("rack", MatchOp::NotRegex, "r.+").matches_labels(&labels));
        assert!(!matcher("rack", MatchOp::Regex, "r.+|s").matches_labels(&labels));
        assert!(matcher("rack", MatchOp::NotEqual, "r1").matches_labels(&labels));
    }

    #[test]
    fn known_values_are_listed() {
        let literals = |op, value: &str| matcher("a", op, value).literals().map(<[String]>::to_vec);
        assert_eq!(literals(MatchOp::Equal, "x|y"), Some(vec!["x|y".to_owned()]));
        assert_eq!(literals(MatchOp::Regex, "x|y"), Some(vec!["x".to_owned(), "y".to_owned()]));
        assert_eq!(literals(MatchOp::Regex, "x.*"), None);
        assert_eq!(literals(MatchOp::NotRegex, "x|y"), None);
    }

    #[test]
    fn they_print_as_they_stand_in_queries() {
        assert_eq!(matcher("a", MatchOp::NotRegex, "b\"\\d").to_string(), r#"a!~"b\"\\d""#);
        assert_eq!(matcher("a b", MatchOp::Equal, "").to_string(), r#""a b"="""#);
    }
}
