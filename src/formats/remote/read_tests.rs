//! Remote read: requests, answers with samples, answers with chunks, read back by a small reader of their own.

use std::sync::Arc;

use super::bits::reading::BitReader;
use super::*;
use crate::formats::protobuf::{Fields, Value, put_double, put_integer, put_message, put_packed, put_text};
use crate::model::histogram::{Buckets, CounterReset, FloatHistogram, SCHEMA_CUSTOM, Span};
use crate::model::{Labels, MatchOp, STALE};
use crate::testing::Random;

fn request() -> Vec<u8> {
    let mut body = Vec::new();
    put_message(&mut body, 1, |out| {
        put_integer(out, 1, (-5i64).cast_unsigned());
        put_integer(out, 2, 1_700_000_000_000);
        for (op, name, value) in [(0, "__name__", "up"), (1, "a", ""), (2, "b", "x.*"), (3, "ä", "y")] {
            put_message(out, 3, |out| {
                put_integer(out, 1, op);
                put_text(out, 2, name);
                put_text(out, 3, value);
            });
        }
        put_message(out, 4, |out| {
            put_integer(out, 1, 15_000);
            put_text(out, 2, "rate");
            put_text(out, 5, "job");
            put_integer(out, 6, 1);
            put_integer(out, 7, 300_000);
        });
    });
    put_packed(&mut body, 2, [7, 1, 0]);
    body
}

