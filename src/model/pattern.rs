//! Patterns of label values: RE2 syntax, always over the whole value, bounded in size.
//!
//! The syntax is Go's, for queries are written for Prometheus; where the `regex` crate reads something otherwise, the
//! pattern is rewritten first. Lists of plain texts are compared without an automaton: dashboards send lists of hosts.

use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};

/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 64 << 10;
/// Most memory for a compiled pattern, in bytes.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of groups and classes.
const DEPTH_MAX: u32 = 100;
/// Largest count of a repetition, as in RE2.
const REPEAT_MAX: u32 = 1000;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It breaks the syntax.
    #[error("error parsing regexp: {reason}: `{part}`")]
    Syntax {
        /// What is wrong.
        reason: &'static str,
        /// Where.
        part: String,
    },
    /// It breaks the syntax in a way that only the compiler sees.
    #[error("error parsing regexp: {0}")]
    Refused(String),
    /// It is too long.
    #[error("error parsing regexp: pattern of {0} bytes, at most {PATTERN_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// It needs too much memory.
    #[error("error parsing regexp: expression needs more than {COMPILED_BYTES_MAX} bytes when compiled")]
    TooLarge,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// One of these, as they are; sorted.
    Literals(Vec<String>),
    /// Everything.
    All,
    /// Everything but the empty text.
    NotEmpty,
    /// What the automaton says.
    Compiled(Regex),
}

impl Pattern {
    /// Compiles a pattern that is to match whole values.
    pub fn new(pattern: &str) -> Result<Pattern, PatternError> {
        let kind = match pattern {
            _ if pattern.len() > PATTERN_BYTES_MAX => return Err(PatternError::TooLong(pattern.len())),
            ".*" => Kind::All,
            ".+" => Kind::NotEmpty,
            _ if !pattern.contains(SPECIAL) => {
                let mut literals: Vec<String> = pattern.split('|').map(str::to_owned).collect();
                literals.sort();
                literals.dedup();
                Kind::Literals(literals)
            }
            _ => Kind::Compiled(compile_anchored(pattern)?),
        };
        Ok(Pattern { kind })
    }

    /// Whether the pattern matches the whole of `value`.
    pub fn matches(&self, value: &str) -> bool {
        match &self.kind {
            Kind::Literals(literals) => literals.binary_search_by(|literal| literal.as_str().cmp(value)).is_ok(),
            Kind::All => true,
            Kind::NotEmpty => !value.is_empty(),
            Kind::Compiled(regex) => regex.is_match(value),
        }
    }

    /// The only texts that match, where they are known; sorted.
    pub fn literals(&self) -> Option<&[String]> {
        match &self.kind {
            Kind::Literals(literals) => Some(literals),
            _ => None,
        }
    }

    /// Whether the pattern is `.*`, which every text matches.
    pub fn is_all(&self) -> bool {
        matches!(self.kind, Kind::All)
    }

    /// Whether there is an automaton.
    pub fn is_compiled(&self) -> bool {
        matches!(self.kind, Kind::Compiled(_))
    }
}

/// The automaton for a pattern that is to match whole values, for those who need its groups.
pub fn compile_anchored(pattern: &str) -> Result<Regex, PatternError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(PatternError::TooLong(pattern.len()));
    }
    let translated = translate(pattern)?;
    RegexBuilder::new(&format!("^(?s:{translated})$"))
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .nest_limit(DEPTH_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
            other => {
                // The last line says what is wrong, those before draw the translated pattern.
                let text = other.to_string();
                let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                PatternError::Refused(format!("{reason}: `{pattern}`"))
            }
        })
}

/// What a text without is compared as it is.
const SPECIAL: &[char] = &['\\', '.', '+', '*', '?', '(', ')', '[', ']', '{', '}', '^', '$'];

