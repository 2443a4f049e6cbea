//! JSON snapshots, `<from>.json`.
//!
//! Values are exact: the shortest digits that give the f64 back. What JSON has no number for, no value and infinities,
//! is `null`.

use std::io::{self, Read, Write};

use super::error::{CcmsError, fits};
use super::lexer::Lexer;
use super::tree::{DEPTH_MAX, Level, PIECE_SLOTS, Span, Visitor, check_head};
use crate::model::EMPTY;

/// Slots that are held when a file has `data` before `frequency` or `start`; cc-metric-store writes it behind.
const HELD_SLOTS_MAX: usize = 1 << 22;

/// Writes a snapshot. `target` gets many small writes: buffer it. Fails when it fails, and with
/// [`CcmsError::DoesNotFit`] when levels lie deeper than [`DEPTH_MAX`].
pub fn write(target: &mut dyn Write, span: Span, host: &dyn Level) -> Result<(), CcmsError> {
    write!(target, "{{\"from\":{},\"to\":{},", span.from_secs, span.to_secs)?;
    write_level(target, host, 1, &mut Vec::new())?;
    Ok(target.write_all(b"}\n")?)
}

/// Writes the members of a level without the braces around them.
fn write_level(target: &mut dyn Write, level: &dyn Level, depth: usize, slots: &mut Vec<f64>) -> Result<(), CcmsError> {
    fits("a tree in levels", depth, DEPTH_MAX)?;
    target.write_all(b"\"metrics\":{")?;
    for index in 0..level.metrics() {
        slots.clear();
        let head = level.metric(index, slots);
        write_key(target, index, head.name)?;
        write!(target, "{{\"frequency\":{},\"start\":{},\"data\":[", head.frequency_secs, head.start_secs)?;
        for (index, value) in slots.iter().enumerate() {
            if index > 0 {
                target.write_all(b",")?;
            }
            // Writes `null` for NaN and infinities.
            serde_json::to_writer(&mut *target, value).map_err(io::Error::from)?;
        }
        target.write_all(b"]}")?;
    }
    target.write_all(b"},\"children\":{")?;
    for index in 0..level.children() {
        let (name, child) = level.child(index);
        write_key(target, index, name)?;
        target.write_all(b"{")?;
        write_level(target, child, depth + 1, slots)?;
        target.write_all(b"}")?;
    }
    Ok(target.write_all(b"}")?)
}

fn write_key(target: &mut dyn Write, index: usize, name: &str) -> Result<(), CcmsError> {
    if index > 0 {
        target.write_all(b",")?;
    }
    serde_json::to_writer(&mut *target, name).map_err(io::Error::from)?;
    Ok(target.write_all(b":")?)
}

/// Reads a snapshot; the keys of each object in any order, unknown ones skipped. The root of the file is the host: the
/// visitor stands in it from the beginning. `source` is read in large pieces and needs no buffer of its own.
///
/// After an error the visitor has what came before it, and levels may still be open.
pub fn read(source: impl Read, visitor: &mut dyn Visitor) -> Result<Span, CcmsError> {
    let mut lexer = Lexer::new(source);
    let span = read_level(&mut lexer, visitor, 1, &mut Vec::with_capacity(PIECE_SLOTS))?;
    match lexer.peek()? {
        None => Ok(span),
        Some(_) => lexer.fail("something behind the end of the tree"),
    }
}

fn read_level<R: Read>(
    lexer: &mut Lexer<R>,
    visitor: &mut dyn Visitor,
    depth: usize,
    slots: &mut Vec<f64>,
) -> Result<Span, CcmsError> {
    if depth > DEPTH_MAX {
        return lexer.fail(format!("more than {DEPTH_MAX} levels"));
    }
    let mut span = Span::default();
    each(lexer, |lexer, key| match key {
        "from" => lexer.integer().map(|secs| span.from_secs = secs),
        "to" => lexer.integer().map(|secs| span.to_secs = secs),
        "metrics" => each(lexer, |lexer, name| {
            visitor.at(lexer.offset());
            read_series(lexer, visitor, name, slots).map_err(|error| error.within(name))
        }),
        "children" => each(lexer, |lexer, name| {
            visitor.at(lexer.offset());
            visitor.enter(name);
            read_level(lexer, visitor, depth + 1, slots).map_err(|error| error.within(name))?;
            visitor.leave();
            Ok(())
        }),
        _ => lexer.skip(),
    })?;
    Ok(span)
}