#[test]
fn requests_are_read() {
    let read = ReadRequest::decode(&request()).unwrap();
    assert_eq!(read.form().unwrap(), ReadForm::Streamed);
    let query = &read.queries[0];
    assert_eq!((query.start_ms, query.end_ms), (-5, 1_700_000_000_000));
    let matchers: Vec<String> = query.matchers.iter().map(ToString::to_string).collect();
    assert_eq!(matchers, [r#"__name__="up""#, r#"a!="""#, r#"b=~"x.*""#, r#""ä"!~"y""#]);
    assert_eq!(query.matchers[2].op(), MatchOp::Regex);
    let hints = query.hints.as_ref().unwrap();
    assert_eq!((hints.step_ms, &*hints.function, hints.by, hints.range_ms), (15_000, "rate", true, 300_000));
    assert_eq!(hints.grouping, ["job"]);
    assert_eq!(ReadRequest::decode(&[]).unwrap().form().unwrap(), ReadForm::Sampled);
}

/// A small request could have a hundred thousand patterns, each of which was compiled and took up to a megabyte.
#[test]
fn patterns_of_a_request_are_bounded() {
    let request = |patterns: usize| {
        let mut body = Vec::new();
        for _ in 0..patterns {
            put_message(&mut body, 1, |out| {
                put_message(out, 3, |out| {
                    put_integer(out, 1, 2);
                    put_text(out, 2, "a");
                    put_text(out, 3, "[a-c]+x[0-9]*");
                });
            });
        }
        ReadRequest::decode(&body)
    };
    assert_eq!(request(64).unwrap().queries.len(), 64);
    let error = request(65).unwrap_err().to_string();
    assert!(error.contains("patterns") && error.contains("64"), "{error}");
}

#[test]
fn requests_that_cannot_be_answered_say_why() {
    let matcher = |op, value: &str| {
        let mut body = Vec::new();
        put_message(&mut body, 1, |out| {
            put_message(out, 3, |out| {
                put_integer(out, 1, op);
                put_text(out, 2, "a");
                put_text(out, 3, value);
            });
        });
        ReadRequest::decode(&body)
    };
    assert_eq!(matcher(4, "x").unwrap_err().to_string(), "invalid matcher type");
    assert!(matches!(matcher(2, "(").unwrap_err(), ReadError::Pattern(_)));
    let mut body = Vec::new();
    put_packed(&mut body, 2, [7, 9]);
    assert_eq!(
        ReadRequest::decode(&body).unwrap().form().unwrap_err().to_string(),
        "server does not support any of the requested response types: [7 9]; supported: \
         map[SAMPLES:{} STREAMED_XOR_CHUNKS:{}]"
    );
    let error = ReadRequest::decode(&[0x0A, 0].repeat(101)).unwrap_err();
    assert_eq!(error.to_string(), "request has more than 100 queries");
    let whole = request();
    for end in 0..whole.len() {
        fuzz_read(&whole[..end]);
    }
}

/// Times, values and histograms as a reader hands them out.
type Columns = (Vec<i64>, Vec<f64>, Vec<(u32, Arc<FloatHistogram>)>);

/// Samples of every kind, from a seed.
fn random_columns(random: &mut Random, length: usize) -> Columns {
    let (mut times, mut values, mut histograms) = (Vec::new(), Vec::new(), Vec::new());
    let mut time_ms = random.within(-1_000_000..2_000_000_000_000);
    let mut histogram = random_histogram(random);
    let floats = random.below(120);
    for at in 0..length {
        time_ms += match random.below(8) {
            0 => random.within(1..100_000_000_000),
            1 => random.within(1..100_000),
            2 => 15_000 + random.within(-20..20),
            _ => 15_000,
        };
        times.push(time_ms);
        values.push(match random.below(6) {
            0 => f64::from_bits(random.bits()),
            1 => STALE,
            2 => random.unit(),
            _ => random.within(0..3) as f64,
        });
        if random.percent(floats) {
            match random.below(10) {
                0 => histogram = random_histogram(random),
                1 => histogram = FloatHistogram { sum: STALE, ..FloatHistogram::default() },
                2 => histogram.counter_reset_hint = *random.pick(&[CounterReset::Reset, CounterReset::Gauge]),
                _ => {
                    histogram.count += 1.5;
                    histogram.sum += random.unit();
                    histogram.positive.counts.iter_mut().for_each(|count| *count += random.below(3) as f64);
                }
            }
            histograms.push((at as u32, Arc::new(histogram.clone())));
        }
    }
    (times, values, histograms)
}

fn random_histogram(random: &mut Random) -> FloatHistogram {
    let spans = |random: &mut Random| -> Vec<Span> {
        (0..random.below(3))
            .map(|at| Span {
                offset: random.within(if at == 0 { -40..300 } else { 0..9 }) as i32,
                length: random.below(4) as u32,
            })
            .collect()
    };
    let side = |random: &mut Random| {
        let spans = spans(random);
        let length = spans.iter().map(|span| span.length as usize).sum();
        Buckets::new(spans, (0..length).map(|_| random.below(100) as f64).collect())
    };
    let mut histogram = FloatHistogram { count: 500.0, sum: random.unit(), ..FloatHistogram::default() };
    if random.percent(30) {
        histogram.schema = SCHEMA_CUSTOM;
        let bounds = [-1.0, 0.0, 0.005, 2.5, 33_554.43, 33_555.0, 1e300, 0.123_456_789];
        let mut bounds: Vec<f64> = bounds.into_iter().filter(|_| random.percent(50)).collect();
        bounds.sort_by(f64::total_cmp);
        histogram.positive = Buckets::contiguous(0, vec![1.0; bounds.len()]);
        histogram.custom_bounds = Some(bounds.into());
    } else {
        histogram.schema = random.within(-4..9) as i32;
        histogram.zero_threshold = *random.pick(&[0.0, 2f64.powi(-128), 0.001, 1024.0, 2048.0, 2f64.powi(-250)]);
        histogram.zero_count = 3.0;
        histogram.positive = side(random);
        histogram.negative = side(random);
    }
    histogram.validate().unwrap();
    histogram
}

/// What was sent, as comparable rows; a stale histogram is its sum alone, and hints are left to the reader.
fn rows(columns: &Columns) -> Vec<(i64, u64, Option<FloatHistogram>)> {
    let (times, values, histograms) = columns;
    let mut rows: Vec<_> = times.iter().zip(values).map(|(&time, value)| (time, value.to_bits(), None)).collect();
    for (at, histogram) in histograms {
        let mut histogram = (**histogram).clone();
        if histogram.sum.to_bits() == STALE.to_bits() {
            histogram = FloatHistogram { sum: STALE, ..FloatHistogram::default() };
        }
        rows[*at as usize] = (rows[*at as usize].0, 0, Some(histogram));
    }
    rows
}

#[test]
fn sampled_answers_hold_every_sample() {
    let mut random = Random::new(7);
    let columns = [random_columns(&mut random, 300), random_columns(&mut random, 5)];
    let labels = [Labels::from_pairs([("__name__", "a")]), Labels::from_pairs([("__name__", "b"), ("x", "ä")])];
    let mut answer = SampledAnswer::default();
    answer.begin_query();
    answer.begin_query();
    for (labels, (times, values, histograms)) in labels.iter().zip(&columns) {
        answer.begin_series(labels);
        answer.add(times, values, histograms);
    }
    assert!(answer.bytes() > 1000);
    let mut body = Vec::new();
    decompress(Compression::Snappy, &answer.finish().unwrap(), usize::MAX, &mut body).unwrap();
    let mut results = Vec::new();
    let mut fields = Fields::of_body(&body);
    while let Some((1, value)) = fields.next().unwrap() {
        results.push(value.bytes(&fields).unwrap());
    }
    assert_eq!((results.len(), results[0].len()), (2, 0), "the first query found nothing");
    // A query's result has the shape of a 1.0 write request.
    struct Check<'a>(&'a [Columns], &'a [Labels], usize);
    impl WriteVisitor for Check<'_> {
        fn series(&mut self, series: &mut Series<'_, '_>) {
            assert_eq!(series.to_labels().unwrap(), self.1[self.2]);
            let expected = rows(&self.0[self.2]);
            let floats: Vec<_> = expected.iter().filter(|row| row.2.is_none()).map(|row| (row.0, row.1)).collect();
            let found: Vec<_> = series.samples().iter().map(|s| (s.time_ms, s.value.to_bits())).collect();
            assert_eq!(found, floats);
            let expected: Vec<_> = expected.into_iter().filter_map(|row| Some((row.0, row.2?))).collect();
            let found: Vec<_> =
                series.take_histograms().map(|s| (s.time_ms, (*s.histogram.unwrap()).clone())).collect();
            assert_eq!(found, expected);
            self.2 += 1;
        }
        fn refused(&mut self, error: SeriesError, _: Counts) {
            panic!("{error}");
        }
        fn metadata(&mut self, metric: &str, _: MetadataRef<'_>) {
            panic!("{metric}");
        }
    }
    let mut check = Check(&columns, &labels, 0);
    decode_write_1(results[1], &WriteLimits::default(), &mut check).unwrap();
    assert_eq!(check.2, 2);
}

/// A series in frames: its messages, each with its query's index.
fn frames(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !stream.is_empty() {
        let mut length = Fields::of_body(stream);
        let size = length.varint().unwrap() as usize;
        let rest = length.rest();
        found.push(&rest[4..4 + size]);
        stream = &rest[4 + size..];
    }
    found
}

/// Reads the chunks of a frame: labels, and rows.
fn read_frame(frame: &[u8]) -> (usize, Vec<(i64, u64, Option<FloatHistogram>)>) {
    let mut rows = Vec::new();
    let mut labels = 0;
    let mut fields = Fields::of_body(frame);
    while let Some((field, value)) = fields.next().unwrap() {
        if field == 2 {
            assert_eq!(value, Value::Varint(3), "the query's index");
            continue;
        }
        let mut series = value.message(&fields).unwrap();
        while let Some((field, value)) = series.next().unwrap() {
            if field == 1 {
                labels += 1;
                continue;
            }
            let (mut min, mut max, mut encoding, mut data) = (0, 0, 0, &[][..]);
            let mut chunk = value.message(&series).unwrap();
            while let Some((field, value)) = chunk.next().unwrap() {
                match field {
                    1 => min = value.signed(&chunk).unwrap(),
                    2 => max = value.signed(&chunk).unwrap(),
                    3 => encoding = value.varint(&chunk).unwrap(),
                    _ => data = value.bytes(&chunk).unwrap(),
                }
            }
            let read = if encoding == 1 { read_xor(data) } else { read_histograms(data) };
            assert_eq!((read[0].0, read.last().unwrap().0), (min, max));
            assert!(read.len() <= 120);
            rows.extend(read);
        }
    }
    (labels, rows)
}

struct XorReader {
    value: u64,
    leading: u32,
    trailing: u32,
}

impl XorReader {
    fn next(&mut self, bits: &mut BitReader<'_>) -> u64 {
        if bits.take(1) == 1 {
            if bits.take(1) == 1 {
                self.leading = bits.take(5) as u32;
                let significant = match bits.take(6) as u32 {
                    0 => 64,
                    significant => significant,
                };
                self.trailing = 64 - self.leading - significant;
            }
            self.value ^= bits.take(64 - self.leading - self.trailing) << self.trailing;
        }
        self.value
    }
}

fn unzigzag(number: u64) -> i64 {
    crate::formats::protobuf::zigzag(number)
}

fn read_xor(data: &[u8]) -> Vec<(i64, u64, Option<FloatHistogram>)> {
    let mut bits = BitReader { bytes: &data[2..], at: 0 };
    let mut rows = Vec::new();
    let (mut time, mut delta) = (0i64, 0i64);
    let mut xor = XorReader { value: 0, leading: 0, trailing: 0 };
    for at in 0..u16::from_be_bytes([data[0], data[1]]) {
        match at {
            0 => {
                time = unzigzag(bits.varint());
                xor.value = bits.take(64);
            }
            1 => {
                delta = bits.varint() as i64;
                time += delta;
                xor.next(&mut bits);
            }
            _ => {
                delta += match bits.ones(4) {
                    0 => 0,
                    1 => bits.signed_of(14),
                    2 => bits.signed_of(17),
                    3 => bits.signed_of(20),
                    _ => bits.take(64) as i64,
                };
                time += delta;
                xor.next(&mut bits);
            }
        }
        rows.push((time, xor.value, None));
    }
    assert!(bits.bytes.len() * 8 - bits.at < 8, "nothing is left over");
    rows
}

fn read_histograms(data: &[u8]) -> Vec<(i64, u64, Option<FloatHistogram>)> {
    let mut bits = BitReader { bytes: &data[3..], at: 0 };
    let mut histogram = FloatHistogram {
        zero_threshold: match bits.take(8) {
            0 => 0.0,
            255 => f64::from_bits(bits.take(64)),
            power => 2f64.powi(power as i32 - 244),
        },
        ..FloatHistogram::default()
    };
    histogram.schema = bits.signed() as i32;
    let mut sides = [Buckets::default(), Buckets::default()];
    for side in &mut sides {
        for _ in 0..bits.unsigned() {
            let length = bits.unsigned() as u32;
            side.spans.push(Span { offset: bits.signed() as i32, length });
        }
        side.counts = vec![0.0; side.spans.iter().map(|span| span.length as usize).sum()];
    }
    if histogram.schema == SCHEMA_CUSTOM {
        let bounds = (0..bits.unsigned()).map(|_| match bits.unsigned() {
            0 => f64::from_bits(bits.take(64)),
            thousandths => (thousandths - 1) as f64 / 1000.0,
        });
        histogram.custom_bounds = Some(bounds.collect());
    }
    [histogram.positive, histogram.negative] = sides;
    let mut numbers = Vec::new();
    let (mut time, mut delta) = (0, 0);
    let mut rows = Vec::new();
    for at in 0..u16::from_be_bytes([data[0], data[1]]) {
        if at == 0 {
            time = bits.signed();
            let count = 3 + histogram.positive.counts.len() + histogram.negative.counts.len();
            numbers = (0..count)
                .map(|_| XorReader { value: bits.take(64), leading: 0, trailing: 0 })
                .collect::<Vec<XorReader>>();
        } else {
            delta += bits.signed();
            time += delta;
            for number in &mut numbers {
                number.next(&mut bits);
            }
        }
        let mut values = numbers.iter().map(|number| f64::from_bits(number.value));
        let mut next = || values.next().unwrap();
        (histogram.count, histogram.zero_count, histogram.sum) = (next(), next(), next());
        histogram.positive.counts.iter_mut().for_each(|count| *count = next());
        histogram.negative.counts.iter_mut().for_each(|count| *count = next());
        rows.push((time, 0, Some(histogram.clone())));
    }
    rows
}

#[test]
fn streamed_answers_hold_every_sample() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let length = *random.pick(&[1, 2, 119, 120, 121, 500]);
        let columns = random_columns(&mut random, length);
        let labels = Labels::from_pairs([("__name__", "a"), ("job", "x")]);
        let mut out = Vec::new();
        let mut series = StreamedSeries::new(3, &labels);
        // In two batches, of which the second one's places begin anew.
        let cut = random.below(length);
        let (times, values, histograms) = &columns;
        let split = histograms.partition_point(|(at, _)| (*at as usize) < cut);
        series.add(&times[..cut], &values[..cut], &histograms[..split], &mut out);
        let behind: Vec<_> = histograms[split..].iter().map(|(at, h)| (at - cut as u32, Arc::clone(h))).collect();
        series.add(&times[cut..], &values[cut..], &behind, &mut out);
        series.finish(&mut out);
        let mut found = Vec::new();
        for frame in frames(&out) {
            let (labels, rows) = read_frame(frame);
            assert_eq!(labels, 2);
            found.extend(rows);
        }
        assert_eq!(found, rows(&columns), "seed {seed}");
    }
}

