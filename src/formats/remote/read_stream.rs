//! Remote read: an answer as a stream of messages, each with chunks of one series.
//!
//! A frame is the message's length as a number of variable length, the CRC-32 (Castagnoli) of the message, big-endian,
//! and the message.

use std::sync::Arc;

use super::super::protobuf::{put_bytes, put_integer, put_message, put_varint};
use super::chunk::Chunk;
use super::encode::put_labels;
use crate::model::Labels;
use crate::model::histogram::FloatHistogram;

/// Bytes that a frame has, about, as in Prometheus by default: a frame ends behind the chunk that passes them.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Frames of one series. Series follow each other sorted by their labels.
#[derive(Debug)]
pub struct StreamedSeries {
    query: usize,
    labels: Vec<u8>,
    chunks: Vec<u8>,
    open: Option<Chunk>,
}

impl StreamedSeries {
    /// A series of the answer to the query of that index in the request.
    pub fn new(query: usize, labels: &Labels) -> StreamedSeries {
        let mut fields = Vec::new();
        put_labels(&mut fields, 1, labels);
        StreamedSeries { query, labels: fields, chunks: Vec::new(), open: None }
    }

    /// Samples of the series, ascending by time over all calls; frames that are full are appended to `out`. What stands
    /// in `values` at a histogram's place means nothing; a histogram's place is its index in `times`.
    pub fn add(&mut self, times: &[i64], values: &[f64], histograms: &[(u32, Arc<FloatHistogram>)], out: &mut Vec<u8>) {
        let mut histograms = histograms.iter().peekable();
        for (at, (&time_ms, &value)) in times.iter().zip(values).enumerate() {
            let histogram = histograms.next_if(|(place, _)| *place as usize == at).map(|(_, histogram)| histogram);
            let added = match (&mut self.open, histogram) {
                (None, _) => false,
                (Some(chunk), None) => chunk.add_float(time_ms, value),
                (Some(chunk), Some(histogram)) => chunk.add_histogram(time_ms, histogram),
            };
            if !added {
                self.end_chunk(out);
                self.open = Some(match histogram {
                    None => Chunk::of_float(time_ms, value),
                    Some(histogram) => Chunk::of_histogram(time_ms, histogram),
                });
            }
        }
    }

    /// The series ends: what is left is appended to `out`. A series without samples leaves nothing.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.end_chunk(out);
        self.end_frame(out);
    }

    fn end_chunk(&mut self, out: &mut Vec<u8>) {
        let Some(chunk) = self.open.take() else { return };
        put_message(&mut self.chunks, 2, |out| {
            put_integer(out, 1, chunk.min_time_ms().cast_unsigned());
            put_integer(out, 2, chunk.max_time_ms().cast_unsigned());
            put_integer(out, 3, chunk.encoding());
            put_bytes(out, 4, chunk.bytes());
        });
        if self.labels.len() + self.chunks.len() >= FRAME_BYTES_MAX {
            self.end_frame(out);
        }
    }

    fn end_frame(&mut self, out: &mut Vec<u8>) {
        if self.chunks.is_empty() {
            return;
        }
        let mut message = Vec::with_capacity(self.labels.len() + self.chunks.len() + 16);
        put_message(&mut message, 1, |out| {
            out.extend_from_slice(&self.labels);
            out.extend_from_slice(&self.chunks);
        });
        put_integer(&mut message, 2, self.query as u64);
        self.chunks.clear();
        put_varint(out, message.len() as u64);
        out.extend_from_slice(&crc32c(&message).to_be_bytes());
        out.extend_from_slice(&message);
    }
}

/// CRC-32 with the polynomial of Castagnoli (RFC 3720, appendix B.4), eight bytes a step.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    let (steps, rest) = bytes.as_chunks::<8>();
    for step in steps {
        let number = u64::from_le_bytes(*step) ^ u64::from(crc);
        crc = (0..8).fold(0, |crc, at| crc ^ TABLES[7 - at][(number >> (8 * at)) as usize & 0xFF]);
    }
    for byte in rest {
        crc = TABLES[0][((crc ^ u32::from(*byte)) & 0xFF) as usize] ^ crc >> 8;
    }
    !crc
}

static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[table - 1][byte];
            tables[table][byte] = tables[0][(crc & 0xFF) as usize] ^ crc >> 8;
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// Castagnoli's polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0x82F6_3B78;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&ascending), 0x46DD_794E);
    }
}
