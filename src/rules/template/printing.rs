//! Printing as Go's `fmt` does it: the library has it all but for floats without a verb of their own.

use std::fmt::Write;
use std::sync::LazyLock;

use gotmpl::{Template, Value};

use super::functions::text;
use crate::model::histogram::general_text;

/// Digits of a width or precision in a format.
const DIGITS_MAX: usize = 3;
/// Arguments behind a format.
const ARGUMENTS_MAX: usize = 32;

/// Values one after the other, a blank between two that are no texts.
pub(super) fn print(values: &[Value]) -> Result<Value, String> {
    let mut printed = String::new();
    let mut was_text = true;
    for value in values {
        let is_text = matches!(value, Value::String(_));
        if !is_text && !was_text {
            printed.push(' ');
        }
        push(&mut printed, value);
        was_text = is_text;
    }
    Ok(Value::String(printed.into()))
}

/// Values with blanks between them, and a line end behind.
pub(super) fn println(values: &[Value]) -> Result<Value, String> {
    let mut printed = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            printed.push(' ');
        }
        push(&mut printed, value);
    }
    printed.push('\n');
    Ok(Value::String(printed.into()))
}

fn push(printed: &mut String, value: &Value) {
    match value {
        Value::Float(number) => printed.push_str(&general_text(*number)),
        Value::Nil => printed.push_str("<no value>"),
        // Writing into a String cannot fail.
        other => _ = write!(printed, "{other}"),
    }
}

/// Values in a format. Its widths take no memory worth mentioning.
pub(super) fn printf(values: &[Value]) -> Result<Value, String> {
    static TEMPLATES: LazyLock<Vec<Option<Template>>> = LazyLock::new(|| {
        let call = |count: usize| {
            let arguments: String = (0..=count).map(|at| format!(" (index . {at})")).collect();
            Template::new("").parse(&format!("{{{{ printf{arguments} }}}}")).ok()
        };
        (0..=ARGUMENTS_MAX).map(call).collect()
    });
    let Some((format, arguments)) = values.split_first() else {
        return Err("wrong number of args for printf: want at least 1 got 0".to_owned());
    };
    let (format, arguments) = prepared(text(format)?, arguments)?;
    let Some(Some(template)) = TEMPLATES.get(arguments.len()) else {
        return Err(format!("more than {ARGUMENTS_MAX} values for one format"));
    };
    let values: Vec<Value> = std::iter::once(Value::String(format.into())).chain(arguments).collect();
    let printed = template.execute_to_string(&Value::List(values.into())).map_err(|error| error.to_string())?;
    Ok(Value::String(printed.into()))
}

/// The format with `%g` for floats that have `%v`, which the library prints in another form, and with what Go prints
/// of floats whose verb is not for them.
fn prepared(format: &str, arguments: &[Value]) -> Result<(String, Vec<Value>), String> {
    let mut prepared = String::with_capacity(format.len());
    let mut kept = Vec::with_capacity(arguments.len());
    let mut rest = format;
    let mut next = arguments.iter();
    while let Some(at) = rest.find('%') {
        prepared.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let head_bytes = rest.find(|c: char| !c.is_ascii_digit() && !"+-# .".contains(c)).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(head_bytes);
        let is_wide = head.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > DIGITS_MAX);
        if is_wide || tail.starts_with(['*', '[']) {
            return Err(format!("found a width in {format:?} that is not written in at most {DIGITS_MAX} digits"));
        }
        rest = tail;
        let verb = rest.chars().next();
        rest = &rest[verb.map_or(0, char::len_utf8)..];
        match (verb, verb.filter(|&verb| verb != '%').and_then(|_| next.next())) {
            (Some(verb), Some(Value::Float(number))) if "dcoqsUt".contains(verb) => {
                // Writing into a String cannot fail.
                _ = write!(prepared, "%%!{verb}(float64={})", general_text(*number));
            }
            (verb, argument) => {
                let verb = match argument {
                    Some(Value::Float(_)) if verb == Some('v') => Some('g'),
                    _ => verb,
                };
                prepared.push('%');
                prepared.push_str(head);
                prepared.extend(verb);
                kept.extend(argument.cloned());
            }
        }
    }
    prepared.push_str(rest);
    kept.extend(next.cloned());
    Ok((prepared, kept))
}
