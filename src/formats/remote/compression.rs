//! Compressed bodies: snappy's block format, as all senders use it, and zstd.
//!
//! A body says how large it will be before it is decompressed, and nothing is allocated for one that says too much; one
//! that does not say is decompressed as far as the limit.

use std::io::Read;

use super::error::CompressionError;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// Snappy's block format.
    Snappy,
    /// Zstandard frames.
    Zstd,
}

impl Compression {
    /// The one of a `Content-Encoding`, if it is known.
    pub fn of_encoding(encoding: &str) -> Option<Compression> {
        match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Compression::Plain),
            "snappy" => Some(Compression::Snappy),
            "zstd" => Some(Compression::Zstd),
            _ => None,
        }
    }
}

/// Decompresses a body of at most `bytes_max` bytes into `out`, which it replaces.
///
/// # Errors
/// A body that would be larger, and one that is not compressed that way; `out` holds nothing of use then.
pub fn decompress(
    compression: Compression,
    body: &[u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    match compression {
        Compression::Plain => {
            check("identity", body.len() as u64, bytes_max)?;
            out.clear();
            out.extend_from_slice(body);
            Ok(())
        }
        Compression::Snappy => {
            let corrupt =
                |error: snap::Error| CompressionError::Corrupt { compression: "snappy", reason: error.to_string() };
            let length = snap::raw::decompress_len(body).map_err(corrupt)?;
            check("snappy", length as u64, bytes_max)?;
            // Snappy needs a byte for at most 64 of its output: a header that says more lies.
            if length / 64 > body.len() {
                return Err(corrupt(snap::Error::HeaderMismatch { expected_len: length as u64, got_len: 0 }));
            }
            out.resize(length, 0);
            snap::raw::Decoder::new().decompress(body, out).map_err(corrupt)?;
            Ok(())
        }
        Compression::Zstd => unzstd(body, bytes_max, out),
    }
}

/// Compresses a body in snappy's block format.
///
/// # Errors
/// A body above 4 GB, whose length the format cannot say.
pub fn to_snappy(body: &[u8]) -> Result<Vec<u8>, CompressionError> {
    snap::raw::Encoder::new().compress_vec(body).map_err(|_| CompressionError::TooLarge {
        compression: "snappy",
        length: body.len() as u64,
        limit: SNAPPY_BYTES_MAX,
    })
}

/// A body of a test, compressed.
///
/// # Panics
/// Where [`to_snappy`] has an error.
#[cfg(any(test, feature = "testing"))]
pub fn snappy(body: &[u8]) -> Vec<u8> {
    to_snappy(body).unwrap_or_else(|error| panic!("{error}"))
}

fn unzstd(body: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let corrupt = |reason: String| CompressionError::Corrupt { compression: "zstd", reason };
    match zstd::zstd_safe::get_frame_content_size(body) {
        Ok(Some(length)) => check("zstd", length, bytes_max)?,
        Ok(None) => {}
        Err(_) => return Err(corrupt("expected a frame".to_owned())),
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(|error| corrupt(error.to_string()))?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|error| corrupt(error.to_string()))?;
    out.clear();
    let limit = bytes_max as u64 + 1;
    decoder.take(limit).read_to_end(out).map_err(|error| corrupt(error.to_string()))?;
    check("zstd", out.len() as u64, bytes_max)
}

fn check(compression: &'static str, length: u64, limit: usize) -> Result<(), CompressionError> {
    if length > limit as u64 { Err(CompressionError::TooLarge { compression, length, limit }) } else { Ok(()) }
}

/// The longest body that the block format has a length for.
const SNAPPY_BYTES_MAX: usize = u32::MAX as usize;
/// Memory that a frame may ask for, as a power of two: 8 MiB, what every decoder is asked to support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_bodies_come_back() {
        let body: Vec<u8> = (0..5000u32).flat_map(|number| (number % 77).to_le_bytes()).collect();
        let mut out = vec![1, 2, 3];
        decompress(Compression::Snappy, &snappy(&body), body.len(), &mut out).unwrap();
        assert_eq!(out, body);
        decompress(Compression::Zstd, &zstd::encode_all(&body[..], 3).unwrap(), body.len(), &mut out).unwrap();
        assert_eq!(out, body);
        let sized = zstd::bulk::compress(&body, 3).unwrap();
        decompress(Compression::Zstd, &sized, body.len(), &mut out).unwrap();
        assert_eq!(out, body);
        decompress(Compression::Plain, &body, body.len(), &mut out).unwrap();
        assert_eq!(out, body);
        assert_eq!(Compression::of_encoding("Snappy"), Some(Compression::Snappy));
        assert_eq!(Compression::of_encoding(""), Some(Compression::Plain));
        assert_eq!(Compression::of_encoding("gzip"), None);
    }

    /// What is too long for the format's length once became an empty body: an answer without any samples, and no error.
    #[test]
    fn what_has_no_length_is_an_error() {
        // Never touched, so it takes address space alone.
        let body = vec![0; SNAPPY_BYTES_MAX + 1];
        let error = to_snappy(&body).unwrap_err();
        assert_eq!(error.to_string(), "snappy: decoded length 4294967296 exceeds limit 4294967295");
    }

    #[test]
    fn bombs_are_refused_before_they_go_off() {
        let mut out = Vec::new();
        let zeros = vec![0; 10_000_000];
        let limit = 1_000_000;
        let error = decompress(Compression::Snappy, &snappy(&zeros), limit, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "snappy: decoded length 10000000 exceeds limit 1000000");
        let error =
            decompress(Compression::Zstd, &zstd::bulk::compress(&zeros, 3).unwrap(), limit, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "zstd: decoded length 10000000 exceeds limit 1000000");
        let error = decompress(Compression::Plain, &zeros, limit, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "identity: decoded length 10000000 exceeds limit 1000000");
        assert_eq!(out.capacity(), 0, "nothing was allocated for any of them");
        // A frame that does not say how much it holds.
        let error =
            decompress(Compression::Zstd, &zstd::encode_all(&zeros[..], 3).unwrap(), limit, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "zstd: decoded length 1000001 exceeds limit 1000000");
        // A header that says more than its body can hold, within the limit.
        let mut out = Vec::new();
        let error = decompress(Compression::Snappy, &[0xC0, 0x84, 0x3D, 0, 0], limit, &mut out).unwrap_err();
        assert!(matches!(error, CompressionError::Corrupt { .. }), "{error}");
        assert_eq!(out.capacity(), 0);
        // A window of 128 MiB, which a decoder would have to keep.
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        std::io::Write::write_all(&mut encoder, &zeros[..500_000]).unwrap();
        let frame = encoder.finish().unwrap();
        let error = decompress(Compression::Zstd, &frame, limit, &mut out).unwrap_err();
        assert!(matches!(error, CompressionError::Corrupt { .. }), "{error}");
        for compression in [Compression::Snappy, Compression::Zstd] {
            for body in [&b""[..], b"x", b"\xFF\xFF\xFF\xFF\xFF\xFF", b"not compressed at all"] {
                assert!(decompress(compression, body, limit, &mut out).is_err(), "{compression:?} {body:?}");
            }
        }
    }
}