#[test]
fn a_long_series_is_cut_into_frames() {
    let times: Vec<i64> = (0..300_000).map(|at| at * 1000).collect();
    let mut random = Random::new(3);
    let values: Vec<f64> = times.iter().map(|_| random.unit()).collect();
    let mut out = Vec::new();
    let mut series = StreamedSeries::new(3, &Labels::from_pairs([("__name__", "a")]));
    series.add(&times, &values, &[], &mut out);
    series.finish(&mut out);
    let frames = frames(&out);
    assert!(frames.len() > 1);
    assert!(frames.iter().all(|frame| frame.len() < FRAME_BYTES_MAX + 2000));
    let found: usize = frames.iter().map(|frame| read_frame(frame).1.len()).sum();
    assert_eq!(found, 300_000);
    let mut none = Vec::new();
    StreamedSeries::new(0, &Labels::empty()).finish(&mut none);
    assert_eq!(none, [0; 0]);
}

/// The first bytes of a chunk, worked out by hand from Prometheus's description of its format.
#[test]
fn a_small_chunk_is_as_documented() {
    let mut out = Vec::new();
    let mut series = StreamedSeries::new(0, &Labels::empty());
    series.add(&[1000, 2000, 3000, 4001], &[1.0, 1.0, 3.0, 3.0], &[], &mut out);
    series.finish(&mut out);
    let mut expected = Vec::new();
    put_message(&mut expected, 1, |out| {
        put_message(out, 2, |out| {
            put_integer(out, 1, 1000);
            put_integer(out, 2, 4001);
            put_integer(out, 3, 1);
            // Four samples; 1000 as a varint; 1.0; 1000 more; the value unchanged (0); the delta unchanged (0), the
            // value changed (1), new bits (1): one leading zero (00001), twelve significant (001100), all ones;
            // delta by one (10 and 14 bits), the value unchanged (0).
            let bits =
                "0".to_owned() + "0" + "11" + "00001" + "001100" + "111111111111" + "10" + "00000000000001" + "0";
            let mut data = vec![0, 4, 0xD0, 0x0F, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0, 0xE8, 0x07];
            for byte in bits.as_bytes().chunks(8) {
                let text = format!("{:0<8}", std::str::from_utf8(byte).unwrap());
                data.push(u8::from_str_radix(&text, 2).unwrap());
            }
            crate::formats::protobuf::put_bytes(out, 4, &data);
        });
    });
    assert_eq!(frames(&out), [expected]);
    let mut unused = Vec::new();
    put_double(&mut unused, 1, 0.0);
    assert_eq!(unused, [0; 0], "zero is no field");
}
