//! All recorded exchanges with the original receiver, each sequence on a fresh state, and where ours differs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::Value;

use super::*;

/// Where ours answers otherwise, on purpose: the exchange, the codes (none where the request is refused whole), and
/// why.
const DIFFERENCES: [(&str, &[i8], &str); 8] = [
    ("basic-04-incr", &[1], "a NaN and an infinity became numbers: the differences do not say which"),
    ("odd-02-crc-wrong", &[], "the checksum is wrong: what was sent is not what came"),
    ("odd-03-trailer-cut", &[], "there is no checksum"),
    ("odd-04-rest-ignored", &[1], "the two before it were refused, so these are differences from something else"),
    ("odd-14-idx-descending", &[1], "indexes out of order: the original ignores samples from there on"),
    ("odd-15-idx-outside", &[1], "an index that no series has; and the one before it was refused"),
    ("odd-16-idx-twice", &[1], "an index twice; and the ones before it were refused"),
    ("odd-17-incr-with-labels", &[1], "the ones before it were refused"),
];

struct Exchange {
    name: String,
    body: Vec<u8>,
    json: Value,
    /// The JSON file as it is.
    text: String,
}

struct Played {
    response: Response,
    /// The scrape and the spool entry of every blob taken.
    scrapes: BTreeMap<usize, (Scrape, SpoolEntry)>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zstats")
}

fn exchange(name: &str) -> Exchange {
    let text = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    let body = fs::read(folder().join(format!("{name}.bin"))).unwrap();
    Exchange { name: name.to_owned(), body, json: serde_json::from_str(&text).unwrap(), text }
}

/// All of them by sequence, in order.
fn sequences() -> BTreeMap<String, Vec<Exchange>> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".bin")?.to_owned()))
        .collect();
    names.sort();
    assert_eq!(names.len(), 93);
    let mut sequences: BTreeMap<String, Vec<Exchange>> = BTreeMap::new();
    for name in names {
        let exchange = exchange(&name);
        sequences.entry(exchange.json["sequence"].as_str().unwrap().to_owned()).or_default().push(exchange);
    }
    sequences
}