fn read_series<R: Read>(
    lexer: &mut Lexer<R>,
    visitor: &mut dyn Visitor,
    name: &str,
    slots: &mut Vec<f64>,
) -> Result<(), CcmsError> {
    let mut series = Series { name, frequency_secs: None, start_secs: None, visited: 0, slots };
    series.slots.clear();
    each(lexer, |lexer, key| match key {
        "frequency" => series.once(lexer, |series| &mut series.frequency_secs),
        "start" => series.once(lexer, |series| &mut series.start_secs),
        "data" => {
            lexer.expect(b'[')?;
            let mut first = true;
            while lexer.element(&mut first)? {
                let value = if lexer.null()? { EMPTY } else { lexer.number()? };
                series.slots.push(value);
                let known = series.frequency_secs.is_some() && series.start_secs.is_some();
                if known && series.slots.len() >= PIECE_SLOTS {
                    series.visit(lexer, visitor)?;
                } else if series.slots.len() > HELD_SLOTS_MAX {
                    return lexer.fail(format!("more than {HELD_SLOTS_MAX} slots before their frequency and start"));
                }
            }
            Ok(())
        }
        _ => lexer.skip(),
    })?;
    if series.visited == 0 || !series.slots.is_empty() {
        series.visit(lexer, visitor)?;
    }
    Ok(())
}

/// A series that is being read.
struct Series<'a> {
    name: &'a str,
    frequency_secs: Option<i64>,
    start_secs: Option<i64>,
    /// Slots that the visitor has.
    visited: u64,
    /// Slots that it has not.
    slots: &'a mut Vec<f64>,
}

impl Series<'_> {
    /// Takes a number that may be given once.
    fn once<R: Read>(
        &mut self,
        lexer: &mut Lexer<R>,
        field: impl Fn(&mut Self) -> &mut Option<i64>,
    ) -> Result<(), CcmsError> {
        let number = lexer.integer()?;
        match field(self).replace(number) {
            None => Ok(()),
            Some(_) => lexer.fail("the frequency or the start of a series is given twice"),
        }
    }

    fn visit<R: Read>(&mut self, lexer: &Lexer<R>, visitor: &mut dyn Visitor) -> Result<(), CcmsError> {
        let (Some(frequency_secs), Some(start_secs)) = (self.frequency_secs, self.start_secs) else {
            return lexer.fail("a series without `frequency` or `start`");
        };
        let slots = self.visited + self.slots.len() as u64;
        let frequency_secs = match check_head(frequency_secs, start_secs, slots) {
            Ok(frequency_secs) => frequency_secs,
            Err(reason) => return lexer.fail(reason),
        };
        // `check_head` proved that even the end does not overflow.
        let piece_start = start_secs + (u64::from(frequency_secs) * self.visited) as i64;
        visitor.series(self.name, frequency_secs, piece_start, self.slots);
        self.visited = slots;
        self.slots.clear();
        Ok(())
    }
}

