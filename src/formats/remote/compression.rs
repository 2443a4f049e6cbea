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

/// Compresses a body in snappy's block format. Nothing above 4 GB can be; such a body stays empty.
pub fn snappy(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(body).unwrap_or_default()
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

/// Memory that a frame may ask for, as a power of two: 8 MiB, what every decoder is asked to support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
