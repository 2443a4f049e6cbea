//! Scripts: what they consist of, and how their lines are read.

use std::sync::LazyLock;

use regex::Regex;
use treering::model::Labels;
use treering::promql::parse::parse_duration_ms;

use crate::sequence::{Item, parse_series};

/// One command.
pub enum Command {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

/// Series to be added.
pub struct Load {
    /// Milliseconds from one value to the next.
    pub step_ms: i64,
    /// Whether classic histograms are to be added as native ones too.
    pub with_nhcb: bool,
    pub series: Vec<LoadedSeries>,
}

/// One series of a load.
pub struct LoadedSeries {
    pub labels: Labels,
    pub items: Vec<Item>,
    /// Where each sample's counting began, in milliseconds from the sample; none, or as many as items.
    pub starts: Vec<Option<i64>>,
}

/// A query with what is expected of it.
pub struct Eval {
    /// The line in the script, from 1.
    pub line: usize,
    pub query: String,
    pub times: Times,
    pub expected: Expected,
}

/// When a query is evaluated.
#[derive(Debug, Clone, Copy)]
pub enum Times {
    At(i64),
    Range { start_ms: i64, end_ms: i64, step_ms: i64 },
}

/// What is expected of a query.
#[derive(Default)]
pub struct Expected {
    pub fail: Option<Text>,
    pub warn: Vec<Text>,
    pub no_warn: bool,
    pub info: Vec<Text>,
    pub no_info: bool,
    pub ordered: bool,
    pub scalar: Option<f64>,
    pub text: Option<String>,
    /// The steps of a range that an instant query answers: start, end and step in milliseconds.
    pub range: Option<(i64, i64, i64)>,
    /// In the order of the script.
    pub series: Vec<(Labels, Vec<Item>)>,
}

/// What a message is compared with.
pub enum Text {
    Any,
    Is(String),
    Fits(Regex),
}

impl Text {
    pub fn matches(&self, message: &str) -> bool {
        match self {
            Text::Any => true,
            Text::Is(text) => text == message,
            Text::Fits(regex) => regex.is_match(message),
        }
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Text::Any => out.write_str("anything"),
            Text::Is(text) => write!(out, "{text:?}"),
            Text::Fits(regex) => write!(out, "/{regex}/"),
        }
    }
}

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).unwrap());
    };
}

pattern!(LOAD, r"^load(_with_nhcb)?\s+(.+?)$");
pattern!(INSTANT, r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(\S+?)\s+)?(.+)$");
pattern!(RANGE, r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$");
pattern!(EXPECT, r"^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$");
pattern!(EXPECT_RANGE, r"^expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$");

/// Reads a script; errors name the line.
pub fn parse(text: &str) -> Result<Vec<Command>, String> {
    let trimmed = |line: &str| {
        let line = line.trim();
        if line.starts_with('#') { String::new() } else { line.to_owned() }
    };
    let lines: Vec<String> = text.split('\n').map(trimmed).collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = &lines[at];
        let number = at + 1;
        at += 1;
        if line.is_empty() {
            continue;
        }
        // A command goes on until an empty line.
        let body_end = lines[at..].iter().position(String::is_empty).map_or(lines.len(), |end| at + end);
        let located = |reason: String| format!("line {number}: {reason}");
        let word = line.split([' ', '\t']).next().unwrap_or_default().to_ascii_lowercase();
        if word == "clear" {
            commands.push(Command::Clear);
        } else if word.starts_with("load") {
            commands.push(Command::Load(parse_load(line, &lines[at..body_end]).map_err(located)?));
            at = body_end;
        } else if word.starts_with("eval") {
            let (eval, used) = parse_eval(line, number, &lines[at..body_end]).map_err(located)?;
            commands.push(Command::Eval(Box::new(eval)));
            at += used;
        } else {
            return Err(located(format!("invalid command {line:?}")));
        }
    }
    Ok(commands)
}

