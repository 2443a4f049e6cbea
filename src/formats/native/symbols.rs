//! Labels as bytes: each text once, then by its number.
//!
//! A symbol is a varint: 0 stands for a text that follows and gets the next number, `n` for the text with the number
//! `n - 1`. A table lives as long as one record or one section, so that no damage elsewhere can touch what it says.

use std::sync::Arc;

use hashbrown::HashMap;

use super::NativeError;
use super::bytes::{Cursor, put_text, put_varint};
use crate::model::{Label, Labels};

/// Numbers the texts that are written.
#[derive(Debug, Default)]
pub(super) struct SymbolWriter<'a> {
    numbers: HashMap<&'a str, u64, foldhash::fast::RandomState>,
}

impl<'a> SymbolWriter<'a> {
    fn put(&mut self, out: &mut Vec<u8>, text: &'a str) {
        match self.numbers.get(text) {
            Some(number) => put_varint(out, *number),
            None => {
                let number = self.numbers.len() as u64 + 1;
                self.numbers.insert(text, number);
                put_varint(out, 0);
                put_text(out, text);
            }
        }
    }

    /// Appends a set of labels.
    pub(super) fn put_labels(&mut self, out: &mut Vec<u8>, labels: &'a Labels) {
        put_varint(out, labels.len() as u64);
        for label in labels.iter() {
            self.put(out, &label.name);
            self.put(out, &label.value);
        }
    }
}

/// The texts that were read so far; sets of labels share them.
#[derive(Debug, Default)]
pub(super) struct SymbolReader {
    texts: Vec<Arc<str>>,
}

impl SymbolReader {
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<Arc<str>, NativeError> {
        let malformed = cursor.malformed("a symbol that was defined before");
        match cursor.varint("a symbol")? {
            0 => {
                let text: Arc<str> = cursor.text("a symbol's text")?.into();
                self.texts.push(Arc::clone(&text));
                Ok(text)
            }
            number => {
                let known = usize::try_from(number - 1).ok().and_then(|at| self.texts.get(at));
                known.cloned().ok_or(malformed)
            }
        }
    }

    /// Reads a set of labels: sorted by name, no name twice, nothing empty.
    pub(super) fn read_labels(&mut self, cursor: &mut Cursor<'_>) -> Result<Labels, NativeError> {
        let count = cursor.varint("a number of labels")?;
        let count = usize::try_from(count).ok().filter(|&count| count <= cursor.rest().len() / LABEL_BYTES_MIN);
        let count = count.ok_or_else(|| cursor.malformed("a possible number of labels"))?;
        let mut labels: Vec<Label> = Vec::with_capacity(count);
        for _ in 0..count {
            let malformed = cursor.malformed("labels sorted by name, none of them empty");
            let (name, value) = (self.read(cursor)?, self.read(cursor)?);
            let is_next = labels.last().is_none_or(|last| last.name < name);
            if !is_next || name.is_empty() || value.is_empty() {
                return Err(malformed);
            }
            labels.push(Label { name, value });
        }
        Ok(Labels::from_sorted(labels))
    }
}

/// A name and a value that are known.
const LABEL_BYTES_MIN: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sets(bytes: &[u8], count: usize) -> Result<Vec<Labels>, NativeError> {
        let mut cursor = Cursor::new(bytes);
        let mut reader = SymbolReader::default();
        let sets = (0..count).map(|_| reader.read_labels(&mut cursor)).collect::<Result<_, _>>()?;
        cursor.finish()?;
        Ok(sets)
    }

    #[test]
    fn a_text_is_written_once() {
        let sets_of = |series: u32| {
            Labels::from_pairs([
                ("__name__", "http_requests_total".to_owned()),
                ("instance", "node-0815.example.org:9100".to_owned()),
                ("series", series.to_string()),
            ])
        };
        let all: Vec<Labels> = (0..100).map(sets_of).collect();
        let mut out = Vec::new();
        let mut writer = SymbolWriter::default();
        all.iter().for_each(|labels| writer.put_labels(&mut out, labels));
        assert_eq!(sets(&out, 100).unwrap(), all);
        assert!(out.len() < 100 * 12, "{} bytes", out.len());
    }

    #[test]
    fn sets_that_are_none_are_refused() {
        let set = |texts: &[(&str, &str)]| {
            let mut out = vec![texts.len() as u8];
            for (name, value) in texts {
                for text in [name, value] {
                    out.push(0);
                    put_text(&mut out, text);
                }
            }
            sets(&out, 1)
        };
        assert_eq!(set(&[("a", "1"), ("b", "2")]).unwrap().len(), 1);
        for bad in [&[("b", "1"), ("a", "2")][..], &[("a", "1"), ("a", "2")], &[("a", "")], &[("", "1")]] {
            assert!(set(bad).is_err(), "{bad:?}");
        }
        assert!(sets(&[1, 1, 1], 1).is_err(), "symbols that nothing defined");
        assert!(sets(&[255, 255, 3, 0], 1).is_err(), "more labels than bytes");
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = sets(&bytes, 3);
        }
    }
}
