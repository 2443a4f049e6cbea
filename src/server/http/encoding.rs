//! Which compression an answer gets. Pure.

use axum::http::{HeaderMap, header};

use crate::server::options::Compression;

/// Answers below this size aren't worth compressing.
const WORTH_BYTES: usize = 1 << 10;

/// What a client understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Accepted {
    gzip: bool,
    zstd: bool,
}

impl Accepted {
    /// Reads `Accept-Encoding`. `*` stands for gzip, which everybody has.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut accepted = Accepted::default();
        let (mut any, mut gzip_named) = (false, false);
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            for entry in value.to_str().unwrap_or_default().split(',') {
                let mut parts = entry.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let refused = parts.any(|part| {
                    part.strip_prefix("q=").is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|q| q <= 0.0))
                });
                if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                    (accepted.gzip, gzip_named) = (!refused, true);
                } else if name.eq_ignore_ascii_case("zstd") {
                    accepted.zstd = !refused;
                } else if name == "*" {
                    any = !refused;
                }
            }
        }
        accepted.gzip |= any && !gzip_named;
        accepted
    }
}

/// The compression of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Gzip,
    Zstd,
}

impl Coding {
    /// The value of `Content-Encoding`.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Coding::Plain => None,
            Coding::Gzip => Some("gzip"),
            Coding::Zstd => Some("zstd"),
        }
    }

    /// Chooses; `bytes` is `None` for an answer that is larger than what is buffered.
    pub(super) fn choose(compression: Compression, accepted: Accepted, is_local: bool, bytes: Option<usize>) -> Self {
        if bytes.is_some_and(|bytes| bytes < WORTH_BYTES) {
            return Coding::Plain;
        }
        let sending_is_cheaper = is_local || bytes.is_none();
        match compression {
            Compression::Off => Coding::Plain,
            Compression::On | Compression::Auto if accepted.zstd => Coding::Zstd,
            Compression::Auto if sending_is_cheaper => Coding::Plain,
            Compression::On | Compression::Auto if accepted.gzip => Coding::Gzip,
            Compression::On | Compression::Auto => Coding::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &str) -> Accepted {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
        Accepted::of(&headers)
    }

    #[test]
    fn accept_encoding_is_understood() {
        for (value, gzip, zstd) in [
            ("gzip", true, false),
            ("gzip, deflate, br, zstd", true, true),
            ("GZIP;q=0.5 , zstd;q=0", true, false),
            ("zstd;q=0.000", false, false),
            ("*", true, false),
            ("gzip;q=0, *", false, false),
            ("*;q=0", false, false),
            ("identity", false, false),
            ("", false, false),
        ] {
            assert_eq!(accepted(value), Accepted { gzip, zstd }, "{value}");
        }
        assert_eq!(Accepted::of(&HeaderMap::new()), Accepted::default());
    }

    #[test]
    fn auto_compresses_where_it_pays() {
        let (gzip, both) = (accepted("gzip"), accepted("gzip, zstd"));
        let small = Some(100_000);
        for (compression, accepted, is_local, bytes, expected) in [
            (Compression::Auto, gzip, false, small, Coding::Gzip),
            (Compression::Auto, gzip, true, small, Coding::Plain),
            (Compression::Auto, gzip, false, None, Coding::Plain),
            (Compression::Auto, both, true, None, Coding::Zstd),
            (Compression::Auto, both, false, small, Coding::Zstd),
            (Compression::Auto, both, false, Some(10), Coding::Plain),
            (Compression::Auto, Accepted::default(), false, small, Coding::Plain),
            (Compression::On, gzip, true, None, Coding::Gzip),
            (Compression::On, Accepted::default(), false, None, Coding::Plain),
            (Compression::Off, both, false, small, Coding::Plain),
        ] {
            let chosen = Coding::choose(compression, accepted, is_local, bytes);
            assert_eq!(chosen, expected, "{compression:?} {accepted:?} {is_local} {bytes:?}");
        }
    }
}