fn parse_load(line: &str, body: &[String]) -> Result<Load, String> {
    let parts = LOAD.captures(line).ok_or("expected load[_with_nhcb] <step>")?;
    let mut load =
        Load { step_ms: parse_duration_ms(&parts[2])?, with_nhcb: parts.get(1).is_some(), series: Vec::new() };
    let mut starts: Option<(Labels, Vec<Option<i64>>)> = None;
    for line in body {
        let head = line.split([' ', '\t']).next().unwrap_or_default();
        if let Some(series) = head.strip_suffix("@st") {
            if starts.is_some() {
                return Err(format!("two lines of starts, one after the other: {line:?}"));
            }
            starts = Some((parse_series(series)?.0, parse_starts(&line[head.len()..])?));
            continue;
        }
        let (labels, items) = parse_series(line)?;
        let starts = match starts.take() {
            None => Vec::new(),
            Some((of, starts)) if of == labels && starts.len() == items.len() => starts,
            Some((of, starts)) => {
                let (count, values) = (starts.len(), items.len());
                return Err(format!("{count} starts of {of} do not fit {values} values of {labels}"));
            }
        };
        // A series that comes twice in a load is what it is the second time.
        load.series.retain(|series| series.labels != labels);
        load.series.push(LoadedSeries { labels, items, starts });
    }
    if starts.is_some() {
        return Err("a line of starts without a line of values".to_owned());
    }
    Ok(load)
}

/// `-1m -1m+10sx3 _x2`: milliseconds.
fn parse_starts(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut starts = Vec::new();
    for item in text.split_whitespace() {
        let refused = || format!("start {item:?}");
        let (first, times) = match item.split_once('x') {
            Some((first, times)) => (first, Some(times.parse::<usize>().map_err(|_| refused())?)),
            None => (item, None),
        };
        if first == "_" {
            starts.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
            continue;
        }
        let step_at = first[1..].find(['+', '-']).map_or(first.len(), |at| at + 1);
        let (base, step) = first.split_at(step_at);
        let mut start = parse_signed_duration(base)?;
        let step = if step.is_empty() { 0 } else { parse_signed_duration(step)? };
        for _ in 0..times.map_or(1, |times| times + 1) {
            starts.push(Some(start));
            start += step;
        }
    }
    Ok(starts)
}

