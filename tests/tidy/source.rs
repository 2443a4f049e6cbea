//! A source file taken apart: code, comments, tests. It knows as much of Rust as the rules need, and no more.

/// A source file with what the rules need to know of it.
pub struct Source {
    /// The path below the repository, with slashes.
    pub path: String,
    pub text: String,
    pub lines: Vec<Line>,
    /// Whether a `mod` line of tests alone leads here.
    pub only_tests: bool,
}

/// A line taken apart.
pub struct Line {
    /// The code, with the contents of strings and comments blanked.
    pub code: String,
    /// The comment, if there is one, from its slashes on.
    pub comment: String,
    /// Whether it lies below `#[cfg(test)]` or `#[test]`.
    pub in_tests: bool,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), lines: take_apart(text), only_tests: false }
    }

    /// The module path below the crate, as `["formats", "native", "log"]`; `None` for what is no module of it.
    pub fn module(&self) -> Option<Vec<&str>> {
        let inner = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let mut parts: Vec<&str> = inner.split('/').collect();
        if parts.last() == Some(&"mod") {
            parts.pop();
        }
        Some(parts)
    }

    /// Files that hold nothing but tests.
    pub fn is_test(&self) -> bool {
        self.only_tests || !self.path.starts_with("src/") || self.is_testing()
    }

    /// The helpers that tests and benchmarks share.
    pub fn is_testing(&self) -> bool {
        self.path.starts_with("src/testing/")
    }

    pub fn complain(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }
}

/// Splits code from comments, blanks strings, and marks what belongs to tests. A small state machine over characters:
/// raw strings, nested block comments, lifetimes and character literals are known to it, macros are not.
fn take_apart(text: &str) -> Vec<Line> {
    enum State {
        Code,
        Block(usize),
        Text { hashes: Option<usize> },
    }
    let mut state = State::Code;
    let mut lines = Vec::new();
    for raw in text.lines() {
        let chars: Vec<char> = raw.chars().collect();
        let (mut code, mut comment) = (String::new(), String::new());
        let mut i = 0;
        while i < chars.len() {
            let rest = &chars[i..];
            let starts = |what: &str| what.chars().enumerate().all(|(k, c)| rest.get(k) == Some(&c));
            match &mut state {
                State::Block(depth) => {
                    if starts("*/") {
                        *depth -= 1;
                        i += 1;
                        if *depth == 0 {
                            state = State::Code;
                        }
                    } else if starts("/*") {
                        *depth += 1;
                        i += 1;
                    }
                }
                State::Text { hashes: None } => match chars[i] {
                    '\\' => i += 1,
                    '"' => {
                        code.push('"');
                        state = State::Code;
                    }
                    _ => {}
                },
                State::Text { hashes: Some(hashes) } => {
                    if chars[i] == '"' && rest[1..].iter().take_while(|c| **c == '#').count() >= *hashes {
                        i += *hashes;
                        code.push('"');
                        state = State::Code;
                    }
                }
                State::Code => {
                    let after_word = code.chars().last().is_some_and(|c| c.is_alphanumeric() || c == '_');
                    let raw_hashes = rest.get(1..).map_or(0, |rest| rest.iter().take_while(|c| **c == '#').count());
                    let raw_prefix = chars[i] == 'r' && rest.get(1 + raw_hashes) == Some(&'"');
                    if starts("//") {
                        comment = rest.iter().collect();
                        break;
                    } else if starts("/*") {
                        state = State::Block(1);
                        i += 1;
                    } else if raw_prefix && (!after_word || code.ends_with('b') || code.ends_with('c')) {
                        code.push('"');
                        i += 1 + raw_hashes;
                        state = State::Text { hashes: Some(raw_hashes) };
                    } else if chars[i] == '"' {
                        code.push('"');
                        state = State::Text { hashes: None };
                    } else if chars[i] == '\'' {
                        // A character literal ends two or more further on; a lifetime has no end.
                        if rest.get(1) == Some(&'\\') {
                            let end = rest.iter().skip(3).position(|c| *c == '\'').unwrap_or(0);
                            i += end + 3;
                        } else if rest.get(2) == Some(&'\'') {
                            i += 2;
                        }
                        code.push('\'');
                    } else {
                        code.push(chars[i]);
                    }
                }
            }
            i += 1;
        }
        lines.push(Line { code, comment, in_tests: false });
    }
    mark_tests(&mut lines);
    lines
}

/// Marks the items below `#[cfg(test)]`, `#[cfg(any(test, …))]` and `#[test]`, to the brace or semicolon at their end.
fn mark_tests(lines: &mut [Line]) {
    let mut i = 0;
    while i < lines.len() {
        let code = lines[i].code.trim();
        if !(code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(any(test") || code.starts_with("#[test]")) {
            i += 1;
            continue;
        }
        let (mut depth, mut opened) = (0i32, false);
        while i < lines.len() {
            lines[i].in_tests = true;
            for c in lines[i].code.chars() {
                match c {
                    '{' => (depth, opened) = (depth + 1, true),
                    '}' => depth -= 1,
                    ';' if depth == 0 => opened = true,
                    _ => {}
                }
            }
            i += 1;
            if opened && depth <= 0 {
                break;
            }
        }
    }
}

/// The identifiers of a text with their places.
pub fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(|c: char| c.is_alphabetic() || c == '_')?;
        let end = text[start..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(text.len(), |n| start + n);
        at = end;
        Some((start, &text[start..end]))
    })
}

#[test]
fn strings_and_comments_are_told_from_code() {
    let text =
        "let a = \"// no\"; // yes\nlet b = r#\"\"/*\"#; /* x\n y */ let c = '\"'; let d: &'a str = \"\\\"\"; // end\n";
    let lines = take_apart(text);
    assert_eq!(lines[0].code, "let a = \"\"; ");
    assert_eq!(lines[0].comment, "// yes");
    assert_eq!(lines[1].code, "let b = \"\"; ");
    assert_eq!(lines[2].code, " let c = '; let d: &'a str = \"\"; ");
    assert_eq!(lines[2].comment, "// end");
}
