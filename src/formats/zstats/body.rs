//! The gzip stream around a request: members one after another are one stream, and every checksum counts.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::error::ZstatsError;
use super::limits::RequestLimits;

/// Unzips a body. No more than the limit is ever held, whatever the body would unzip to.
///
/// # Errors
/// A body that is too large, that is no gzip stream, that ends early, or whose checksum is wrong.
pub fn gunzip(body: &[u8], limits: &RequestLimits) -> Result<Vec<u8>, ZstatsError> {
    if body.len() > limits.body_bytes_max {
        return Err(ZstatsError::BodyTooLarge { length: body.len(), limit: limits.body_bytes_max });
    }
    if body.is_empty() {
        return Err(ZstatsError::Gzip { reason: "the body is empty".to_owned() });
    }
    let mut unzipped = Vec::new();
    let one_more = limits.unzipped_bytes_max as u64 + 1;
    MultiGzDecoder::new(body)
        .take(one_more)
        .read_to_end(&mut unzipped)
        .map_err(|error| ZstatsError::Gzip { reason: error.to_string() })?;
    if unzipped.len() > limits.unzipped_bytes_max {
        return Err(ZstatsError::TooLarge { limit: limits.unzipped_bytes_max });
    }
    Ok(unzipped)
}

/// Zips at the fastest level, as senders do.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4 + 64), Compression::fast());
    // Writing into memory cannot fail.
    let zipped = encoder.write_all(bytes).and_then(|()| encoder.finish());
    zipped.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bombs_do_not_go_off() {
        let limits = RequestLimits { unzipped_bytes_max: 100_000, ..RequestLimits::default() };
        let bomb = gzip(&vec![0; 50_000_000]);
        assert_eq!(gunzip(&bomb, &limits), Err(ZstatsError::TooLarge { limit: 100_000 }));
        // Many small members are no way around it.
        let members = gzip(&[0; 10_000]).repeat(11);
        assert_eq!(gunzip(&members, &limits), Err(ZstatsError::TooLarge { limit: 100_000 }));
        assert_eq!(gunzip(&gzip(&[7; 100_000]), &limits), Ok(vec![7; 100_000]));
        let limits = RequestLimits { body_bytes_max: 10, ..limits };
        assert_eq!(gunzip(&bomb, &limits), Err(ZstatsError::BodyTooLarge { length: bomb.len(), limit: 10 }));
    }

    #[test]
    fn every_byte_counts() {
        let limits = RequestLimits::default();
        let zipped = gzip(b"what was scraped");
        for length in 0..zipped.len() {
            assert!(gunzip(&zipped[..length], &limits).is_err(), "{length} bytes");
        }
        let mut wrong = zipped.clone();
        let checksum = wrong.len() - 8;
        wrong[checksum] ^= 1;
        assert!(gunzip(&wrong, &limits).is_err());
    }
}
