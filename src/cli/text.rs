//! Text for terminals: what comes from outside may neither start a line of its own nor control the terminal.

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
