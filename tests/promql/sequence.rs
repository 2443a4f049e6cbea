//! The notation of series in scripts: `name{labels} 1 2+3x4 _ stale {{schema:0 …}}x2`.

use std::sync::Arc;

use treering::model::histogram::{Described, FloatHistogram};
use treering::model::{Labels, MatchOp};
use treering::promql::parse::{ParseOptions, parse_duration_ms, parse_selector};

/// The number that says that a series ends; its bits are Prometheus's.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);
/// Most values that one item of a sequence may stand for.
const REPEAT_MAX: u64 = 1_000_000;

/// One place of a sequence.
#[derive(Debug, Clone)]
pub enum Item {
    Omitted,
    Float(f64),
    /// With whether the script says what the counter reset hint is: only then it is compared.
    Histogram(Arc<FloatHistogram>, bool),
}

/// Takes a line apart into the labels of its series and the values.
pub fn parse_series(line: &str) -> Result<(Labels, Vec<Item>), String> {
    let end = labels_end(line);
    let labels = parse_labels(&line[..end])?;
    let mut items = Vec::new();
    let mut rest = line[end..].trim_start();
    while !rest.is_empty() {
        rest = parse_item(rest, &mut items).map_err(|reason| format!("{reason} in {line:?}"))?.trim_start();
    }
    Ok((labels, items))
}

/// Where the labels end and the values begin.
fn labels_end(line: &str) -> usize {
    let mut quote = None;
    let mut in_braces = false;
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some('"' | '\''), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(character),
            (None, '{') => in_braces = true,
            (None, '}') if in_braces => return at + 1,
            (None, ' ' | '\t') if !in_braces => return at,
            (None, _) => {}
        }
    }
    line.len()
}

fn parse_labels(text: &str) -> Result<Labels, String> {
    let matchers = parse_selector(text, &ParseOptions::everything()).map_err(|error| format!("{text:?}: {error}"))?;
    if matchers.iter().any(|matcher| matcher.op() != MatchOp::Equal) {
        return Err(format!("{text:?}: labels are set by = alone"));
    }
    Ok(Labels::from_pairs(matchers.iter().map(|matcher| (matcher.name(), matcher.value()))))
}

/// Parses one item off the front, and answers what follows it.
fn parse_item<'a>(text: &'a str, items: &mut Vec<Item>) -> Result<&'a str, String> {
    let (times, rest);
    if let Some(behind) = text.strip_prefix('_') {
        (times, rest) = parse_times(behind)?;
        items.extend((0..times.unwrap_or(1)).map(|_| Item::Omitted));
    } else if text.starts_with("{{") {
        let (first, behind) = parse_histogram(text)?;
        if let Some(sign) = ["+{{", "-{{"].iter().position(|sign| behind.starts_with(sign)) {
            let (step, behind) = parse_histogram(&behind[1..])?;
            (times, rest) = parse_times(behind)?;
            let times = times.ok_or("a sum of histograms without a number of times")?;
            push_histograms(first, &step, sign == 1, times, items)?;
        } else {
            (times, rest) = parse_times(behind)?;
            let histogram = Arc::new(first.histogram);
            // A value that is repeated stands at the start as well.
            let count = times.map_or(1, |times| times + 1);
            items.extend((0..count).map(|_| Item::Histogram(Arc::clone(&histogram), first.hint_given)));
        }
    } else {
        let (mut value, behind) = parse_float(text)?;
        let (step, behind) = match behind.starts_with(['+', '-']) {
            true => parse_float(behind)?,
            false => (0.0, behind),
        };
        (times, rest) = parse_times(behind)?;
        for _ in 0..times.map_or(1, |times| times + 1) {
            items.push(Item::Float(value));
            value = if step == 0.0 { value } else { value + step };
        }
    }
    if rest.starts_with(|next: char| !next.is_whitespace()) {
        return Err(format!("unexpected {rest:?}"));
    }
    Ok(rest)
}

/// `x3`, if it is there.
fn parse_times(text: &str) -> Result<(Option<u64>, &str), String> {
    let Some(behind) = text.strip_prefix('x') else { return Ok((None, text)) };
    let end = behind.find(|next: char| !next.is_ascii_digit()).unwrap_or(behind.len());
    let times = behind[..end].parse::<u64>().map_err(|error| format!("times {:?}: {error}", &behind[..end]))?;
    if times > REPEAT_MAX {
        return Err(format!("{times} times is too often"));
    }
    Ok((Some(times), &behind[end..]))
}

/// A number with its sign, a duration in seconds, or `stale`.
fn parse_float(text: &str) -> Result<(f64, &str), String> {
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    for (word, value) in [("inf", f64::INFINITY), ("nan", f64::NAN), ("stale", STALE)] {
        if let Some(head) = unsigned.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word)) {
            let value = if word == "stale" { value } else { sign * value };
            return Ok((value, &unsigned[head.len()..]));
        }
    }
    let digits = |text: &str| text.bytes().take_while(|byte| byte.is_ascii_digit() || b"._".contains(byte)).count();
    let mut end = digits(unsigned);
    let exponent = &unsigned[end..];
    if exponent.starts_with(['e', 'E']) {
        let signed = 1 + usize::from(exponent[1..].starts_with(['+', '-']));
        end += signed + digits(&exponent[signed..]);
    }
    let refused = || format!("{text:?} is no number");
    if unsigned[end..].starts_with(|next: char| "smhdwy".contains(next)) {
        let end = unsigned.find(|next: char| !next.is_ascii_digit() && !"smhdwy".contains(next));
        let (duration, rest) = unsigned.split_at(end.unwrap_or(unsigned.len()));
        let millis = parse_duration_ms(duration)?;
        return Ok((sign * millis as f64 / 1000.0, rest));
    }
    let value: f64 = unsigned[..end].replace('_', "").parse().map_err(|_| refused())?;
    Ok((sign * value, &unsigned[end..]))
}

fn parse_histogram(text: &str) -> Result<(Described, &str), String> {
    let (described, length) = Described::parse(text).map_err(|error| error.to_string())?;
    Ok((described, &text[length..]))
}

fn push_histograms(
    first: Described,
    step: &Described,
    subtract: bool,
    times: u64,
    items: &mut Vec<Item>,
) -> Result<(), String> {
    let mut current = first.histogram;
    for time in 0..=times {
        if time > 0 {
            if current.schema > step.histogram.schema {
                let (from, to) = (step.histogram.schema, current.schema);
                return Err(format!("error combining histograms: cannot merge from schema {from} to {to}"));
            }
            let combined = if subtract { current.sub(&step.histogram) } else { current.add(&step.histogram) };
            // What a query would say of the sum does not matter here.
            let _ = combined.map_err(|error| error.to_string())?;
        }
        items.push(Item::Histogram(Arc::new(current.clone()), step.hint_given));
    }
    Ok(())
}
