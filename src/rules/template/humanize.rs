//! Numbers for people: with prefixes, as durations, as shares; and texts with capitals.

use gotmpl::Value;

use super::value::kind;

/// A number, or a text that is one.
pub(super) fn number_of(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Uint(number) => Ok(*number as f64),
        Value::String(text) => {
            let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
            let is_word = ["inf", "infinity", "nan"].iter().any(|word| unsigned.eq_ignore_ascii_case(word));
            let is_number = is_word || unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
            match text.parse() {
                Ok(number) if is_number => Ok(number),
                _ => Err(format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
            }
        }
        other => Err(format!("can't convert {} to float", kind(other))),
    }
}

/// As Go's `%.4g`.
pub(super) fn four_digits(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:.3e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    if (-4..4).contains(&exponent) {
        // At most seven.
        return trimmed(&format!("{number:.*}", (3 - exponent).unsigned_abs() as usize));
    }
    format!("{}e{}{:02}", trimmed(digits), if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// With the prefixes of powers of 1000, from y to Y.
pub(super) fn humanize(mut number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return four_digits(number);
    }
    let mut prefix = "";
    if number.abs() >= 1.0 {
        for larger in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
            if number.abs() < 1000.0 {
                break;
            }
            (prefix, number) = (larger, number / 1000.0);
        }
    } else {
        (prefix, number) = small(number);
    }
    format!("{}{prefix}", four_digits(number))
}

/// A number below one with a prefix.
fn small(mut number: f64) -> (&'static str, f64) {
    let mut prefix = "";
    for smaller in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if number.abs() >= 1.0 {
            break;
        }
        (prefix, number) = (smaller, number * 1000.0);
    }
    (prefix, number)
}

/// With the prefixes of powers of 1024.
pub(super) fn humanize_1024(mut number: f64) -> String {
    if number.abs() <= 1.0 || !number.is_finite() {
        return four_digits(number);
    }
    let mut prefix = "";
    for larger in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
        if number.abs() < 1024.0 {
            break;
        }
        (prefix, number) = (larger, number / 1024.0);
    }
    format!("{}{prefix}", four_digits(number))
}

/// Seconds as days, hours, minutes and seconds; fractions only below a minute.
pub(super) fn duration(secs: f64) -> String {
    if !secs.is_finite() {
        return four_digits(secs);
    }
    if secs == 0.0 {
        return format!("{}s", four_digits(secs));
    }
    if secs.abs() < 1.0 {
        let (prefix, number) = small(secs);
        return format!("{}{prefix}s", four_digits(number));
    }
    let sign = if secs < 0.0 { "-" } else { "" };
    // Casts of floats saturate.
    let whole = secs.abs() as i64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", four_digits(secs.abs())),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

/// A share as a percentage.
pub(super) fn percentage(share: f64) -> String {
    format!("{}%", four_digits(share * 100.0))
}

/// A capital in front of each word, the rest as it is.
pub(super) fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut is_inside = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if is_inside {
            titled.push(character);
        } else {
            titled.extend(character.to_uppercase());
        }
        // An apostrophe or a point between letters, and an underscore anywhere, do not end a word.
        let joins = is_inside
            && matches!(character, '\'' | '’' | '.')
            && characters.peek().is_some_and(|next| next.is_alphabetic());
        is_inside = character.is_alphanumeric() || character == '_' || joins;
    }
    titled
}
