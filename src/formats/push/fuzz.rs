//! What must hold for any bytes whatsoever, for fuzzers and property tests.

use super::{GridSeries, PushRequest};

/// Reads `data` as a request of a push and panics when an invariant is broken.
pub fn fuzz_push(data: &[u8]) {
    let request = match PushRequest::read(data) {
        Ok(request) => request,
        Err(error) => return assert!(error.offset <= data.len() && !error.to_string().is_empty()),
    };
    assert_eq!(request.message(), data);
    assert_eq!(request.grid().count(), request.grid_series, "what was read meets no error");
    // Walking over it again shows the same, and no more than the bytes can hold.
    let text = |series: GridSeries<'_>| {
        let samples: Vec<_> = series.samples().map(|sample| (sample.value.to_bits(), sample.time_ms)).collect();
        assert!(samples.len() <= data.len());
        (format!("{:?}", [series.cluster, series.host, series.metric, series.kind, series.id]), samples)
    };
    assert!(request.grid().map(text).eq(request.grid().map(text)));
    assert!(request.grid_series <= data.len());
}
