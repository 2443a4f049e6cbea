//! Names of metrics and units: OpenTelemetry's compatibility rules, as Prometheus's translator applies them.

use super::error::OtlpError;
use super::options::TranslationStrategy;
use crate::model::write_quoted;

/// What a metric is, as far as its name depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    Counter,
    Gauge,
    Other,
}

/// The name of a metric's series.
pub(super) fn metric_name(
    name: &str,
    unit: &str,
    naming: Naming,
    strategy: TranslationStrategy,
) -> Result<String, OtlpError> {
    let built = match (strategy.escapes(), strategy.adds_suffixes()) {
        (true, true) => escaped_with_suffixes(name, unit, naming),
        (true, false) => escaped(name),
        (false, true) => with_suffixes(name, unit, naming),
        (false, false) => name.to_owned(),
    };
    if built.is_empty() {
        return Err(OtlpError::EmptyName { metric: quoted(name) });
    }
    if strategy.escapes() && built != name && built.bytes().all(|byte| byte == b'_') {
        return Err(OtlpError::InvalidName { metric: quoted(name), name: quoted(&built) });
    }
    Ok(built)
}

/// The unit in the words of Prometheus: `s` is `seconds`, `By/s` is `bytes_per_second`.
pub(super) fn unit_name(unit: &str) -> String {
    let (main, per) = unit_suffixes(unit);
    let parts: Vec<String> = [clean_unit(&main), clean_unit(&per)].into_iter().filter(|p| !p.is_empty()).collect();
    let joined = parts.join("_");
    let joined = joined.strip_prefix('_').unwrap_or(&joined);
    joined.strip_suffix('_').unwrap_or(joined).to_owned()
}

/// A text in quotes, for messages.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_quoted(&mut out, &text[..text.floor_char_boundary(256)]);
    out
}

fn escaped_with_suffixes(name: &str, unit: &str, naming: Naming) -> String {
    let mut tokens: Vec<String> = tokens(name, |character| !is_valid(character));
    let (main, per) = unit_suffixes(unit);
    add_unit_tokens(&mut tokens, clean_unit(&main), clean_unit(&per));
    let ending = match naming {
        Naming::Counter => Some("total"),
        Naming::Gauge if unit == "1" => Some("ratio"),
        _ => None,
    };
    if let Some(ending) = ending {
        tokens.retain(|token| token != ending);
        tokens.push(ending.to_owned());
    }
    digits_behind_underscore(tokens.join("_"))
}

fn escaped(name: &str) -> String {
    digits_behind_underscore(tokens(name, |character| !is_valid(character) && character != '_').join("_"))
}

fn with_suffixes(name: &str, unit: &str, naming: Naming) -> String {
    let (main, per) = unit_suffixes(unit);
    let mut name = name;
    // The endings come in this order from the end of the name.
    let ending = match naming {
        Naming::Counter => "total",
        Naming::Gauge if unit == "1" => "ratio",
        _ => "",
    };
    for end in [ending, &per] {
        if !end.is_empty() {
            name = without_ending(name, end);
        }
    }
    let mut built = name.to_owned();
    if !main.is_empty() && !built.ends_with(&main) {
        built = format!("{built}_{main}");
    }
    for end in [&*per, ending] {
        if !end.is_empty() {
            built = format!("{built}_{end}");
        }
    }
    built
}

/// The name without this ending and the delimiter before it.
fn without_ending<'a>(name: &'a str, end: &str) -> &'a str {
    let start = name.strip_suffix(end).filter(|start| start.len() > 1);
    start.and_then(|start| start.char_indices().next_back().map(|(at, _)| &start[..at])).unwrap_or(name)
}

fn tokens(name: &str, separates: impl Fn(char) -> bool) -> Vec<String> {
    name.split(separates).filter(|token| !token.is_empty()).map(str::to_owned).collect()
}

fn is_valid(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == ':'
}

