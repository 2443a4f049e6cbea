//! Text for terminals: what comes from outside may neither start a line of its own nor control the terminal, and an
//! error stands in one line with all its causes.

/// Appends a text with its control characters escaped.
pub(super) fn push_escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

/// An error and what caused it, in one line: the last cause is the one that helps.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
