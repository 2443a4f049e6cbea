//! The codecs: how values without gaps become bytes and come back.

use std::ops::Range;

use super::decimal;
use super::dictionary::{Dictionary, Table};
use super::error::BlockError;
use super::integers::{Packed, Packing};
use super::mapping::Mapping;
use super::reader::Reader;

/// Codec ids on disk. An id, once written, never gets another meaning.
pub(super) mod id {
    use super::super::integers::{Kind, Packing};

    pub(in super::super) const RAW: u8 = 0;
    pub(in super::super) const CONSTANT: u8 = 1;
    pub(in super::super) const REFERENCE: u8 = 2;
    pub(in super::super) const DELTA: u8 = 3;
    pub(in super::super) const DICTIONARY: u8 = 4;
    pub(in super::super) const REFERENCE_PATCHED: u8 = 5;
    pub(in super::super) const DELTA_PATCHED: u8 = 6;

    /// The codec of packed numbers.
    pub(in super::super) fn of_packing(packing: &Packing) -> u8 {
        match (packing.is_delta(), packing.is_patched()) {
            (false, false) => REFERENCE,
            (true, false) => DELTA,
            (false, true) => REFERENCE_PATCHED,
            (true, true) => DELTA_PATCHED,
        }
    }

    /// The form of packed numbers that a codec stands for.
    pub(in super::super) fn to_kind(id: u8) -> Option<Kind> {
        let is_delta = matches!(id, DELTA | DELTA_PATCHED);
        let is_patched = matches!(id, REFERENCE_PATCHED | DELTA_PATCHED);
        (is_delta || is_patched || id == REFERENCE).then_some(Kind { is_delta, is_patched })
    }

    /// What a codec is called.
    pub(in super::super) fn name(id: u8) -> Option<&'static str> {
        let names = ["raw", "constant", "reference", "delta", "dictionary", "reference-patched", "delta-patched"];
        names.get(usize::from(id)).copied()
    }
}

/// How values will be written: everything is known but the bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    /// Eight bytes a value.
    Raw,
    /// All values are equal.
    Constant,
    /// Numbers in place of values.
    Integers { mapping: Mapping, numbers: Vec<i64>, packing: Packing },
    /// Few distinct values.
    Dictionary(Table),
}

impl Plan {
    /// The smallest plan for values of which there is at least one. Patches are sought from `patched_min` numbers on.
    pub(super) fn smallest(values: &[f64], patched_min: usize) -> Plan {
        let first = values[0].to_bits();
        if values.iter().all(|value| value.to_bits() == first) {
            return Plan::Constant;
        }
        let mut best = Plan::Raw;
        let mut best_bytes = best.bytes(values.len());
        let mut consider = |mapping: Mapping| {
            let (numbers, exceptions) = mapping.map(values);
            let unmapped = exceptions.len();
            let packing = Packing::plan(&numbers, exceptions, patched_min);
            let (width, plan) = (packing.width(), Plan::Integers { mapping, numbers, packing });
            let bytes = plan.bytes(values.len());
            if bytes < best_bytes {
                (best, best_bytes) = (plan, bytes);
            }
            (unmapped, width)
        };
        let mut is_good = false;
        for mapping in decimal::candidates(values) {
            let (unmapped, width) = consider(mapping);
            is_good |= unmapped == 0 && width <= GOOD_WIDTH;
            // A few values with more decimals than all samples: they may be worth a wider scale.
            if let (Mapping::Decimal(decimals), 2..) = (mapping, unmapped) {
                let more = values.iter().filter(|value| mapping.number_of(**value).is_none());
                match more.filter_map(|value| decimal::decimals_of(*value)).max() {
                    Some(most) if most > decimals => is_good |= consider(Mapping::Decimal(most)).1 <= GOOD_WIDTH,
                    _ => {}
                }
            }
        }
        if !is_good {
            consider(Mapping::bits_of(values));
        }
        match Table::build(values, best_bytes) {
            Some(table) => Plan::Dictionary(table),
            None => best,
        }
    }

    /// The bytes that [`Plan::write`] appends for `count` values.
    pub(super) fn bytes(&self, count: usize) -> usize {
        match self {
            Plan::Raw => count * 8,
            Plan::Constant => 8,
            Plan::Integers { packing, .. } => 1 + packing.bytes(count),
            Plan::Dictionary(table) => table.bytes(),
        }
    }

    pub(super) fn id(&self) -> u8 {
        match self {
            Plan::Raw => id::RAW,
            Plan::Constant => id::CONSTANT,
            Plan::Integers { packing, .. } => id::of_packing(packing),
            Plan::Dictionary(_) => id::DICTIONARY,
        }
    }

    /// Appends the values that the plan was made for.
    pub(super) fn write(&self, values: &[f64], out: &mut Vec<u8>) {
        match self {
            Plan::Raw => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Plan::Constant => out.extend_from_slice(&values[0].to_le_bytes()),
            Plan::Integers { mapping, numbers, packing } => {
                out.push(mapping.to_byte());
                packing.write(numbers, |position| values[position].to_bits(), out);
            }
            Plan::Dictionary(table) => table.write(out),
        }
    }
}

/// Below this width, the bit patterns of floats cannot win.
const GOOD_WIDTH: u32 = 20;

/// Values in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Codec<'a> {
    Raw(&'a [[u8; 8]]),
    Constant(f64),
    Integers { mapping: Mapping, packed: Packed<'a> },
    Dictionary(Dictionary<'a>),
}

impl<'a> Codec<'a> {
    /// Reads the codec `id` with `count` values.
    pub(super) fn read(reader: &mut Reader<'a>, id: u8, count: usize) -> Result<Codec<'a>, BlockError> {
        match id {
            id::RAW => Ok(Codec::Raw(reader.take(count * 8, "values")?.as_chunks().0)),
            id::CONSTANT => Ok(Codec::Constant(f64::from_bits(reader.u64("value")?))),
            _ if let Some(kind) = id::to_kind(id) => {
                let byte = reader.u8("mapping")?;
                let expected = "a known mapping";
                let unknown = BlockError::Field { what: "mapping", found: u64::from(byte), expected };
                let mapping = Mapping::from_byte(byte).ok_or(unknown)?;
                Ok(Codec::Integers { mapping, packed: Packed::read(reader, kind, count)? })
            }
            id::DICTIONARY => Ok(Codec::Dictionary(Dictionary::read(reader, count)?)),
            _ => Err(BlockError::Field { what: "codec", found: u64::from(id), expected: "0 to 6" }),
        }
    }

    /// Checks what reading has not checked.
    pub(super) fn validate(&self) -> Result<(), BlockError> {
        match self {
            Codec::Raw(_) | Codec::Constant(_) => Ok(()),
            Codec::Integers { packed, .. } => packed.validate(),
            Codec::Dictionary(dictionary) => dictionary.validate(),
        }
    }

    /// Writes the values of `range` to `out`, which is as long.
    pub(super) fn decode(&self, range: Range<usize>, out: &mut [f64]) {
        match self {
            Codec::Raw(words) => {
                for (out, word) in out.iter_mut().zip(&words[range]) {
                    *out = f64::from_le_bytes(*word);
                }
            }
            Codec::Constant(value) => out.fill(*value),
            Codec::Integers { mapping, packed } => {
                packed.unpack(range.clone(), |at, numbers| mapping.unmap(numbers, &mut out[at..at + numbers.len()]));
                for (at, exact) in packed.exceptions(range) {
                    out[at] = f64::from_bits(exact);
                }
            }
            Codec::Dictionary(dictionary) => dictionary.decode(range, out),
        }
    }
}
