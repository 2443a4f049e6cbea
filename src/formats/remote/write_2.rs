//! Remote write 2.0: `io.prometheus.write.v2.Request`, in which series refer to a table of symbols.

use super::super::protobuf::{Fields, Malformed};
use super::error::{SeriesError, WriteError, describe_refs};
use super::exemplar::check_exemplar;
use super::histogram::read_histogram;
use super::limits::WriteLimits;
use super::sample::read_sample;
use super::series::{Parts, Series};
use super::symbols::Symbols;
use super::visit::{MetadataRef, WriteVisitor, cut_text, metric_kind};

/// Shows every series of a 2.0 body to the visitor.
///
/// # Errors
/// A body that is malformed, and one that holds more than `limits` allow: what the visitor was shown does not count.
pub fn decode_write_2(body: &[u8], limits: &WriteLimits, visitor: &mut impl WriteVisitor) -> Result<(), WriteError> {
    let symbols = read_symbols(body, limits)?;
    let mut parts = Parts::default();
    let mut hashes = Vec::new();
    let mut samples_left = limits.samples_max;
    let mut fields = Fields::of_body(body);
    while let Some((field, value)) = fields.next()? {
        if field != SERIES {
            continue;
        }
        let series = value.message(&fields)?;
        parts.clear();
        let metadata = read_series(series, limits, samples_left, &mut parts)?;
        samples_left = samples_left
            .checked_sub(parts.samples.len() + parts.histogram_weight)
            .ok_or(WriteError::TooMany { what: "samples", limit: limits.samples_max })?;
        let metadata =
            match check(&symbols, &mut parts, &mut hashes).and_then(|()| metadata.resolve(&symbols, &parts, limits)) {
                Ok(metadata) => metadata,
                Err(error) => {
                    visitor.refused(error, parts.counts());
                    continue;
                }
            };
        let expected = !parts.key.is_empty() && visitor.expected() == parts.key;
        let empty = parts.samples.is_empty() && parts.histograms.is_empty() && parts.histograms_left_out == 0;
        let counts = parts.counts();
        let mut series = Series { parts: &mut parts, symbols: Some(&symbols), limits, metadata, expected };
        if empty {
            let error = series.labels().err().unwrap_or_else(|| SeriesError::NoSamples { labels: series.describe() });
            visitor.refused(error, counts);
        } else {
            visitor.series(&mut series);
        }
    }
    Ok(())
}

/// All symbols, wherever they stand.
fn read_symbols<'a>(body: &'a [u8], limits: &WriteLimits) -> Result<Symbols<'a>, WriteError> {
    let mut symbols = Symbols::default();
    let mut fields = Fields::of_body(body);
    while let Some((field, value)) = fields.next()? {
        if field == SYMBOLS {
            if symbols.len() >= limits.symbols_max {
                return Err(WriteError::TooMany { what: "symbols", limit: limits.symbols_max });
            }
            symbols.push(value.bytes(&fields)?);
        }
    }
    Ok(symbols)
}

/// Metadata before their texts were looked up.
#[derive(Default)]
struct RawMetadata {
    kind: u64,
    help: u32,
    unit: u32,
}

fn read_series<'a>(
    mut fields: Fields<'a>,
    limits: &WriteLimits,
    samples_left: usize,
    parts: &mut Parts<'a>,
) -> Result<RawMetadata, Malformed> {
    let mut metadata = RawMetadata::default();
    let mut created_ms = 0;
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => value.varints(&fields, |reference| parts.add_ref(limits, reference as u32))?,
            // One too many is enough for the caller to see.
            2 if parts.samples.len() > samples_left => {}
            2 => parts.samples.push(read_sample(value.message(&fields)?, true)?),
            3 => {
                let histogram = read_histogram(value.message(&fields)?, true)?;
                if parts.histogram_weight <= samples_left {
                    parts.add_histogram(limits, histogram);
                }
            }
            4 => {
                let exemplar = value.message(&fields)?;
                check_exemplar(exemplar, true)?;
                parts.add_exemplar(limits, exemplar.rest(), fields.offset());
            }
            5 => {
                let mut inner = value.message(&fields)?;
                while let Some((field, value)) = inner.next()? {
                    match field {
                        1 => metadata.kind = value.varint(&inner)?,
                        3 => metadata.help = value.varint(&inner)? as u32,
                        4 => metadata.unit = value.varint(&inner)? as u32,
                        _ => {}
                    }
                }
            }
            // Early senders had one start for all samples of a series.
            6 => created_ms = value.signed(&fields).unwrap_or(0),
            _ => {}
        }
    }
    if created_ms != 0 {
        let starts = parts.samples.iter_mut().map(|sample| &mut sample.start_ms);
        for start_ms in starts.chain(parts.histograms.iter_mut().map(|sample| &mut sample.start_ms)) {
            if *start_ms == 0 {
                *start_ms = created_ms;
            }
        }
    }
    Ok(metadata)
}

/// Whether all labels refer to something; computes the key.
fn check(symbols: &Symbols<'_>, parts: &mut Parts<'_>, hashes: &mut Vec<[u64; 2]>) -> Result<(), SeriesError> {
    let length = parts.refs_found;
    if !length.is_multiple_of(2) {
        return Err(SeriesError::OddRefs { refs: describe_refs(&parts.refs), length });
    }
    if symbols.put_key(&parts.refs, hashes, &mut parts.key).is_some() {
        return Ok(());
    }
    let outside = |pair: &&[u32]| pair.iter().any(|&reference| symbols.get(reference).is_none());
    let pair = parts.refs.chunks_exact(2).find(outside).unwrap_or(&[0, 0]);
    let refs = describe_refs(&parts.refs);
    Err(SeriesError::LabelRef { refs, name: pair[0], value: pair[1], symbols: symbols.len() })
}

impl RawMetadata {
    fn resolve<'a>(
        &self,
        symbols: &Symbols<'a>,
        parts: &Parts<'_>,
        limits: &WriteLimits,
    ) -> Result<Option<MetadataRef<'a>>, SeriesError> {
        let text = |what, reference| match symbols.get(reference) {
            Some(text) => Ok(cut_text(text, limits.help_bytes_max)),
            None => {
                let refs = describe_refs(&parts.refs);
                Err(SeriesError::MetadataRef { refs, what, reference, symbols: symbols.len() })
            }
        };
        let unit = text("unit_ref", self.unit)?;
        let metadata = MetadataRef { kind: metric_kind(self.kind), help: text("help_ref", self.help)?, unit };
        Ok((metadata != MetadataRef::default()).then_some(metadata))
    }
}

/// The field of symbols.
const SYMBOLS: u32 = 4;
/// The field of series.
const SERIES: u32 = 5;