/// What the receiver does with a request, as far as it needs neither network nor disk.
fn play(instances: &mut Instances, exchange: &Exchange, body: &[u8]) -> Played {
    let header = |name: &str, usual: &'static str| match exchange.json.get("headers") {
        Some(headers) => headers.get(name).map(|value| value.as_str().unwrap().to_owned()),
        None => Some(usual.to_owned()),
    };
    let (token, content_type) = (header(TOKEN_HEADER, "12345"), header("Content-Type", CONTENT_TYPE));
    let limits = RequestLimits::default();
    let mut scrapes = BTreeMap::new();
    let taken = check_headers(token.as_deref(), content_type.as_deref()).and_then(|()| gunzip(body, &limits)).and_then(
        |unzipped| {
            let request = decode_request(&unzipped, &limits)?;
            check_message(exchange, &request);
            let spooled = exchange.json["scrapes"].as_array().unwrap();
            let show = |position: usize, applied: &Applied<'_>| {
                let spooled = spooled.iter().find(|scrape| scrape["blob"] == position);
                let directory = spooled.and_then(|scrape| scrape["spool"]["directory"].as_str());
                let now_us = directory.map_or(1, |path| path.rsplit('/').next().unwrap().parse().unwrap());
                let entry = SpoolEntry::of("Zebrium", applied.instance, applied.scrape, now_us).unwrap();
                scrapes.insert(position, (applied.scrape.clone(), entry));
                Code::Taken
            };
            let refused = |_: usize, refusal: &Refusal| assert!(!refusal.to_string().is_empty());
            let codes = instances.apply_all("Zebrium", &request, 0, &mut Undo::default(), show, refused);
            Ok(Response::taken(request.version, 0, &codes))
        },
    );
    let response = taken.unwrap_or_else(|error| Response::refused(&error.to_string()));
    assert_eq!(decode_response(&response.encode()).as_ref(), Ok(&response), "{}", exchange.name);
    Played { response, scrapes }
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// The decoded request is the recorded one.
fn check_message(exchange: &Exchange, request: &Request<'_>) {
    let Some(message) = exchange.json.get("message") else { return };
    let name = &exchange.name;
    assert_eq!(message["version"], request.version, "{name}");
    assert_eq!(message["token"], request.token, "{name}");
    assert_eq!(message["ninsts"], request.instances, "{name}");
    let blobs = message["blobs"].as_array().unwrap();
    assert_eq!(blobs.len(), request.blobs.len(), "{name}");
    for (expected, blob) in blobs.iter().zip(&request.blobs) {
        assert!(blob.is_text);
        assert_eq!(expected["instance"], blob.instance, "{name}");
        assert_eq!(expected["nsamples"], blob.series_count, "{name}");
        assert_eq!(expected["is_incr"], blob.is_incremental, "{name}");
        assert_eq!(expected["gen"], blob.generation.to_string(), "{name}");
        assert_eq!(expected["gts"], blob.time_ms, "{name}");
        let target_labels = expected["olabels"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(target_labels.iter().eq(&blob.target_labels), "{name}: {:?}", blob.target_labels);
        match expected["samples"].as_array() {
            None => assert_eq!(expected["samples"], blob.samples.len(), "{name}"),
            Some(samples) => {
                assert_eq!(samples.len(), blob.samples.len(), "{name}");
                for (expected, sample) in samples.iter().zip(&blob.samples) {
                    assert_eq!(expected["idx"], sample.index, "{name}");
                    assert_eq!(expected["ts"], sample.time_ms, "{name}");
                    let value = number(&expected["val"]);
                    assert!(value == sample.value || (value.is_nan() && sample.value.is_nan()), "{name}: {sample:?}");
                }
            }
        }
    }
}

/// The scrape and its spool entry are the recorded ones; full blobs say the types and help texts.
fn check_scrape(exchange: &Exchange, expected: &Value, scrape: &Scrape, entry: &SpoolEntry) {
    let name = &exchange.name;
    assert_eq!(expected["dts"], scrape.time_ms, "{name}");
    let target_labels = expected["olabels"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(target_labels.iter().eq(scrape.target_labels.iter().map(|label| &**label)), "{name}");
    let series = expected["series"].as_array().unwrap();
    assert_eq!(series.len(), scrape.series.len(), "{name}");
    for (expected_series, found) in series.iter().zip(&scrape.series) {
        let labels = [&expected["common_labels"], &expected_series["labels"]];
        let labels = labels.iter().flat_map(|labels| labels.as_object().unwrap());
        let labels = crate::model::Labels::from_pairs(labels.map(|(name, value)| (&**name, value.as_str().unwrap())));
        assert_eq!(labels, found.labels, "{name}");
        let value = number(&expected_series["value"]);
        let is_same = value.to_bits() == found.value.to_bits() || (value.is_nan() && found.value.is_nan());
        assert!(is_same, "{name}: {labels}: {} instead of {value}", found.value);
        let time_ms = expected_series.get("ts").map_or(scrape.time_ms, |time| time.as_i64().unwrap());
        assert_eq!(time_ms, found.time_ms, "{name}: {labels}");
        for (key, text) in [("type", &found.kind), ("help", &found.help)] {
            if let Some(expected) = expected_series.get(key) {
                assert_eq!(expected, &**text, "{name}: {labels}");
            }
        }
    }
    if let Some(spool) = expected.get("spool") {
        check_spool(exchange, spool, entry);
    }
}

fn check_spool(exchange: &Exchange, spool: &Value, entry: &SpoolEntry) {
    let name = &exchange.name;
    assert_eq!(spool["directory"], *entry.directory, "{name}");
    let time = entry.directory.rsplit('/').next().unwrap();
    assert_eq!(entry.data_name, format!("{time}.data.gz"));
    assert_eq!(entry.manifest_name, format!("{time}.json"));
    let text = gunzip(&entry.data, &RequestLimits::default()).unwrap();
    assert_eq!(spool["data"], String::from_utf8(text).unwrap(), "{name}");
    let manifest: Value = serde_json::from_str(&entry.manifest).unwrap();
    let pairs = |manifest: &Value| -> Vec<(String, String)> {
        let pairs = manifest["kvs"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut pairs: Vec<_> = pairs.iter().map(|pair| (text(&pair["key"]), text(&pair["value"]))).collect();
        pairs.sort();
        pairs
    };
    let common: Vec<_> = spool["kvs"].as_object().unwrap().iter().collect();
    let ours = pairs(&manifest);
    assert!(
        common.iter().map(|(name, value)| (&***name, value.as_str().unwrap())).eq(ours.iter().map(as_texts)),
        "{name}"
    );
    let Some(expected) = spool.get("json") else { return };
    assert_eq!(pairs(expected), ours, "{name}");
    assert_eq!(expected["kvs"].is_null(), manifest["kvs"].is_null(), "{name}");
    // To the byte, but for the order of the common labels, which is none in the original.
    let without_pairs = |text: &str| {
        let start = text.find("\"kvs\":").unwrap();
        let end = start + text[start..].find(",\"dts\":").unwrap();
        format!("{}{}", &text[..start], &text[end..])
    };
    let start = exchange.text.find("{\"account\":").unwrap();
    let is_there = exchange.text[start..].split("{\"account\":").skip(1).any(|rest| {
        let recorded = format!("{{\"account\":{rest}");
        without_pairs(&recorded).starts_with(&without_pairs(&entry.manifest))
    });
    assert!(is_there, "{name}: {}", entry.manifest);
}

fn as_texts(pair: &(String, String)) -> (&str, &str) {
    (&pair.0, &pair.1)
}

fn recorded_codes(exchange: &Exchange) -> Vec<i64> {
    exchange.json["response"]["ierr_codes"].as_array().unwrap().iter().map(|code| code.as_i64().unwrap()).collect()
}

/// The answer and all scrapes are the recorded ones.
fn check_same(exchange: &Exchange, played: &Played) {
    let (name, response) = (&exchange.name, &exchange.json["response"]);
    assert_eq!(response["version"], played.response.version, "{name}: {}", played.response.error);
    // Texts differ; whether there is one does not.
    assert_eq!(response["err"] == "", played.response.error.is_empty(), "{name}: {}", played.response.error);
    let codes: Vec<i64> = played.response.codes.iter().map(|code| i64::from(*code)).collect();
    assert_eq!(recorded_codes(exchange), codes, "{name}");
    if let Some(body) = response.get("body_base64")
        && response["err"] == ""
    {
        let body = base64::engine::general_purpose::STANDARD.decode(body.as_str().unwrap()).unwrap();
        assert_eq!(body, played.response.encode(), "{name}");
    }
    let scrapes = exchange.json["scrapes"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(scrapes.len(), played.scrapes.len(), "{name}");
    for expected in scrapes {
        let position = usize::try_from(expected["blob"].as_u64().unwrap()).unwrap();
        let (scrape, entry) = &played.scrapes[&position];
        check_scrape(exchange, expected, scrape, entry);
    }
}

#[test]
fn recorded_exchanges_are_answered_alike() {
    let mut differences = 0;
    for exchanges in sequences().values() {
        let mut instances = Instances::new(StateLimits::default());
        for exchange in exchanges {
            let played = play(&mut instances, exchange, &exchange.body);
            let difference = DIFFERENCES.iter().find(|difference| difference.0 == exchange.name);
            let Some((name, codes, why)) = difference else {
                check_same(exchange, &played);
                continue;
            };
            differences += 1;
            assert_eq!(played.response.codes, *codes, "{name}: {why}");
            assert_eq!(played.response.error.is_empty(), !codes.is_empty(), "{name}: {why}");
            assert!(played.scrapes.is_empty(), "{name}: {why}");
            assert_eq!(recorded_codes(exchange), [0], "{name} is no difference");
        }
    }
    assert_eq!(differences, DIFFERENCES.len());
}

/// The same with what is wrong put right: the checksums, and everything that follows is alike again.
#[test]
fn requests_with_checksums_are_answered_alike() {
    let mut instances = Instances::new(StateLimits::default());
    for name in ["odd-01-full", "odd-02-crc-wrong", "odd-03-trailer-cut", "odd-04-rest-ignored"] {
        let exchange = exchange(name);
        let mut unzipped = Vec::new();
        // The header without any of the optional parts.
        assert_eq!(exchange.body[3], 0);
        flate2::read::DeflateDecoder::new(&exchange.body[10..]).read_to_end(&mut unzipped).unwrap();
        let played = play(&mut instances, &exchange, &gzip(&unzipped));
        check_same(&exchange, &played);
    }
}

/// What the original ignores in differences, ours does too: labels, help, type and the target's labels.
#[test]
fn texts_in_differences_are_ignored() {
    let mut instances = Instances::new(StateLimits::default());
    let base = exchange("odd-13-base");
    check_same(&base, &play(&mut instances, &base, &base.body));
    let exchange = exchange("odd-17-incr-with-labels");
    let limits = RequestLimits::default();
    let unzipped = gunzip(&exchange.body, &limits).unwrap();
    let mut request = decode_request(&unzipped, &limits).unwrap();
    let blob = &mut request.blobs[0];
    assert!(!blob.labels.is_empty() && !blob.target_labels.is_empty());
    blob.generation = 2;
    let before = instances.scrape("Zebrium", blob.instance).unwrap().clone();
    let applied = instances.apply("Zebrium", blob, 0).unwrap();
    assert_eq!(applied.scrape.target_labels, before.target_labels);
    for (index, (before, after)) in before.series.iter().zip(&applied.scrape.series).enumerate() {
        assert_eq!((&before.labels, &before.kind, &before.help), (&after.labels, &after.kind, &after.help));
        assert_eq!(after.value - before.value, if index == 3 { 0.5 } else { 0.0 });
    }
}

/// Requests that a sender wrote come out of the encoder as they went in, but for the order of definitions.
#[test]
fn recorded_requests_are_encoded_alike() {
    let limits = RequestLimits::default();
    for exchange in sequences().into_values().flatten() {
        let Ok(unzipped) = gunzip(&exchange.body, &limits) else { continue };
        let Ok(request) = decode_request(&unzipped, &limits) else { continue };
        let written = encode_request(&request);
        // Bits of NaN matter here, and equality would not see them.
        let again = decode_request(&written, &limits).unwrap();
        assert_eq!(format!("{request:?}"), format!("{again:?}"), "{}", exchange.name);
        if exchange.name.starts_with("basic") {
            let value = &written[written.len() - 40..];
            assert!(unzipped.ends_with(value), "{}", exchange.name);
        }
    }
}
