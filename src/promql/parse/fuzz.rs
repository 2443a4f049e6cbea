//! What must hold for any text that is meant to be a query, for fuzzers and the test that replays what they found.

use super::{ParseOptions, parse_expr, parse_selector};

/// Parses `data` with everything switched on; what it parses to has to print, and to parse to the same again.
pub fn fuzz_query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let options = ParseOptions::everything();
    match parse_expr(text, &options) {
        Ok(expr) => {
            let printed = expr.to_string();
            let again = parse_expr(&printed, &ParseOptions { query_bytes_max: usize::MAX, ..options });
            let again = again.unwrap_or_else(|error| panic!("{printed:?} from {text:?}: {error}"));
            // Prometheus prints infinity with its sign, and reads the sign of `+Inf ^ a` as that of the power.
            if !printed.contains("+Inf ^") {
                assert_eq!(again.to_string(), printed, "from {text:?}");
            }
            assert!(expr.span().end as usize <= text.len());
            assert!(!expr.pretty().is_empty());
        }
        Err(error) => {
            assert!(!error.message().is_empty(), "{text:?}");
            assert!(error.span().start <= error.span().end, "{text:?}: {error}");
        }
    }
    // Must not panic; nothing is known of the answer.
    let _ = parse_expr(text, &ParseOptions::plain());
    if let Ok(matchers) = parse_selector(text, &options) {
        assert!(matchers.iter().all(|matcher| !matcher.to_string().is_empty()));
    }
}
