//! What must hold for any body of `/api/query`, for fuzzers and the test that replays what they found.

use super::request::{Query, Request, RequestError, SELECTIONS_MAX};
use super::selector::{count, selectors};

/// Selectors that are looked at: a query may name very many.
const LOOKED_AT: usize = 100;

/// Reads `data` as a request and takes its queries apart.
pub fn fuzz_request(data: &[u8]) {
    match Request::parse(data) {
        Ok(request) => {
            let asked: usize = request.queries.iter().map(Query::selections).sum();
            assert!(asked <= SELECTIONS_MAX, "{asked}");
            for query in &request.queries {
                let selectors: Vec<_> = selectors(&request.cluster, query).take(LOOKED_AT).collect();
                assert_eq!(selectors.len(), count(query).min(LOOKED_AT));
                assert!(selectors.iter().all(|selector| selector.below.len() <= 2));
            }
        }
        Err(RequestError::Json { line, reason, .. }) => assert!(line > 0 && !reason.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
