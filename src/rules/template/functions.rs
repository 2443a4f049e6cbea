//! The functions that templates have beside Go's own: Prometheus's.

use std::sync::Arc;

use gotmpl::{FuncMap, TemplateError, Value, ValueFunc};
use regex::{Regex, RegexBuilder};

use super::Moment;
use super::go_time::GoTime;
use super::humanize::{self, number_of};
use super::links::{graph_link, query_escape, split_host_port, strip_domain, table_link};
use super::printing::{print, printf, println};
use super::tree::{FIELD, PRINT};
use super::value::{kind, labels_of, member, of_vector};
use crate::promql::parse::parse_duration_ms;

/// Bytes that a pattern may be compiled to.
const PATTERN_BYTES_MAX: usize = 1 << 20;

type Answer = Result<Value, String>;

/// All functions; those about the expansion under way find it in `moment`.
pub(super) fn all(moment: &Arc<Moment>) -> FuncMap {
    let mut functions = FuncMap::new();
    for &(name, count, function) in PLAIN {
        functions.insert(name.to_owned(), checked(name, Some(count), function));
    }
    functions.insert("args".to_owned(), checked("args", None, arguments_as_map));
    functions.insert("index".to_owned(), checked("index", None, index));
    functions.insert(FIELD.to_owned(), checked(FIELD, None, field));
    functions.insert(PRINT.to_owned(), checked(PRINT, None, print));
    functions.insert("print".to_owned(), checked("print", None, print));
    functions.insert("println".to_owned(), checked("println", None, println));
    functions.insert("printf".to_owned(), checked("printf", None, printf));
    for &(name, count, function) in AT_A_MOMENT {
        let moment = Arc::clone(moment);
        functions.insert(name.to_owned(), checked(name, Some(count), move |arguments| function(&moment, arguments)));
    }
    functions
}

/// A function that is called with as many arguments as it has, if that is known.
fn checked(
    name: &'static str,
    count: Option<usize>,
    function: impl Fn(&[Value]) -> Answer + Send + Sync + 'static,
) -> ValueFunc {
    Arc::new(move |arguments: &[Value]| {
        if let Some(count) = count.filter(|&count| count != arguments.len()) {
            let text = format!("wrong number of args for {name}: want {count} got {}", arguments.len());
            return Err(TemplateError::Exec(text));
        }
        let is_inner = name.starts_with('_');
        function(arguments)
            .map_err(|text| TemplateError::Exec(if is_inner { text } else { format!("error calling {name}: {text}") }))
    })
}

