//! One entry of an answer: a selector's data and statistics, read, reshaped and printed.
//!
//! The order is fixed, for it shows in the numbers: statistics of the full data, resampling, scaling, padding. Long
//! padding is not printed here but noted as a hole, so that an entry takes no more memory than its data.

use super::batch::Lead;
use super::number::{write_data_items, write_integer, write_statistic};
use super::request::Request;
use super::resample::{NotAMultiple, Plan, Resample};
use super::source::Source;
use super::statistics::Statistics;
use crate::model::Selector;
use crate::store::ReadError;

/// What to read for one entry, and its form.
#[derive(Debug)]
pub(super) struct Task<'a> {
    /// What stands before it.
    pub(super) lead: Lead,
    pub(super) selector: Selector,
    pub(super) metric: &'a str,
    /// 0 and less for the metric's own frequency.
    pub(super) resolution_secs: i64,
    pub(super) scale_by: f64,
    pub(super) resample: Resample,
}

/// What came of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// Nothing holds the metric there.
    Missing,
    /// An entry, with data or with an error.
    Present {
        /// What stands between its JSON's two parts.
        hole: Option<Hole>,
        /// The resolution it names.
        resolution_secs: i64,
    },
}

/// Room for values that one entry after the other uses.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    data: Vec<f64>,
    reshaped: Vec<f64>,
}

/// Where in the buffer `null,` belongs, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) at: usize,
    pub(super) nulls: u64,
}

/// Why an entry has no data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum EntryError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Resolution(#[from] NotAMultiple),
}

/// Longer padding is left out: `from` 0 at one slot a second would be eight gigabytes of nulls. At one slot a minute
/// even `from` 0 is padded in full.
pub(super) const PADDING_MAX: u64 = 1 << 25;

/// Padding up to this length is printed with the entry.
const PADDING_INLINE_MAX: u64 = 4096;

/// Reads one entry and appends it to `json`; what is missing appends nothing.
pub(super) fn print(
    source: &impl Source,
    request: &Request<'_>,
    task: &Task<'_>,
    scratch: &mut Scratch,
    json: &mut Vec<u8>,
) -> Entry {
    match try_print(source, request, task, scratch, json) {
        Ok(entry) => entry,
        Err(EntryError::Read(ReadError::NotFound)) => Entry::Missing,
        Err(error) => {
            json.extend_from_slice(b"{\"error\":");
            write_string(json, &error.to_string());
            json.push(b',');
            write_tail(json, 0, 0, 0, Statistics::NOT_ASKED);
            Entry::Present { hole: None, resolution_secs: 0 }
        }
    }
}

/// An error comes before anything is written.
fn try_print(
    source: &impl Source,
    request: &Request<'_>,
    task: &Task<'_>,
    scratch: &mut Scratch,
    json: &mut Vec<u8>,
) -> Result<Entry, EntryError> {
    if request.from_secs > request.to_secs {
        return Err(ReadError::InvalidRange.into());
    }
    let spare = std::mem::take(&mut scratch.data);
    let mut answer = source.read(&task.selector, task.metric, request.from_secs, request.to_secs, spare)?;
    let len = answer.data.len();
    let plan = Plan::new(task.resample, len, answer.frequency_secs, task.resolution_secs)?;
    let resolution_secs = plan.resolution_secs(answer.frequency_secs);
    let to_secs = plan.end_secs(len, answer.from_secs, answer.to_secs, answer.frequency_secs);
    let factor = Some(task.scale_by).filter(|&factor| factor != 0.0 && factor != 1.0);

    let mut statistics = Statistics::NOT_ASKED;
    if request.with_stats {
        statistics = Statistics::of(&answer.data);
        if let Some(factor) = factor {
            statistics = statistics.scaled(factor);
        }
    }
    json.push(b'{');
    let mut hole = None;
    if request.with_data && len != 0 {
        let data = if plan.keeps_all() {
            &mut answer.data
        } else {
            scratch.reshaped.clear();
            plan.apply(&answer.data, &mut scratch.reshaped);
            &mut scratch.reshaped
        };
        if let Some(factor) = factor {
            data.iter_mut().for_each(|value| *value *= factor);
        }
        json.extend_from_slice(b"\"data\":[");
        if request.with_padding {
            let nulls = padding(request.from_secs, answer.from_secs, resolution_secs);
            if nulls <= PADDING_INLINE_MAX {
                (0..nulls).for_each(|_| json.extend_from_slice(b"null,"));
            } else if nulls <= PADDING_MAX {
                hole = Some(Hole { at: json.len(), nulls });
            }
        }
        write_data_items(json, data);
        json.extend_from_slice(b"],");
    }
    write_tail(json, answer.from_secs, to_secs, resolution_secs, statistics);
    scratch.data = answer.data;
    Ok(Entry::Present { hole, resolution_secs })
}

/// How many points of the answered resolution lie between the asked start and the data's.
fn padding(asked_secs: i64, from_secs: i64, resolution_secs: i64) -> u64 {
    let resolution_secs = resolution_secs.max(1);
    let slots = from_secs.div_euclid(resolution_secs).saturating_sub(asked_secs.div_euclid(resolution_secs));
    u64::try_from(slots).unwrap_or(0)
}

/// Prints an entry for a name that nothing is known of, so that the entries behind it keep their places.
pub(super) fn write_placeholder(out: &mut Vec<u8>, request: &Request<'_>, resolution_secs: i64) {
    out.push(b'{');
    let statistics = if request.with_stats { Statistics::NONE } else { Statistics::NOT_ASKED };
    write_tail(out, request.from_secs, request.from_secs, resolution_secs, statistics);
}

/// Prints what every entry ends with.
fn write_tail(out: &mut Vec<u8>, from_secs: i64, to_secs: i64, resolution_secs: i64, statistics: Statistics) {
    for (key, value) in [("\"from\":", from_secs), (",\"to\":", to_secs), (",\"resolution\":", resolution_secs)] {
        out.extend_from_slice(key.as_bytes());
        write_integer(out, value);
    }
    for (key, value) in [(",\"avg\":", statistics.avg), (",\"min\":", statistics.min), (",\"max\":", statistics.max)] {
        out.extend_from_slice(key.as_bytes());
        write_statistic(out, value);
    }
    out.push(b'}');
}

/// Prints a JSON string.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padding_counts_slots_of_the_answered_resolution() {
        assert_eq!(padding(1770244200, 1770244800, 60), 10);
        assert_eq!(padding(1770244783, 1770244800, 60), 1, "off the grid");
        assert_eq!(padding(1770244783, 1770244783, 60), 0);
        assert_eq!(padding(1770244800, 1770244200, 60), 0, "data before the asked start");
        assert_eq!(padding(0, 1200, 600), 2);
        assert_eq!(padding(-90, 0, 60), 2, "rounded down below zero too");
        assert_eq!(padding(i64::MIN, i64::MAX, 1), i64::MAX as u64);
    }

    proptest! {
        #[test]
        fn strings_are_json(text: String) {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
