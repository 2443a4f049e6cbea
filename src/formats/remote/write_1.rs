//! Remote write 1.0: `prometheus.WriteRequest`, in which every series spells its labels.

use super::super::protobuf::{Fields, Malformed};
use super::error::WriteError;
use super::exemplar::check_exemplar;
use super::histogram::read_histogram;
use super::limits::WriteLimits;
use super::sample::read_sample;
use super::series::{Parts, Series};
use super::visit::{MetadataRef, WriteVisitor, cut_text, metric_kind};

/// Shows every series of a 1.0 body to the visitor, and the metadata.
///
/// # Errors
/// A body that is malformed, and one that holds more than `limits` allow: what the visitor was shown does not count.
pub fn decode_write_1(body: &[u8], limits: &WriteLimits, visitor: &mut impl WriteVisitor) -> Result<(), WriteError> {
    let mut parts = Parts::default();
    let mut samples_left = limits.samples_max;
    let mut fields = Fields::of_body(body);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => {
                let series = value.message(&fields)?;
                parts.clear();
                let expected = read_series(series, limits, visitor.expected(), samples_left, &mut parts)?;
                samples_left = samples_left
                    .checked_sub(parts.samples.len() + parts.histogram_weight)
                    .ok_or(WriteError::TooMany { what: "samples", limit: limits.samples_max })?;
                visitor.series(&mut Series { parts: &mut parts, symbols: None, limits, metadata: None, expected });
            }
            3 => read_metadata(value.message(&fields)?, limits, visitor)?,
            _ => {}
        }
    }
    Ok(())
}

/// Reads a series; tells whether it is the expected one.
fn read_series<'a>(
    mut fields: Fields<'a>,
    limits: &WriteLimits,
    expected: &[u8],
    samples_left: usize,
    parts: &mut Parts<'a>,
) -> Result<bool, Malformed> {
    let message = fields.rest();
    let start = fields.offset();
    // Where the current run of labels began, and where it ends as far as it goes.
    let (mut run_start, mut run_end) = (0, 0);
    let mut is_expected = false;
    if !expected.is_empty() && message.starts_with(expected) && message.get(expected.len()) != Some(&LABEL_TAG) {
        fields = Fields::ending_at(&message[expected.len()..], start + message.len());
        run_end = expected.len();
        is_expected = true;
    }
    loop {
        let at = fields.offset() - start;
        let Some((field, value)) = fields.next()? else { break };
        match field {
            1 => {
                label_of(value.message(&fields)?)?;
                if at != run_end {
                    if run_end > run_start {
                        parts.runs.push(&message[run_start..run_end]);
                    }
                    run_start = at;
                }
                run_end = fields.offset() - start;
                is_expected = false;
            }
            // One too many is enough for the caller to see.
            2 if parts.samples.len() > samples_left => {}
            2 => parts.samples.push(read_sample(value.message(&fields)?, false)?),
            3 => {
                let exemplar = value.message(&fields)?;
                check_exemplar(exemplar, false)?;
                parts.add_exemplar(limits, exemplar.rest(), fields.offset());
            }
            4 => {
                let histogram = read_histogram(value.message(&fields)?, false)?;
                if parts.histogram_weight <= samples_left {
                    parts.add_histogram(limits, histogram);
                }
            }
            _ => {}
        }
    }
    parts.runs.push(&message[run_start..run_end]);
    if parts.runs.len() > 1 {
        for run in &parts.runs {
            parts.key.extend_from_slice(run);
        }
    }
    Ok(is_expected)
}

/// Name and value of a label.
pub(super) fn label_of(mut fields: Fields<'_>) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut name, mut text): (&[u8], &[u8]) = (&[], &[]);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => name = value.bytes(&fields)?,
            2 => text = value.bytes(&fields)?,
            _ => {}
        }
    }
    Ok((name, text))
}

fn read_metadata(
    mut fields: Fields<'_>,
    limits: &WriteLimits,
    visitor: &mut impl WriteVisitor,
) -> Result<(), Malformed> {
    let mut metadata = MetadataRef::default();
    let mut metric = "";
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => metadata.kind = metric_kind(value.varint(&fields)?),
            2 => metric = cut_text(value.bytes(&fields)?, usize::MAX),
            4 => metadata.help = cut_text(value.bytes(&fields)?, limits.help_bytes_max),
            5 => metadata.unit = cut_text(value.bytes(&fields)?, limits.help_bytes_max),
            _ => {}
        }
    }
    if !metric.is_empty() && metric.len() <= limits.value_bytes_max {
        visitor.metadata(metric, metadata);
    }
    Ok(())
}

/// Field 1, with a length.
const LABEL_TAG: u8 = 0x0A;