type Function = (&'static str, usize, fn(&[Value]) -> Answer);
type FunctionOfMoment = (&'static str, usize, fn(&Moment, &[Value]) -> Answer);

/// Functions of their arguments alone. Go's check of the count makes the positions safe.
const PLAIN: &[Function] = &[
    ("first", 1, |arguments| match &arguments[0] {
        Value::List(samples) => match samples.first() {
            Some(sample) => Ok(sample.clone()),
            None => Err("first() called on vector with no elements".to_owned()),
        },
        other => Err(format!("wrong type for value; expected template.queryResult; got {}", kind(other))),
    }),
    ("value", 1, |arguments| labels_of(&arguments[0]).and_then(|_| member(&arguments[0], super::value::VALUE))),
    ("label", 2, |arguments| Ok(label(labels_of(&arguments[1])?, text(&arguments[0])?))),
    ("strvalue", 1, |arguments| Ok(label(labels_of(&arguments[0])?, "__value__"))),
    ("sortByLabel", 2, |arguments| {
        let name = text(&arguments[0])?;
        let Value::List(samples) = &arguments[1] else {
            return Err(format!("wrong type for value; expected template.queryResult; got {}", kind(&arguments[1])));
        };
        let mut sorted: Vec<(String, Value)> = Vec::with_capacity(samples.len());
        for sample in samples.iter() {
            sorted.push((label(labels_of(sample)?, name).to_string(), sample.clone()));
        }
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Value::List(sorted.into_iter().map(|(_, sample)| sample).collect()))
    }),
    ("reReplaceAll", 3, |arguments| {
        let replaced = pattern(&arguments[0])?;
        let replaced = replaced.replace_all(text(&arguments[2])?, text(&arguments[1])?);
        Ok(Value::String(replaced.into()))
    }),
    ("match", 2, |arguments| Ok(Value::Bool(pattern(&arguments[0])?.is_match(text(&arguments[1])?)))),
    ("safeHtml", 1, |arguments| Ok(Value::String(text(&arguments[0])?.into()))),
    ("title", 1, |arguments| Ok(Value::String(humanize::title(text(&arguments[0])?).into()))),
    ("toUpper", 1, |arguments| Ok(Value::String(text(&arguments[0])?.to_uppercase().into()))),
    ("toLower", 1, |arguments| Ok(Value::String(text(&arguments[0])?.to_lowercase().into()))),
    ("graphLink", 1, |arguments| Ok(Value::String(graph_link(text(&arguments[0])?).into()))),
    ("tableLink", 1, |arguments| Ok(Value::String(table_link(text(&arguments[0])?).into()))),
    ("stripPort", 1, |arguments| {
        let address = text(&arguments[0])?;
        Ok(Value::String(split_host_port(address).map_or(address, |(host, _)| host).into()))
    }),
    ("stripDomain", 1, |arguments| Ok(Value::String(strip_domain(text(&arguments[0])?).into()))),
    ("humanize", 1, |arguments| Ok(Value::String(humanize::humanize(number_of(&arguments[0])?).into()))),
    ("humanize1024", 1, |arguments| Ok(Value::String(humanize::humanize_1024(number_of(&arguments[0])?).into()))),
    ("humanizeDuration", 1, |arguments| Ok(Value::String(humanize::duration(number_of(&arguments[0])?).into()))),
    ("humanizePercentage", 1, |arguments| Ok(Value::String(humanize::percentage(number_of(&arguments[0])?).into()))),
    ("humanizeTimestamp", 1, |arguments| {
        let number = number_of(&arguments[0])?;
        if !number.is_finite() {
            return Ok(Value::String(humanize::four_digits(number).into()));
        }
        GoTime::from_secs(number).map(|time| Value::String(time.to_string().into()))
    }),
    ("toTime", 1, |arguments| {
        let number = number_of(&arguments[0])?;
        if !number.is_finite() {
            return Err("value is NaN or Inf".to_owned());
        }
        GoTime::from_secs(number).map(|time| Value::String(time.to_string().into()))
    }),
    ("toDuration", 1, |arguments| {
        let secs = number_of(&arguments[0])?;
        // Casts of floats saturate, as far as 292 years.
        let nanos = (secs.abs() * 1e9) as i64;
        let duration = crate::time::GoDuration(std::time::Duration::from_nanos(nanos.unsigned_abs()));
        Ok(Value::String(format!("{}{duration}", if secs < 0.0 { "-" } else { "" }).into()))
    }),
    ("parseDuration", 1, |arguments| {
        let duration = text(&arguments[0])?;
        let (sign, rest) = match duration.strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, duration),
        };
        parse_duration_ms(rest).map(|ms| Value::Float(sign * ms as f64 / 1000.0))
    }),
    ("urlQueryEscape", 1, |arguments| Ok(Value::String(query_escape(text(&arguments[0])?).into()))),
];

/// Functions of the expansion under way.
const AT_A_MOMENT: &[FunctionOfMoment] = &[
    ("query", 1, |moment, arguments| Ok(of_vector(&moment.ask(text(&arguments[0])?)?))),
    ("now", 0, |moment, _| Ok(Value::Float(moment.now()?.time_ms as f64 / 1000.0))),
    ("externalURL", 0, |moment, _| Ok(Value::String(moment.now()?.external_url))),
    ("pathPrefix", 0, |moment, _| {
        let now = moment.now()?;
        let rest = now.external_url.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        Ok(Value::String(path.into()))
    }),
];

/// A text argument. Go would print nothing else as one either.
pub(super) fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("wrong type for value; expected string; got {}", kind(other))),
    }
}

fn label(labels: &std::collections::BTreeMap<Arc<str>, Value>, name: &str) -> Value {
    labels.get(name).cloned().unwrap_or_else(|| Value::String("".into()))
}

fn pattern(value: &Value) -> Result<Regex, String> {
    RegexBuilder::new(text(value)?).size_limit(PATTERN_BYTES_MAX).build().map_err(|error| error.to_string())
}

fn arguments_as_map(arguments: &[Value]) -> Answer {
    let named = arguments.iter().enumerate().map(|(at, argument)| (Arc::from(format!("arg{at}")), argument.clone()));
    Ok(Value::Map(Arc::new(named.collect())))
}

/// Go's own, but for labels that are not there.
fn index(arguments: &[Value]) -> Answer {
    let Some((value, keys)) = arguments.split_first() else {
        return Err("wrong number of args for index: want at least 1 got 0".to_owned());
    };
    keys.iter().try_fold(value.clone(), |value, key| match (&value, key) {
        (Value::Map(_), Value::String(name)) => member(&value, name),
        _ => value.index(key).map_err(|error| error.to_string()),
    })
}

fn field(arguments: &[Value]) -> Answer {
    let Some((value, names)) = arguments.split_first() else { return Ok(Value::Nil) };
    names.iter().try_fold(value.clone(), |value, name| member(&value, text(name)?))
}
