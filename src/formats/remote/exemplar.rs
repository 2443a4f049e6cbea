//! Exemplars of both versions.

use super::super::protobuf::{Fields, Malformed};
use super::error::describe_labels;
use super::symbols::Symbols;
use super::write_1::label_of;
use crate::model::{Exemplar, Labels};

/// Why an exemplar is refused; its series is not touched by it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExemplarError {
    /// Names and values don't come in pairs.
    #[error("invalid labelRefs length {length}")]
    OddRefs {
        /// How many there are.
        length: usize,
    },
    /// A label refers to a symbol that is not there.
    #[error("labelRefs {name} (name) = {value} (value) outside of symbols table (size {symbols})")]
    LabelRef {
        /// The reference of the name.
        name: u32,
        /// The reference of the value.
        value: u32,
        /// Symbols that are there.
        symbols: usize,
    },
    /// An empty name, a name twice, or something that is not UTF-8.
    #[error("invalid exemplar labels, got {labels}")]
    Invalid {
        /// The labels, as far as they can be printed.
        labels: String,
    },
    /// Prometheus and OpenMetrics allow so much for all names and values.
    #[error("label length for exemplar exceeds {EXEMPLAR_CHARACTERS_MAX} characters")]
    TooLong,
    /// No message of the protocol: found before its series is shown to anybody.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Characters of all names and values of an exemplar's labels.
pub const EXEMPLAR_CHARACTERS_MAX: usize = 128;

/// Reads an exemplar: of a 2.0 body if there are symbols.
pub(super) fn read_exemplar(mut fields: Fields<'_>, symbols: Option<&Symbols<'_>>) -> Result<Exemplar, ExemplarError> {
    let mut exemplar = Exemplar { labels: Labels::empty(), value: 0.0, time_ms: 0 };
    let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
    let mut refs = Vec::new();
    while let Some((field, value)) = fields.next()? {
        match (field, symbols) {
            (1, None) => pairs.push(label_of(value.message(&fields)?)?),
            (1, Some(_)) => value.varints(&fields, |reference| refs.push(reference as u32))?,
            (2, _) => exemplar.value = value.double(&fields)?,
            (3, _) => exemplar.time_ms = value.signed(&fields)?,
            _ => {}
        }
        if pairs.len() + refs.len() > 2 * EXEMPLAR_CHARACTERS_MAX {
            return Err(ExemplarError::TooLong);
        }
    }
    if let Some(symbols) = symbols {
        if refs.len() % 2 != 0 {
            return Err(ExemplarError::OddRefs { length: refs.len() });
        }
        for pair in refs.chunks_exact(2) {
            let (name, value) = (pair[0], pair[1]);
            let found = symbols.get(name).zip(symbols.get(value));
            pairs.push(found.ok_or(ExemplarError::LabelRef { name, value, symbols: symbols.len() })?);
        }
    }
    exemplar.labels = exemplar_labels(pairs)?;
    Ok(exemplar)
}

/// Checks the structure of an exemplar without keeping anything.
pub(super) fn check_exemplar(mut fields: Fields<'_>, with_symbols: bool) -> Result<(), Malformed> {
    while let Some((field, value)) = fields.next()? {
        match field {
            1 if with_symbols => value.varints(&fields, |_| {})?,
            1 => drop(label_of(value.message(&fields)?)?),
            2 => drop(value.double(&fields)?),
            3 => drop(value.signed(&fields)?),
            _ => {}
        }
    }
    Ok(())
}

fn exemplar_labels(mut pairs: Vec<(&[u8], &[u8])>) -> Result<Labels, ExemplarError> {
    pairs.sort_by_key(|&(name, _)| name);
    let invalid = |pairs: &[(&[u8], &[u8])]| ExemplarError::Invalid { labels: describe_labels(pairs.iter().copied()) };
    let mut characters = 0;
    let mut texts: Vec<(&str, &str)> = Vec::with_capacity(pairs.len());
    for &(name, value) in &pairs {
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else {
            return Err(invalid(&pairs));
        };
        if name.is_empty() || texts.last().is_some_and(|&(last, _)| last == name) {
            return Err(invalid(&pairs));
        }
        characters += name.chars().count() + value.chars().count();
        texts.push((name, value));
    }
    if characters > EXEMPLAR_CHARACTERS_MAX {
        return Err(ExemplarError::TooLong);
    }
    Ok(Labels::from_pairs(texts))
}