fn parse_signed_duration(text: &str) -> Result<i64, String> {
    match text.strip_prefix('-') {
        Some(text) => Ok(-parse_duration_ms(text)?),
        None => parse_duration_ms(text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Reads a query and what is expected of it; also answers how many lines of the body that took.
fn parse_eval(line: &str, number: usize, body: &[String]) -> Result<(Eval, usize), String> {
    let (form, query, times);
    if let Some(parts) = INSTANT.captures(line) {
        let at = parts.get(2).map_or("0", |at| at.as_str());
        (form, query) = (parts.get(1).map(|form| form.as_str().to_owned()), parts[3].to_owned());
        times = Times::At(parse_duration_ms(at)?);
    } else if let Some(parts) = RANGE.captures(line) {
        let (start_ms, end_ms, step_ms) = parse_range(&parts[2], &parts[3], &parts[4])?;
        (form, query) = (parts.get(1).map(|form| form.as_str().to_owned()), parts[5].to_owned());
        times = Times::Range { start_ms, end_ms, step_ms };
    } else {
        return Err("expected eval[_fail|_warn|_ordered|_info] instant [at <time>] <query> or \
                    eval[_fail|_warn|_info] range from <time> to <time> step <step> <query>"
            .to_owned());
    }
    let mut expected = Expected::default();
    match form.as_deref() {
        Some("fail") => expected.fail = Some(Text::Any),
        Some("warn") => expected.warn.push(Text::Any),
        Some("info") => expected.info.push(Text::Any),
        Some("ordered") => expected.ordered = true,
        _ => {}
    }
    // The old forms ask for a warning, and do not mind others.
    for (used, line) in body.iter().enumerate() {
        if parse_expected(line, &mut expected, times)? {
            return Ok((Eval { line: number, query, times, expected }, used + 1));
        }
    }
    Ok((Eval { line: number, query, times, expected }, body.len()))
}

fn parse_range(start: &str, end: &str, step: &str) -> Result<(i64, i64, i64), String> {
    let range = (parse_duration_ms(start)?, parse_duration_ms(end)?, parse_duration_ms(step)?);
    if range.1 < range.0 { Err(format!("{end} is before {start}")) } else { Ok(range) }
}

/// Reads one line of expectations; answers whether it is the last one.
fn parse_expected(line: &str, expected: &mut Expected, times: Times) -> Result<bool, String> {
    if let Some(text) = line.strip_prefix("expected_fail_message").filter(|_| expected.fail.is_some()) {
        expected.fail = Some(Text::Is(text.trim().to_owned()));
        return Ok(true);
    }
    if let Some(text) = line.strip_prefix("expected_fail_regexp").filter(|_| expected.fail.is_some()) {
        expected.fail = Some(Text::Fits(Regex::new(text.trim()).map_err(|error| error.to_string())?));
        return Ok(true);
    }
    if let Some(parts) = EXPECT_RANGE.captures(line) {
        expected.range = Some(parse_range(&parts[1], &parts[2], &parts[3])?);
        return Ok(false);
    }
    if let Some(text) = line.strip_prefix("expect string ") {
        expected.text = Some(parse_string(text)?);
        return Ok(false);
    }
    if line.split(' ').next() == Some("expect") {
        parse_expect(line, expected)?;
        return Ok(false);
    }
    if let Some(number) = parse_number(line) {
        expected.scalar = Some(number);
        return Ok(true);
    }
    let (labels, items) = parse_series(line)?;
    if items.len() > 1 && matches!(times, Times::At(_)) && expected.range.is_none() {
        return Err(format!("several values at one time, without expect range vector: {line:?}"));
    }
    expected.series.retain(|(other, _)| *other != labels);
    expected.series.push((labels, items));
    Ok(false)
}

fn parse_expect(line: &str, expected: &mut Expected) -> Result<(), String> {
    let parts = EXPECT.captures(line).ok_or_else(|| format!("expected expect <kind> [msg:|regex:]: {line:?}"))?;
    let wanted = parts.get(3).map_or("", |text| text.as_str().trim());
    let text = match parts.get(2).map(|kind| kind.as_str()) {
        Some("msg") => Text::Is(wanted.to_owned()),
        Some(_) => Text::Fits(Regex::new(wanted).map_err(|error| error.to_string())?),
        None => Text::Any,
    };
    match &parts[1] {
        "fail" if matches!(expected.fail, Some(Text::Is(_) | Text::Fits(_))) => {
            return Err("two lines of expect fail".to_owned());
        }
        "fail" => expected.fail = Some(text),
        "warn" => expected.warn.push(text),
        "info" => expected.info.push(text),
        "no_warn" => expected.no_warn = true,
        "no_info" => expected.no_info = true,
        _ => expected.ordered = true,
    }
    if expected.no_warn && !expected.warn.is_empty() || expected.no_info && !expected.info.is_empty() {
        return Err("expected and not expected at once".to_owned());
    }
    Ok(())
}

/// A quoted text; the escapes are those of a query.
fn parse_string(text: &str) -> Result<String, String> {
    use treering::promql::ast::Expr;
    use treering::promql::parse::{ParseOptions, parse_expr};
    match parse_expr(text, &ParseOptions::everything()) {
        Ok(Expr::String(string)) => Ok(string.value),
        Ok(other) => Err(format!("{other} is no string")),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_number(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['+', '-']);
    if let Some(hex) = unsigned.strip_prefix("0x") {
        let number = i64::from_str_radix(hex, 16).ok()? as f64;
        return Some(if text.starts_with('-') { -number } else { number });
    }
    text.replace('_', "").parse().ok()
}