/// Takes an object, or `null` for an empty one, and calls `member` at each value.
fn each<R: Read>(
    lexer: &mut Lexer<R>,
    mut member: impl FnMut(&mut Lexer<R>, &str) -> Result<(), CcmsError>,
) -> Result<(), CcmsError> {
    if lexer.null()? {
        return Ok(());
    }
    lexer.expect(b'{')?;
    let mut first = true;
    while let Some(key) = lexer.key(&mut first)? {
        member(lexer, &key)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tree::testing::{Series, Tree, chain, tree};
    use super::*;
    use proptest::prelude::*;

    const SPAN: Span = Span { from_secs: 1_795_259_649, to_secs: 1_795_259_652 };

    fn text(tree: &Tree) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, SPAN, tree).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn read_tree(text: &str) -> Result<(Span, Tree), CcmsError> {
        let mut tree = Tree::default();
        read(text.as_bytes(), &mut tree).map(|span| (span, tree))
    }

    fn series(slots: &[f64]) -> Series {
        Series { name: "m".to_owned(), frequency_secs: 10, start_secs: 100, slots: slots.to_vec() }
    }

    #[test]
    fn keys_come_in_any_order() {
        let expected = Tree::new(vec![series(&[1.0, EMPTY, 2.5])], vec![("c".to_owned(), Tree::default())]);
        for text in [
            r#"{"from":1,"to":2,"metrics":{"m":{"frequency":10,"start":100,"data":[1,null,2.5]}},"children":{"c":{}}}"#,
            r#" {"metrics":{"m":{"data":[1.0,null,25e-1],"start":100,"frequency":10}} ,"children":{"c":{"metrics":null,"children":null}},"from":1, "to":2} "#,
            r#"{"to":2,"more":[{"x":null}],"children":{"c":{"from":9}},"from":1,"metrics":{"m":{"start":100,"data":[1,null,2.5],"unit":"s","frequency":10}}}"#,
        ] {
            assert_eq!(read_tree(text).unwrap(), (Span { from_secs: 1, to_secs: 2 }, expected.clone()), "{text}");
        }
    }

    #[test]
    fn long_series_come_in_pieces_whatever_the_order() {
        let slots: Vec<f64> = (0..2 * PIECE_SLOTS + 3).map(|i| i as f64 / 8.0).collect();
        let tree = Tree::new(vec![series(&slots)], Vec::new());
        let straight = text(&tree);
        assert_eq!(read_tree(&straight).unwrap(), (SPAN, tree.clone()));
        let data = straight.split_once("\"data\":").unwrap().1.split_once(']').unwrap().0;
        let turned = format!(r#"{{"metrics":{{"m":{{"data":{data}],"frequency":10,"start":100}}}}}}"#);
        assert_eq!(read_tree(&turned).unwrap().1, tree);
    }

    #[test]
    fn slots_without_a_frequency_are_held_up_to_a_bound() {
        let text = format!(r#"{{"metrics":{{"m":{{"data":[{}"#, "0,".repeat(HELD_SLOTS_MAX + 1));
        let error = read_tree(&text).unwrap_err().to_string();
        assert!(error.ends_with("more than 4194304 slots before their frequency and start"), "{error}");
    }

    #[test]
    fn what_is_no_number_is_null() {
        let tree = Tree::new(vec![series(&[f64::INFINITY, f64::NEG_INFINITY, EMPTY, -0.0, 1e300, 0.1])], Vec::new());
        assert!(text(&tree).contains(r#""data":[null,null,null,-0.0,1e+300,0.1]"#), "{}", text(&tree));
    }

    #[test]
    fn depth_is_limited_both_ways() {
        let deep = text(&chain(DEPTH_MAX));
        assert!(read_tree(&deep).is_ok());
        assert!(matches!(write(&mut Vec::new(), SPAN, &chain(DEPTH_MAX + 1)), Err(CcmsError::DoesNotFit { .. })));
        let deeper = format!(r#"{{"children":{{"z":{deep}}}}}"#);
        let error = read_tree(&deeper).unwrap_err().to_string();
        assert!(error.contains("z/a/a/") && error.ends_with("more than 16 levels"), "{error}");
        assert!(read_tree(&r#"{"children":{"a":"#.repeat(100_000)).is_err());
    }

    #[test]
    fn errors_name_the_place() {
        for (text, error) in [
            ("", "byte 0, top level: the file ends, expected `{`"),
            ("{} x", "byte 3, top level: something behind the end of the tree"),
            (
                r#"{"children":{"c":{"metrics":{"m":{"frequency":0,"start":1,"data":[]}}}}}"#,
                r#"byte 68, "c/m": a frequency of 0 s: expected 1 to 4294967295"#,
            ),
            (r#"{"metrics":{"m":{"data":[]}}}"#, r#"byte 27, "m": a series without `frequency` or `start`"#),
            (r#"{"metrics":{"m":{"data":[1,"2"]}}}"#, r#"byte 27, "m": found `\"`, expected a number"#),
            (
                r#"{"metrics":{"m":{"start":1,"start":2}}}"#,
                r#"byte 36, "m": the frequency or the start of a series is given twice"#,
            ),
        ] {
            assert_eq!(read_tree(text).unwrap_err().to_string(), error);
        }
    }

    proptest! {
        #[test]
        fn trees_come_back_exactly(tree in tree()) {
            let finite = |value: f64| if value.is_infinite() { EMPTY } else { value };
            prop_assert_eq!(read_tree(&text(&tree)).unwrap(), (SPAN, tree.map(&finite)));
        }

        #[test]
        fn changed_text_is_read_or_refused(tree in tree(), at in any::<prop::sample::Index>(), xor in 1u8.., cut in any::<bool>()) {
            let mut bytes = text(&tree).into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= xor;
            if cut {
                bytes.truncate(at);
                // Without its last line end alone, a file is still whole.
                let is_whole = at == text(&tree).len() - 1;
                prop_assert_eq!(read(&bytes[..], &mut Tree::default()).is_ok(), is_whole);
            } else {
                let _ = read(&bytes[..], &mut Tree::default());
            }
        }

        #[test]
        fn arbitrary_text_is_read_or_refused(text in "[\\[\\]{}:,\"a-z0-9 .+-]{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read_tree(&text);
            let _ = read(&bytes[..], &mut Tree::default());
        }
    }
}
