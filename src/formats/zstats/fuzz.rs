//! What must hold for any bytes whatsoever, for fuzzers and property tests.

use super::{
    Code, Instances, RequestLimits, Response, SpoolEntry, StateLimits, Undo, decode_request, decode_response,
    encode_request, gunzip, gzip,
};

/// Reads `data` as a request, zipped and not, applies it twice, and panics when an invariant is broken.
pub fn fuzz_zstats(data: &[u8]) {
    let limits = RequestLimits {
        body_bytes_max: 1 << 20,
        unzipped_bytes_max: 1 << 20,
        blobs_max: 100,
        samples_max: 10_000,
        labels_max: 10_000,
    };
    match gunzip(data, &limits) {
        Ok(unzipped) => {
            assert!(unzipped.len() <= limits.unzipped_bytes_max);
            check(&unzipped, &limits);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    check(data, &limits);
    match decode_response(data) {
        Ok(response) => assert_eq!(decode_response(&response.encode()), Ok(response)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn check(data: &[u8], limits: &RequestLimits) {
    let request = match decode_request(data, limits) {
        Ok(request) => request,
        Err(error) => {
            assert_eq!(decode_response(&Response::refused(&error.to_string()).encode()).map(|r| r.codes), Ok(vec![]));
            return;
        }
    };
    assert!(request.blobs.iter().map(|blob| blob.samples.len()).sum::<usize>() <= limits.samples_max);
    assert!(request.blobs.iter().map(|blob| blob.labels.len()).sum::<usize>() <= limits.labels_max);
    let written = encode_request(&request);
    let again = decode_request(&written, limits).map(|again| encode_request(&again));
    assert_eq!(again, Ok(written));

    let limits = StateLimits { instances_max: 50, bytes_max: 1 << 16, series_max: 1000, ..StateLimits::default() };
    let mut instances = Instances::new(limits.clone());
    for round in 0..2 {
        let mut taken = 0;
        let show = |_: usize, applied: &super::Applied<'_>| {
            taken += 1;
            assert!(applied.scrape.series.len() <= limits.series_max);
            let entry = SpoolEntry::of("account", applied.instance, applied.scrape, 1).map(|entry| {
                assert!(entry.directory.split('/').all(|part| !matches!(part, "" | "." | "..")));
                entry.data
            });
            assert!(entry.is_ok_and(|data| !data.is_empty()));
            Code::Taken
        };
        let codes = instances.apply_all("account", &request, round, &mut Undo::default(), show, |_, refusal| {
            assert!(refusal.code() != Code::Taken && !refusal.to_string().is_empty());
        });
        assert_eq!(codes.len(), request.blobs.len());
        assert_eq!(codes.iter().filter(|code| **code == Code::Taken).count(), taken);
        assert!(instances.len() <= limits.instances_max && instances.bytes() <= limits.bytes_max);
    }
    instances.expire(i64::MAX, |ended| assert!(!ended.instance.is_empty()));
    assert_eq!((instances.len(), instances.bytes()), (0, 0), "nothing is left behind");
    assert!(!gzip(data).is_empty());
}