fn digits_behind_underscore(name: String) -> String {
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn add_unit_tokens(tokens: &mut Vec<String>, main: String, per: String) {
    let mut main = if tokens.contains(&main) { String::new() } else { main };
    let mut per = per;
    if per == "per_" {
        per.clear();
    } else {
        per = per.strip_suffix('_').map(str::to_owned).unwrap_or(per);
        if tokens.contains(&per) {
            per.clear();
        }
    }
    if !per.is_empty() {
        main = main.strip_suffix('_').map(str::to_owned).unwrap_or(main);
    }
    tokens.extend([main, per].into_iter().filter(|part| !part.is_empty()));
}

/// The unit before the slash, and `per_` with the one behind it. What stands in braces is only a remark.
fn unit_suffixes(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let known = |text: &str, map: &[(&str, &str)]| {
        let text = text.trim();
        if text.contains(['{', '}']) {
            return String::new();
        }
        map.iter().find(|(short, _)| *short == text).map_or(text, |(_, long)| long).to_owned()
    };
    let per = known(per, &PER_UNITS);
    (known(main, &UNITS), if per.is_empty() { per } else { format!("per_{per}") })
}

fn clean_unit(unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    for character in unit.chars() {
        let character = if is_valid(character) { character } else { '_' };
        if !(character == '_' && out.ends_with('_')) {
            out.push(character);
        }
    }
    out.strip_prefix('_').map(str::to_owned).unwrap_or(out)
}

/// Units of UCUM, and Prometheus's words for them.
const UNITS: [(&str, &str); 26] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

/// Units behind a slash.
const PER_UNITS: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_units_and_types() {
        use TranslationStrategy::*;
        for (name, unit, naming, expected) in [
            ("system.io", "foo/bar", Naming::Other, "system_io_foo_per_bar"),
            ("http.server.duration", "s", Naming::Other, "http_server_duration_seconds"),
            ("requests.total", "1", Naming::Counter, "requests_total"),
            ("requests.total.count", "{request}", Naming::Counter, "requests_count_total"),
            ("memory.usage", "By", Naming::Gauge, "memory_usage_bytes"),
            ("memory.bytes.usage", "By", Naming::Gauge, "memory_bytes_usage"),
            ("cpu.load", "1", Naming::Gauge, "cpu_load_ratio"),
            ("net.io", "By/s", Naming::Counter, "net_io_bytes_per_second_total"),
            ("broken", "/s", Naming::Other, "broken_per_second"),
            ("a__b", "", Naming::Other, "a_b"),
            ("2xx", "", Naming::Counter, "_2xx_total"),
            ("load", "%", Naming::Gauge, "load_percent"),
            ("x", "%/m{iles}", Naming::Gauge, "x_percent"),
            ("x", "_foo_", Naming::Other, "x_foo_"),
            ("x", "foo_/bar_", Naming::Other, "x_foo_per_bar"),
        ] {
            let built = metric_name(name, unit, naming, UnderscoreEscapingWithSuffixes);
            assert_eq!(built.as_deref(), Ok(expected), "{name} {unit}");
        }
        let built = |strategy| metric_name("2.a:b__c/é", "s", Naming::Counter, strategy).unwrap();
        assert_eq!(built(UnderscoreEscapingWithoutSuffixes), "_2_a:b__c");
        assert_eq!(built(NoTranslation), "2.a:b__c/é");
        assert_eq!(built(NoUtf8EscapingWithSuffixes), "2.a:b__c/é_seconds_total");
        let utf8 = |name, unit, naming| metric_name(name, unit, naming, NoUtf8EscapingWithSuffixes).unwrap();
        assert_eq!(utf8("a.total", "By/s", Naming::Counter), "a_bytes_per_second_total");
        assert_eq!(utf8("a.ratio", "1", Naming::Gauge), "a_ratio");
        assert_eq!(utf8("total", "", Naming::Counter), "total_total");
        let refused = |name| metric_name(name, "", Naming::Other, UnderscoreEscapingWithSuffixes).unwrap_err();
        assert_eq!(refused("...").to_string(), r#"normalization for metric "..." resulted in empty name"#);
        let refused = metric_name("_._", "", Naming::Other, UnderscoreEscapingWithoutSuffixes).unwrap_err();
        assert_eq!(refused.to_string(), r#"normalization for metric "_._" resulted in invalid name "___""#);
    }

    #[test]
    fn units_have_words() {
        for (unit, expected) in [
            ("s", "seconds"),
            ("By/s", "bytes_per_second"),
            ("1", ""),
            ("{request}/s", "per_second"),
            ("%", "percent"),
            ("m s", "m_s"),
            ("_x_", "x"),
        ] {
            assert_eq!(unit_name(unit), expected, "{unit}");
        }
    }
}
