//! Requests that nobody should send: none of them may panic, hang, or take memory that it does not pay for in bytes.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::gob::{StructWriter, Writer};
use super::*;

fn limits() -> RequestLimits {
    RequestLimits::default()
}

/// An unzipped request that a sender sent.
fn recorded(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/zstats/{name}.bin"));
    gunzip(&fs::read(path).unwrap(), &limits()).unwrap()
}

#[test]
fn streams_cut_anywhere_are_refused() {
    for name in ["basic-01-full", "basic-02-incr"] {
        let whole = recorded(name);
        assert!(decode_request(&whole, &limits()).is_ok());
        for length in 0..whole.len() {
            let error = decode_request(&whole[..length], &limits()).unwrap_err();
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn changed_bytes_never_panic() {
    let whole = recorded("basic-02-incr");
    for at in 0..whole.len() {
        for changed in [0, 1, 0x7F, 0x80, 0xF7, 0xF8, 0xFC, 0xFF, whole[at] ^ 1, whole[at].wrapping_add(1)] {
            let mut bytes = whole.clone();
            bytes[at] = changed;
            fuzz_zstats(&bytes);
        }
    }
}

/// A request that is only definitions and a value: `define` writes the definitions, `write` the request's fields.
fn stream(define: impl FnOnce(&mut Writer), write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::default();
    define(&mut out);
    out.message(100, write);
    out.into_bytes()
}

/// The definition of a type of another kind: an array, a map, or one that encodes itself.
fn define_other(out: &mut Writer, id: i64, kind: i64, write: impl FnOnce(&mut StructWriter<'_>)) {
    out.message(-id, |out| out.fields(|wire| wire.nested(kind, write)));
}

#[test]
fn unknown_fields_of_any_kind_are_passed_over() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"];
    let ids = [1, 2, 3, 4, 5, 6, 7, 8, 8, 101, 102, 103, 104];
    let mut fields: Vec<(&str, i64)> = names.into_iter().zip(ids).collect();
    fields.push(("Version", 2));
    let mut value = Writer::default();
    value.int(100);
    let mut value = value.into_bytes();
    // bool, int, uint, float, bytes, text, complex.
    value.extend([1, 1, 1, 9, 1, 5, 1, 0xFE, 0xF0, 0x3F, 1, 2, 7, 7, 1, 1, b'x', 1, 0xFE, 0xF0, 0x3F, 0]);
    // An interface: a name, a definition with how much follows, an id, a value with its length. And an empty one.
    value.extend([1, 1, b'T', 1, 2, 2, 2, 0, 0, 9, 4, 3, 1, 2, 3, 1, 0]);
    // An array of three numbers, a map with one pair, a list of two values that encode themselves, one of these alone.
    value.extend([1, 3, 1, 2, 3, 1, 1, 1, b'k', 1, 1, 5, 1, 2, 1, 5, 0, 1, 2, 6, 6]);
    value.extend([1, 14, 0]);
    let mut out = Writer::default();
    out.define_struct(100, "other", &fields);
    define_other(&mut out, 101, 0, |array| (array.int(1, 2), array.int(2, 3)).0);
    define_other(&mut out, 102, 3, |map| (map.int(1, 6), map.int(2, 103)).0);
    out.define_list(103, "", 104);
    define_other(&mut out, 104, 5, |_| {});
    let mut definitions = out.into_bytes();
    let mut message = Writer::default();
    message.bytes(&value);
    definitions.extend(message.into_bytes());
    let request = decode_request(&definitions, &limits()).unwrap();
    assert_eq!(request, Request { version: 7, ..Request::default() });
}

#[test]
fn types_without_end_end() {
    // A struct inside itself, a thousand deep.
    let nested = stream(
        |out| out.define_struct(100, "", &[("Version", 2), ("more", 100)]),
        |out| (0..1000).for_each(|_| out.uint(2)),
    );
    let error = decode_request(&nested, &limits()).unwrap_err();
    assert_eq!(error.to_string(), "gob: expected at most 64 values inside each other");
    // A list of itself.
    let lists = stream(
        |out| {
            out.define_struct(100, "", &[("Version", 2), ("more", 101)]);
            out.define_list(101, "", 101);
        },
        |out| (0..1000).for_each(|_| out.uint(2)),
    );
    assert_eq!(decode_request(&lists, &limits()), Err(error));
    // Blobs that are requests.
    let own = stream(|out| out.define_struct(100, "", &[("IData", 101)]), |out| out.uint(0));
    assert_eq!(decode_request(&own, &limits()), Err(ZstatsError::UnknownType { id: 101 }));
    // More types and more fields than anybody needs.
    let types = stream(|out| (100..500).for_each(|id| out.define_list(id, "", 2)), |out| out.uint(0));
    assert!(matches!(decode_request(&types, &limits()), Err(ZstatsError::TooMany { what: "types", .. })));
    let fields = stream(|out| out.define_struct(100, "", &[("Version", 2); 5000]), |out| out.uint(0));
    assert!(matches!(decode_request(&fields, &limits()), Err(ZstatsError::TooMany { what: "fields of types", .. })));
    let twice = stream(|out| out.define_struct(100, "", &[("Version", 2); 2]), |out| out.uint(0));
    assert_eq!(decode_request(&twice, &limits()), Err(ZstatsError::FieldTwice { what: "Version" }));
    for id in [1, 16, 63] {
        let known = stream(|out| out.define_list(id, "", 2), |out| out.uint(0));
        assert!(matches!(decode_request(&known, &limits()), Err(ZstatsError::Malformed { .. })), "{id}");
    }
}

/// Structs end where their message ends, so that a list of empty ones takes no bytes but its count: it may still not
/// be longer than what is left.
#[test]
fn lists_pay_for_their_elements() {
    let define = |out: &mut Writer| {
        out.define_struct(100, "", &[("IData", 101)]);
        out.define_list(101, "", 102);
        out.define_struct(102, "", &[("Samples", 103)]);
        out.define_list(103, "", 104);
        out.define_struct(104, "", &[("Idx", 2)]);
    };
    for count in [u64::MAX, 1 << 40, 1 << 32, 3] {
        let bytes = stream(define, |out| [1, count, 0, 0].into_iter().for_each(|number| out.uint(number)));
        assert!(decode_request(&bytes, &limits()).is_err(), "{count}");
    }
    let blobs = stream(define, |out| [1, 2, 0, 0].into_iter().for_each(|number| out.uint(number)));
    assert_eq!(decode_request(&blobs, &limits()).unwrap().blobs.len(), 2);
    let few = RequestLimits { blobs_max: 1, samples_max: 2, ..limits() };
    assert_eq!(decode_request(&blobs, &few), Err(ZstatsError::TooMany { what: "blobs", limit: 1 }));
    let samples = stream(define, |out| [1, 1, 1, 3, 0, 0, 0].into_iter().for_each(|number| out.uint(number)));
    assert_eq!(decode_request(&samples, &limits()).unwrap().blobs[0].samples.len(), 3);
    assert_eq!(decode_request(&samples, &few), Err(ZstatsError::TooMany { what: "samples", limit: 2 }));
    let full = recorded("basic-01-full");
    let few = RequestLimits { labels_max: 20, ..limits() };
    assert_eq!(decode_request(&full, &few), Err(ZstatsError::TooMany { what: "labels", limit: 20 }));
}

#[test]
fn texts_that_are_no_utf_8_are_marked() {
    let mut bytes = recorded("basic-01-full");
    let at = bytes.windows(6).position(|window| window == b"a1b2c3").unwrap();
    bytes[at] = 0xFF;
    let request = decode_request(&bytes, &limits()).unwrap();
    assert!(!request.blobs[0].is_text);
    let mut instances = Instances::new(StateLimits::default());
    assert_eq!(instances.apply("a", &request.blobs[0], 0).unwrap_err(), Refusal::NotText);
}

proptest! {
    #[test]
    fn any_bytes_are_no_danger(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_zstats(&bytes);
        fuzz_zstats(&gzip(&bytes));
    }

    #[test]
    fn requests_come_back(
        version in any::<i8>(),
        numbers in prop::collection::vec((any::<i32>(), any::<i64>(), any::<f64>(), ".{0,8}"), 0..20),
        names in prop::collection::vec(".{0,5}", 0..5),
    ) {
        let mut blob = Blob { instance: "i", is_text: true, generation: i64::MIN, time_ms: -1, ..Blob::default() };
        blob.target_labels = names.iter().map(String::as_str).collect();
        for (index, time_ms, value, text) in &numbers {
            let start = blob.labels.len();
            blob.labels.extend(names.iter().map(|name| (name.as_str(), text.as_str())));
            let labels = start..blob.labels.len();
            // Gob leaves out what equals zero, the sign too.
            let value = if *value == 0.0 { 0.0 } else { *value };
            blob.samples.push(BlobSample { index: *index, time_ms: *time_ms, value, labels, kind: text, help: "h" });
        }
        let request = Request { version, token: "t", instances: 1, blobs: vec![blob] };
        let bytes = encode_request(&request);
        prop_assert_eq!(decode_request(&bytes, &limits()), Ok(request));
    }
}
