//! Names for the numbers that records use: hosts, series and the path from one to the other.

use super::NativeError;
use super::bytes::{Cursor, put_text, put_varint};
use crate::model::{COMPONENT_DEPTH_MAX, SeriesId};

/// A name for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition<'a> {
    /// The number of the record's host stands for this host from now on.
    Host {
        /// The cluster's name.
        cluster: &'a str,
        /// The host's name; may be empty.
        host: &'a str,
    },
    /// A series number of the record's host.
    Series {
        /// The number.
        series: SeriesId,
        /// Where below the host the series hangs.
        path: ComponentPath<'a>,
        /// Whether the first component was sent as a device of the host (`type=node` with `stype`).
        is_device: bool,
        /// The metric's name.
        metric: &'a str,
    },
}

impl<'a> Definition<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Definition::Host { cluster, host } => {
                out.push(DEFINES_HOST);
                put_text(out, cluster);
                put_text(out, host);
            }
            Definition::Series { series, path, is_device, metric } => {
                let device = if *is_device { IS_DEVICE } else { 0 };
                out.push(DEFINES_SERIES | device | path.depth() << DEPTH_SHIFT);
                put_varint(out, u64::from(series.0));
                path.encode(out);
                put_text(out, metric);
            }
        }
    }

    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, NativeError> {
        let malformed = cursor.malformed("a kind of definition");
        let tag = cursor.u8("a kind of definition")?;
        if tag == DEFINES_HOST {
            return Ok(Definition::Host { cluster: cursor.text("a cluster")?, host: cursor.text("a host")? });
        }
        if tag & KIND_MASK != DEFINES_SERIES {
            return Err(malformed);
        }
        let series = cursor.varint("a series number")?;
        let series = u32::try_from(series).map_err(|_| cursor.malformed("a series number of 32 bits"))?;
        let path = ComponentPath::parse(cursor, tag >> DEPTH_SHIFT)?;
        let is_device = tag & IS_DEVICE != 0;
        Ok(Definition::Series { series: SeriesId(series), path, is_device, metric: cursor.text("a metric")? })
    }
}

/// A component's kind and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ComponentRef<'a> {
    /// As [`Component::kind`](crate::model::Component::kind).
    pub kind: &'a str,
    /// As [`Component::id`](crate::model::Component::id).
    pub id: &'a str,
}

/// The components from a host, exclusive, down to where something hangs; empty for the host itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ComponentPath<'a> {
    /// Places at `len` and behind it hold the default, so that equal paths compare equal.
    components: [ComponentRef<'a>; COMPONENT_DEPTH_MAX],
    len: u8,
}

impl<'a> ComponentPath<'a> {
    /// The host itself.
    pub const HOST: ComponentPath<'static> =
        ComponentPath { components: [ComponentRef { kind: "", id: "" }; COMPONENT_DEPTH_MAX], len: 0 };

    /// A path of these components; `None` when there are more than [`COMPONENT_DEPTH_MAX`].
    pub fn new(components: &[ComponentRef<'a>]) -> Option<Self> {
        let mut path = ComponentPath::HOST;
        path.components.get_mut(..components.len())?.copy_from_slice(components);
        path.len = components.len() as u8;
        Some(path)
    }

    /// The components, from the host downwards.
    pub fn as_slice(&self) -> &[ComponentRef<'a>] {
        &self.components[..usize::from(self.len)]
    }

    /// How many components there are.
    pub(super) fn depth(&self) -> u8 {
        self.len
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for component in self.as_slice() {
            put_text(out, component.kind);
            put_text(out, component.id);
        }
    }

    pub(super) fn parse(cursor: &mut Cursor<'a>, len: u8) -> Result<Self, NativeError> {
        let mut path = ComponentPath { len, ..ComponentPath::HOST };
        let places = path.components.get_mut(..usize::from(len));
        for component in places.ok_or_else(|| cursor.malformed("a path of at most two components"))? {
            component.kind = cursor.text("a component's kind")?;
            component.id = cursor.text("a component's id")?;
        }
        Ok(path)
    }
}

/// A definition's first byte: bits 0 to 2 the kind, bit 3 `is_device`, from bit 4 the number of components.
const DEFINES_HOST: u8 = 1;
const DEFINES_SERIES: u8 = 2;
const KIND_MASK: u8 = 7;
const IS_DEVICE: u8 = 1 << 3;
const DEPTH_SHIFT: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_at_most_two_deep() {
        let thread = ComponentRef { kind: "hwthread", id: "12" };
        assert_eq!(ComponentPath::new(&[]), Some(ComponentPath::HOST));
        assert_eq!(ComponentPath::new(&[thread; 2]).map(|path| path.depth()), Some(2));
        assert!(ComponentPath::new(&[thread; 3]).is_none());
        let mut cursor = Cursor::new(&[DEFINES_SERIES | 3 << DEPTH_SHIFT, 0, 0, 0, 0, 0, 0, 0, 0]);
        let error = Definition::parse(&mut cursor).unwrap_err();
        assert_eq!(error.to_string(), "byte 2 of the payload: expected a path of at most two components");
    }
}