/// Rewrites a pattern in Go's syntax into the crate's.
fn translate(pattern: &str) -> Result<String, PatternError> {
    let mut reader = Translator { rest: pattern, out: String::with_capacity(pattern.len() + 8) };
    let mut groups_open = 0_usize;
    // Whether something stands before that can be repeated, and the repetition that stands directly before.
    let (mut repeatable, mut repeated) = (false, None);
    while let Some(character) = reader.rest.chars().next() {
        let here = reader.rest;
        let repetition = match character {
            '*' | '+' | '?' => Some(1),
            '{' => repetition(here)?,
            _ => None,
        };
        if let Some(length) = repetition {
            let length = length + usize::from(here[length..].starts_with('?'));
            let start = repeated.unwrap_or(pattern.len() - here.len());
            let part = pattern[start..pattern.len() - here.len() + length].to_owned();
            if repeated.is_some() {
                return Err(PatternError::Syntax { reason: "invalid nested repetition operator", part });
            }
            if !repeatable {
                return Err(PatternError::Syntax { reason: "missing argument to repetition operator", part });
            }
            reader.copy(length);
            repeated = Some(start);
            continue;
        }
        repeated = None;
        match character {
            '(' => match reader.group()? {
                Group::Opens => {
                    groups_open += 1;
                    repeatable = false;
                }
                Group::Flags => {}
            },
            '|' => {
                reader.copy(1);
                repeatable = false;
            }
            _ => {
                repeatable = true;
                match character {
                    '\\' => reader.escape(false)?,
                    '[' => reader.class()?,
                    '{' => reader.replace(1, "\\{"),
                    ')' if groups_open == 0 => {
                        return Err(PatternError::Syntax { reason: "unexpected )", part: pattern.to_owned() });
                    }
                    ')' => {
                        groups_open -= 1;
                        reader.copy(1);
                    }
                    other => reader.copy(other.len_utf8()),
                }
            }
        }
    }
    if groups_open > 0 {
        return Err(PatternError::Syntax { reason: "missing closing )", part: pattern.to_owned() });
    }
    Ok(reader.out)
}

/// What an opening parenthesis begins.
enum Group {
    /// A group, which has to be closed.
    Opens,
    /// Flags for what follows, closed already.
    Flags,
}

/// The bytes of the repetition `{n}`, `{n,}` or `{n,m}` at the start of `text`, if it is one and no plain brace.
fn repetition(text: &str) -> Result<Option<usize>, PatternError> {
    let Some(end) = text.find('}') else { return Ok(None) };
    let (low, high) = match text[1..end].split_once(',') {
        Some((low, high)) => (low, high),
        None => (&text[1..end], &text[1..end]),
    };
    let is_count = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_count(low) || !(high.is_empty() || is_count(high)) {
        return Ok(None);
    }
    let count = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
    if count(low) > REPEAT_MAX || !high.is_empty() && (count(high) > REPEAT_MAX || count(high) < count(low)) {
        return Err(PatternError::Syntax { reason: "invalid repeat count", part: text[..=end].to_owned() });
    }
    Ok(Some(end + 1))
}

fn unsupported<T>(part: &str) -> Result<T, PatternError> {
    Err(PatternError::Syntax { reason: "invalid or unsupported Perl syntax", part: part.to_owned() })
}

/// Takes a pattern apart from the front and writes its translation.
struct Translator<'a> {
    rest: &'a str,
    out: String,
}

