//! Reading a histogram as test scripts describe it: `{{schema:1 count:3 sum:4.5 buckets:[1 2]}}`.

use super::buckets::Buckets;
use super::float_histogram::FloatHistogram;
use super::reset::CounterReset;
use super::validate::BUCKETS_MAX;

/// A histogram as it was described.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// The histogram; whether it is valid has not been asked.
    pub histogram: FloatHistogram,
    /// Whether the description gave a counter reset hint: only then does a comparison look at it.
    pub hint_given: bool,
}

/// What a description of a histogram lacks.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// It does not begin with `{{` or does not end with `}}`.
    #[error("a histogram is described between {{{{ and }}}}")]
    Unclosed,
    /// A word that is no key of a histogram.
    #[error("bad histogram descriptor found: {word:?}")]
    UnknownKey {
        /// The word.
        word: String,
    },
    /// A key that came before.
    #[error("duplicate key {key:?} in histogram")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A value of the wrong kind.
    #[error("error parsing {key}: {value:?}, expected {expected}")]
    Value {
        /// Whose value it is.
        key: String,
        /// What was there.
        value: String,
        /// What should be.
        expected: &'static str,
    },
}

impl Described {
    /// Reads the description at the start of `text`; also answers its length in bytes, for what follows it.
    ///
    /// # Errors
    /// See [`DescriptionError`].
    pub fn parse(text: &str) -> Result<(Described, usize), DescriptionError> {
        let inner = text.strip_prefix("{{").ok_or(DescriptionError::Unclosed)?;
        let length = inner.find("}}").ok_or(DescriptionError::Unclosed)?;
        let mut parts = Parts::default();
        let mut rest = inner[..length].trim_ascii();
        while !rest.is_empty() {
            rest = parts.take(rest)?.trim_ascii_start();
        }
        Ok((parts.described(), length + 4))
    }
}

/// What the keys gave so far.
#[derive(Default)]
struct Parts {
    keys: Vec<String>,
    described: FloatHistogram,
    hint_given: bool,
    offset: i32,
    buckets: Vec<f64>,
    negative_offset: i32,
    negative_buckets: Vec<f64>,
}

impl Parts {
    /// Takes `key:value` off the front of `text`.
    fn take<'a>(&mut self, text: &'a str) -> Result<&'a str, DescriptionError> {
        let unknown = |word: &str| DescriptionError::UnknownKey { word: word.chars().take(40).collect() };
        let end = text.find([':', ' ', '\t', '[', ']']).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        let rest = rest.strip_prefix(':').ok_or_else(|| unknown(word))?;
        let key = word.to_ascii_lowercase();
        let value_end = match rest.strip_prefix('[') {
            Some(list) => list.find(']').map_or(rest.len(), |at| at + 2),
            None => rest.find([' ', '\t']).unwrap_or(rest.len()),
        };
        let (value, rest) = rest.split_at(value_end);
        let bad =
            |expected| DescriptionError::Value { key: key.clone(), value: value.chars().take(80).collect(), expected };
        let number = || parse_number(value).ok_or_else(|| bad("a number"));
        let integer = || value.parse::<i32>().map_err(|_| bad("an integer"));
        let list = || parse_list(value).ok_or_else(|| bad("numbers between brackets, at most 65536"));
        let histogram = &mut self.described;
        match key.as_str() {
            "schema" => histogram.schema = integer()?,
            "count" => histogram.count = number()?,
            "sum" => histogram.sum = number()?,
            "z_bucket" => histogram.zero_count = number()?,
            "z_bucket_w" => histogram.zero_threshold = number()?,
            "custom_values" => histogram.custom_bounds = Some(list()?.into()),
            "buckets" => self.buckets = list()?,
            "offset" => self.offset = integer()?,
            "n_buckets" => self.negative_buckets = list()?,
            "n_offset" => self.negative_offset = integer()?,
            "counter_reset_hint" => {
                self.hint_given = true;
                histogram.counter_reset_hint = match value.to_ascii_lowercase().as_str() {
                    "unknown" => CounterReset::Unknown,
                    "reset" => CounterReset::Reset,
                    "not_reset" => CounterReset::NotReset,
                    "gauge" => CounterReset::Gauge,
                    _ => return Err(bad("unknown, reset, not_reset or gauge")),
                };
            }
            _ => return Err(unknown(word)),
        }
        if self.keys.contains(&key) {
            return Err(DescriptionError::DuplicateKey { key });
        }
        self.keys.push(key);
        Ok(rest)
    }

    fn described(self) -> Described {
        let histogram = FloatHistogram {
            positive: Buckets::contiguous(self.offset, self.buckets),
            negative: Buckets::contiguous(self.negative_offset, self.negative_buckets),
            ..self.described
        };
        Described { histogram, hint_given: self.hint_given }
    }
}

/// A float as Rust reads it, or a hexadecimal integer.
fn parse_number(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok().map(|number| sign * number as f64),
        None if digits.starts_with(['-', '+']) => None,
        None => digits.parse::<f64>().ok().map(|number| sign * number),
    }
}

/// `[1 2 3.5]`, at least one number.
fn parse_list(text: &str) -> Option<Vec<f64>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let numbers: Option<Vec<f64>> = inner.split_ascii_whitespace().take(BUCKETS_MAX + 1).map(parse_number).collect();
    numbers.filter(|numbers| !numbers.is_empty() && numbers.len() <= BUCKETS_MAX)
}
