//! What must hold for any bytes whatsoever, for fuzzers and property tests.

use super::{
    Compression, Counts, MetadataRef, ReadRequest, Series, SeriesError, WriteError, WriteLimits, WriteVisitor,
    decode_write_1, decode_write_2, decompress,
};

/// Reads `data` as remote write bodies of both versions, compressed and not, and panics when an invariant is broken.
pub fn fuzz_write(data: &[u8]) {
    let mut body = Vec::new();
    for compression in [Compression::Plain, Compression::Snappy, Compression::Zstd] {
        match decompress(compression, data, BODY_BYTES_MAX, &mut body) {
            Ok(()) => {
                assert!(body.len() <= BODY_BYTES_MAX);
                check(&body, decode_write_1);
                check(&body, decode_write_2);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// Reads `data` as a remote read request and panics when an invariant is broken.
pub fn fuzz_read(data: &[u8]) {
    match ReadRequest::decode(data) {
        Ok(request) => {
            assert!(request.queries.len() <= 100);
            let _ = request.form().map_err(|error| error.to_string());
        }
        Err(error) => assert!(error.to_string().len() < 100_000),
    }
}

fn check(body: &[u8], decode: impl Fn(&[u8], &WriteLimits, &mut Seen) -> Result<(), WriteError>) {
    let limits = WriteLimits { samples_max: 1000, histograms_max: 10, exemplars_max: 10, ..WriteLimits::default() };
    let mut seen = Seen::default();
    let result = decode(body, &limits, &mut seen);
    if let Err(WriteError::Malformed(error)) = &result {
        assert!(error.offset <= body.len(), "{error}");
    }
    assert!(seen.samples <= limits.samples_max);
    // Once more, with every key expected that came: nothing else may come out.
    let mut again = Seen { expected: seen.keys.clone(), ..Seen::default() };
    assert_eq!(decode(body, &limits, &mut again), result);
    assert_eq!(again.texts, seen.texts);
    assert_eq!(again.keys, seen.keys);
}

/// Everything that a body shows.
#[derive(Default)]
struct Seen {
    samples: usize,
    /// The keys of all series.
    keys: Vec<Vec<u8>>,
    /// The keys to expect, one after the other.
    expected: Vec<Vec<u8>>,
    texts: Vec<String>,
}

impl WriteVisitor for Seen {
    fn expected(&self) -> &[u8] {
        self.expected.get(self.keys.len()).map_or(&[], Vec::as_slice)
    }

    fn series(&mut self, series: &mut Series<'_, '_>) {
        let counts = series.counts();
        self.samples += counts.samples;
        assert_eq!(counts.samples, series.samples().len());
        if series.is_expected() {
            assert_eq!(series.key(), self.expected());
        }
        self.keys.push(series.key().to_vec());
        let labels = match series.labels() {
            Ok(labels) => {
                assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "{labels:?}");
                assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()), "{labels:?}");
                format!("{labels:?}")
            }
            Err(error) => error.to_string(),
        };
        let samples: Vec<_> =
            series.samples().iter().map(|sample| (sample.time_ms, sample.start_ms, sample.value.to_bits())).collect();
        let exemplars: Vec<_> = series.exemplars().collect();
        self.texts.push(format!("{labels} {samples:?} {exemplars:?} {:?}", series.metadata()));
        for sample in series.take_histograms() {
            if let Ok(histogram) = &sample.histogram {
                assert_eq!(histogram.validate(), Ok(()));
            }
            self.texts.push(format!("{sample:?}"));
        }
    }

    fn refused(&mut self, error: SeriesError, counts: Counts) {
        assert!(!error.reason().is_empty());
        self.texts.push(format!("{error} {counts:?}"));
    }

    fn metadata(&mut self, metric: &str, metadata: MetadataRef<'_>) {
        self.texts.push(format!("{metric} {metadata:?}"));
    }
}

/// Bytes of a decompressed body here.
const BODY_BYTES_MAX: usize = 1 << 20;