impl Translator<'_> {
    /// Takes over some bytes as they are.
    fn copy(&mut self, bytes: usize) {
        let (head, rest) = self.rest.split_at(bytes);
        self.out.push_str(head);
        self.rest = rest;
    }

    /// Writes something else for some bytes.
    fn replace(&mut self, bytes: usize, with: &str) {
        self.out.push_str(with);
        self.rest = &self.rest[bytes..];
    }

    /// An opening parenthesis, with its flags or name.
    fn group(&mut self) -> Result<Group, PatternError> {
        let whole = self.rest;
        let Some(flags) = whole.strip_prefix("(?") else {
            self.copy(1);
            return Ok(Group::Opens);
        };
        if flags.starts_with("P<") || flags.starts_with('<') {
            self.copy(whole.find('>').map_or(whole.len(), |end| end + 1));
            return Ok(Group::Opens);
        }
        let (mut negative, mut any) = (false, false);
        for (at, flag) in flags.char_indices() {
            let end = "(?".len() + at + flag.len_utf8();
            match flag {
                'i' | 'm' | 's' | 'U' => any = true,
                '-' if !negative => (negative, any) = (true, false),
                ':' | ')' if any || !negative => {
                    if whole[..end] != *"(?)" {
                        self.copy(end);
                    } else {
                        self.rest = &whole[end..];
                    }
                    return Ok(if flag == ':' { Group::Opens } else { Group::Flags });
                }
                _ => return unsupported(&whole[..end]),
            }
        }
        unsupported(whole)
    }

    /// A backslash and what belongs to it.
    fn escape(&mut self, in_class: bool) -> Result<(), PatternError> {
        let Some(escaped) = self.rest[1..].chars().next() else {
            return Err(PatternError::Syntax {
                reason: "trailing backslash at end of expression",
                part: String::new(),
            });
        };
        match escaped {
            // Go's classes are of ASCII, the crate's of all of Unicode.
            'd' => self.replace(2, "[0-9]"),
            'D' => self.replace(2, "[^0-9]"),
            'w' => self.replace(2, "[0-9A-Za-z_]"),
            'W' => self.replace(2, "[^0-9A-Za-z_]"),
            's' => self.replace(2, "[\\t\\n\\x0C\\r ]"),
            'S' => self.replace(2, "[^\\t\\n\\x0C\\r ]"),
            'b' if !in_class => self.replace(2, "(?-u:\\b)"),
            'Q' if !in_class => {
                let quoted = &self.rest[2..];
                let end = quoted.find("\\E");
                let literal = regex::escape(&quoted[..end.unwrap_or(quoted.len())]);
                let taken = end.map_or(self.rest.len(), |end| 2 + end + 2);
                self.replace(taken, &literal);
            }
            '0'..='7' => self.octal()?,
            'x' | 'p' | 'P' if self.rest[2..].starts_with('{') => {
                self.copy(self.rest.find('}').map_or(self.rest.len(), |end| end + 1));
            }
            'a' | 'f' | 't' | 'n' | 'r' | 'v' | 'x' | 'p' | 'P' => self.copy(2),
            'B' if !in_class => self.replace(2, "(?-u:\\B)"),
            'A' | 'z' if !in_class => self.copy(2),
            // Other letters and digits mean nothing in Go, though some do here.
            other if other.is_ascii_alphanumeric() || !other.is_ascii() => {
                let part = self.rest[..1 + other.len_utf8()].to_owned();
                return Err(PatternError::Syntax { reason: "invalid escape sequence", part });
            }
            '<' | '>' => self.replace(2, &escaped.to_string()),
            _ => self.copy(2),
        }
        Ok(())
    }

    /// A character by its octal number; a single digit other than 0 would be a back reference.
    fn octal(&mut self) -> Result<(), PatternError> {
        let digits = self.rest[1..].bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        let text = &self.rest[1..=digits];
        if digits == 1 && text != "0" {
            let part = self.rest[..2].to_owned();
            return Err(PatternError::Syntax { reason: "invalid escape sequence", part });
        }
        // At most three octal digits: 511 at most.
        let code = u32::from_str_radix(text, 8).unwrap_or_default();
        self.rest = &self.rest[1 + digits..];
        // Writing to a String cannot fail.
        let _ = write!(self.out, "\\x{{{code:x}}}");
        Ok(())
    }

    /// A class in brackets; what means sets of sets to the crate means itself to Go.
    fn class(&mut self) -> Result<(), PatternError> {
        let whole = self.rest;
        self.copy(1);
        if self.rest.starts_with('^') {
            self.copy(1);
        }
        let mut first = true;
        loop {
            let Some(character) = self.rest.chars().next() else {
                return Err(PatternError::Syntax { reason: "missing closing ]", part: whole.to_owned() });
            };
            match character {
                ']' if !first => {
                    self.copy(1);
                    return Ok(());
                }
                ']' => self.replace(1, "\\]"),
                '[' => match self.rest.find(":]") {
                    Some(end) if self.rest.starts_with("[:") => self.copy(end + 2),
                    _ => self.replace(1, "\\["),
                },
                '&' | '~' => self.replace(1, if character == '&' { "\\&" } else { "\\~" }),
                '-' if self.rest.starts_with("--") => self.replace(2, if first { "\\--" } else { "-\\-" }),
                '\\' => self.escape(true)?,
                other => self.copy(other.len_utf8()),
            }
            first = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(value)
    }

    #[test]
    fn the_whole_value_has_to_match() {
        assert!(matches("f0[12].*", "f0201"));
        assert!(!matches("f0[12]", "f0201"));
        assert!(!matches("a|b", "ab"));
        assert!(matches("(a|b)*", "ab"));
        assert!(matches("a.b", "a\nb"));
        assert!(matches("", "") && !matches("", "x"));
        assert!(matches("a|", "") && matches(".*", "") && !matches(".+", ""));
    }

    #[test]
    fn lists_of_texts_need_no_automaton() {
        assert!(!Pattern::new("f0203|f0201|f0202").unwrap().is_compiled());
        assert_eq!(Pattern::new("b|a|b").unwrap().literals().unwrap(), ["a", "b"]);
        assert!(Pattern::new("f020.").unwrap().is_compiled());
    }

    #[test]
    fn what_go_reads_otherwise_is_rewritten() {
        assert!(!matches("\\d", "٣") && matches("\\d+", "3") && matches("[\\d]", "3") && matches("[^\\D]", "3"));
        assert!(!matches("\\w", "é") && matches("\\W", "é") && matches("\\S\\s", "é "));
        assert!(matches("[[]", "[") && matches("[a[b]+", "[ab") && matches("[]a]+", "]a"));
        assert!(matches("[a&&b]+", "&a") && matches("[a~~b]+", "~b") && matches("[+--]+", "+,-"));
        assert!(matches("a{", "a{") && matches("a{,2}", "a{,2}") && matches("a{2}", "aa") && matches("{}", "{}"));
        assert!(matches("\\Qa.b\\E+", "a.bb") && matches("\\Q(", "("));
        assert!(matches("\\<a\\>", "<a>") && matches("\\101", "A") && matches("\\_", "_"));
        assert!(matches("(?i)abc", "aBC") && matches("(?i:a)b", "Ab") && matches("(?P<x>a)(?<y>b)", "ab"));
        assert!(matches("\\x{e9}\\p{Greek}{2}\\x41", "éΩωA") && matches("(?)a(?i)b", "aB"));
        assert!(matches("[[:alpha:]]+", "ab") && matches("\\pL", "é") && matches("a\\b.b", "a b"));
    }

    #[test]
    fn errors_are_those_of_go() {
        let error = |pattern: &str| Pattern::new(pattern).unwrap_err().to_string();
        assert_eq!(error("a+{2}"), "error parsing regexp: invalid nested repetition operator: `+{2}`");
        assert_eq!(error("*"), "error parsing regexp: missing argument to repetition operator: `*`");
        assert_eq!(error("(?+"), "error parsing regexp: invalid or unsupported Perl syntax: `(?+`");
        assert_eq!(error("a(b"), "error parsing regexp: missing closing ): `a(b`");
        assert_eq!(error("ab)"), "error parsing regexp: unexpected ): `ab)`");
        assert_eq!(error("a[b"), "error parsing regexp: missing closing ]: `[b`");
        assert_eq!(error("\\y"), "error parsing regexp: invalid escape sequence: `\\y`");
        assert_eq!(error("a{1001}"), "error parsing regexp: invalid repeat count: `{1001}`");
        assert_eq!(error("(?ix)a"), "error parsing regexp: invalid or unsupported Perl syntax: `(?ix`");
    }

    #[test]
    fn size_and_depth_are_bounded() {
        assert!(matches!(Pattern::new(&"a".repeat(PATTERN_BYTES_MAX + 1)), Err(PatternError::TooLong(_))));
        assert!(matches!(Pattern::new("(\\pL{100}){100}"), Err(PatternError::TooLarge)));
        let deep = "(".repeat(10_000) + &")".repeat(10_000);
        assert!(matches!(Pattern::new(&deep), Err(PatternError::Refused(_))));
    }
}
