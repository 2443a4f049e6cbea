//! Inflating a body as it comes: identity, gzip (of several members), zstd, deflate. Pure.
//!
//! Invariant: one step makes at most about 200 KB of output, whatever the input, so that limits can be checked before
//! memory is used, and thousands of bodies at a time take little.

use std::io::{self, Write};

use axum::http::{HeaderMap, StatusCode, header};
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::DParameter;

use super::Refusal;

/// Bytes that a step takes at most; deflate makes at most 1032 times as many of them.
const STEP_BYTES: usize = 64;
/// Bytes that a step makes at most, where the decoder leaves the choice.
const OUT_BYTES: usize = 64 << 10;
/// The largest window of zstd, as a power of two: 8 MiB, what RFC 8878 recommends to support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentEncoding {
    Identity,
    Gzip,
    Zstd,
    Deflate,
}

impl ContentEncoding {
    /// Reads `Content-Encoding`.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut found = ContentEncoding::Identity;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let next = match value.to_str().map(|name| name.trim().to_ascii_lowercase()).as_deref() {
                Ok("" | "identity") => continue,
                Ok("gzip" | "x-gzip") => ContentEncoding::Gzip,
                Ok("zstd") => ContentEncoding::Zstd,
                Ok("deflate") => ContentEncoding::Deflate,
                _ => return Err(unsupported(&String::from_utf8_lossy(value.as_bytes()))),
            };
            if found != ContentEncoding::Identity {
                return Err(unsupported("several at once"));
            }
            found = next;
        }
        Ok(found)
    }
}

fn unsupported(name: &str) -> Refusal {
    let text = format!("content encoding {name:?} is not supported: expected gzip, zstd, deflate or identity");
    Refusal::json(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
}

/// Compressed data that is damaged or cut short.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the compressed body is damaged after {inflated} inflated bytes: {reason}")]
pub(super) struct Damaged {
    inflated: u64,
    reason: String,
}

/// Inflates a body.
pub(super) struct Inflater {
    form: Form,
    inflated: u64,
}

enum Form {
    Identity,
    /// Boxed, as the next: it is large.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd {
        decoder: Decoder<'static>,
        inside_frame: bool,
    },
    /// Known by its first byte: zlib as the RFC wants it, or the bare stream that some clients send.
    DeflateUnknown,
    Deflate {
        decoder: Decompress,
        ended: bool,
    },
    /// Nothing came that would make a stream, which is an empty body.
    GzipUnknown,
}

impl Inflater {
    pub(super) fn new(encoding: ContentEncoding) -> io::Result<Self> {
        let form = match encoding {
            ContentEncoding::Identity => Form::Identity,
            ContentEncoding::Gzip => Form::GzipUnknown,
            ContentEncoding::Zstd => {
                let mut decoder = Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
                Form::Zstd { decoder, inside_frame: false }
            }
            ContentEncoding::Deflate => Form::DeflateUnknown,
        };
        Ok(Inflater { form, inflated: 0 })
    }

    /// Takes some bytes from the front of `input`, which must not be empty, and appends what they make.
    pub(super) fn step(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
        let before = out.len();
        let stepped = self.try_step(input, out);
        self.inflated += (out.len() - before) as u64;
        stepped.map_err(|error| self.damaged(error.to_string()))
    }

    fn try_step(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.form {
            Form::Identity => {
                let (taken, left) = input.split_at(input.len().min(OUT_BYTES));
                out.extend_from_slice(taken);
                *input = left;
            }
            Form::GzipUnknown => self.form = Form::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Form::Gzip(decoder) => {
                let (taken, left) = input.split_at(input.len().min(STEP_BYTES));
                *input = left;
                let written = decoder.write_all(taken);
                out.append(decoder.get_mut());
                written?;
            }
            Form::Zstd { decoder, inside_frame } => {
                let before = out.len();
                let mut made = [0; OUT_BYTES];
                let mut source = InBuffer::around(input);
                let mut target = OutBuffer::around(&mut made[..]);
                let hint = decoder.run(&mut source, &mut target)?;
                *inside_frame = hint != 0;
                out.extend_from_slice(target.as_slice());
                *input = &input[source.pos()..];
                // What is inside the decoder comes out before the next input goes in, also at the end of the input.
                if input.is_empty() {
                    flush_zstd(decoder, inside_frame, out, before)?;
                }
            }
            Form::DeflateUnknown => {
                let is_zlib = input.first().is_some_and(|first| first & 0x0f == 8);
                self.form = Form::Deflate { decoder: Decompress::new(is_zlib), ended: false };
            }
            Form::Deflate { ended: true, .. } => return Err(io::Error::other("data behind the end of the stream")),
            Form::Deflate { decoder, ended } => {
                let taken = &input[..input.len().min(STEP_BYTES)];
                let used = inflate(decoder, taken, out, ended)?;
                *input = &input[used..];
            }
        }
        Ok(())
    }

    /// Notes that the body has ended; appends what was kept back.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Damaged> {
        let before = out.len();
        let complete = match &mut self.form {
            Form::Identity | Form::GzipUnknown | Form::DeflateUnknown => Ok(()),
            Form::Gzip(decoder) => {
                let finished = decoder.try_finish();
                out.append(decoder.get_mut());
                finished.map_err(|error| error.to_string())
            }
            Form::Zstd { inside_frame, .. } if *inside_frame => Err(CUT_SHORT.to_owned()),
            Form::Deflate { ended: false, .. } => Err(CUT_SHORT.to_owned()),
            Form::Zstd { .. } | Form::Deflate { .. } => Ok(()),
        };
        self.inflated += (out.len() - before) as u64;
        complete.map_err(|reason| self.damaged(reason))
    }

    fn damaged(&self, reason: String) -> Damaged {
        Damaged { inflated: self.inflated, reason }
    }
}

const CUT_SHORT: &str = "it ends too early";

/// Takes what a zstd decoder still holds. It is at most a block of 128 KiB.
fn flush_zstd(
    decoder: &mut Decoder<'static>,
    inside_frame: &mut bool,
    out: &mut Vec<u8>,
    mut before: usize,
) -> io::Result<()> {
    while *inside_frame && out.len() - before == OUT_BYTES {
        before = out.len();
        let mut made = [0; OUT_BYTES];
        let mut target = OutBuffer::around(&mut made[..]);
        *inside_frame = decoder.run(&mut InBuffer::around(&[]), &mut target)? != 0;
        out.extend_from_slice(target.as_slice());
    }
    Ok(())
}

/// Inflates all of `input` that belongs to the stream; answers how much that was.
fn inflate(decoder: &mut Decompress, input: &[u8], out: &mut Vec<u8>, ended: &mut bool) -> io::Result<usize> {
    let mut used = 0;
    let mut made = [0; OUT_BYTES / 2];
    loop {
        let (in_before, out_before) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(&input[used..], &mut made, FlushDecompress::None).map_err(io::Error::other)?;
        // Both counts are bounded by the lengths of the slices.
        let (taken, written) = ((decoder.total_in() - in_before) as usize, (decoder.total_out() - out_before) as usize);
        used += taken;
        out.extend_from_slice(&made[..written]);
        if status == Status::StreamEnd {
            *ended = true;
            return Ok(used);
        }
        if written < made.len() && used == input.len() {
            return Ok(used);
        }
        if taken == 0 && written == 0 {
            return Err(io::Error::other("no progress"));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bare_deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
        ::zstd::bulk::compress(bytes, 3).unwrap()
    }

    /// Inflates in chunks; answers the largest output of a step too.
    fn inflate_all(
        encoding: ContentEncoding,
        body: &[u8],
        chunk_bytes: usize,
    ) -> (Vec<u8>, usize, Result<(), Damaged>) {
        let mut inflater = Inflater::new(encoding).unwrap();
        let (mut out, mut largest) = (Vec::new(), 0);
        for mut chunk in body.chunks(chunk_bytes) {
            while !chunk.is_empty() {
                let before = out.len();
                if let Err(error) = inflater.step(&mut chunk, &mut out) {
                    return (out, largest, Err(error));
                }
                largest = largest.max(out.len() - before);
            }
        }
        let finished = inflater.finish(&mut out);
        (out, largest, finished)
    }

    fn text(bytes: usize) -> Vec<u8> {
        (0..)
            .flat_map(|number: u64| format!("line {number} of {}\n", number * 7919 % 1000).into_bytes())
            .take(bytes)
            .collect()
    }

    #[test]
    fn every_form_comes_back() {
        for bytes in [0, 1, 1000, 300_000] {
            let plain = text(bytes);
            for (encoding, body) in [
                (ContentEncoding::Identity, plain.clone()),
                (ContentEncoding::Gzip, gzip(&plain)),
                (ContentEncoding::Zstd, zstd(&plain)),
                (ContentEncoding::Deflate, zlib(&plain)),
                (ContentEncoding::Deflate, bare_deflate(&plain)),
            ] {
                for chunk_bytes in [1, 7, 4096, usize::MAX] {
                    let (out, _, finished) = inflate_all(encoding, &body, chunk_bytes);
                    assert_eq!(finished, Ok(()), "{encoding:?} {bytes} {chunk_bytes}");
                    assert!(out == plain, "{encoding:?} {bytes} {chunk_bytes}");
                }
            }
        }
    }

    #[test]
    fn several_members_and_frames_are_one_body() {
        let (first, second) = (text(100_000), b"tail\n".to_vec());
        for (encoding, body) in [
            (ContentEncoding::Gzip, [gzip(&first), gzip(&[]), gzip(&second)].concat()),
            (ContentEncoding::Zstd, [zstd(&first), zstd(&[]), zstd(&second)].concat()),
        ] {
            for chunk_bytes in [1, 1000, usize::MAX] {
                let (out, _, finished) = inflate_all(encoding, &body, chunk_bytes);
                assert_eq!(finished, Ok(()));
                assert!(out == [&first[..], &second[..]].concat(), "{encoding:?} {chunk_bytes}");
            }
        }
    }

    #[test]
    fn a_body_cut_short_is_damaged_but_gives_what_it_held() {
        let plain = text(200_000);
        for (encoding, body) in [
            (ContentEncoding::Gzip, gzip(&plain)),
            (ContentEncoding::Zstd, zstd(&plain)),
            (ContentEncoding::Deflate, zlib(&plain)),
            (ContentEncoding::Deflate, bare_deflate(&plain)),
        ] {
            for keep in [1, body.len() / 2, body.len() - 1] {
                let (out, _, finished) = inflate_all(encoding, &body[..keep], 512);
                assert!(finished.is_err(), "{encoding:?} {keep}");
                assert!(plain.starts_with(&out));
                assert!(keep != body.len() - 1 || out.len() > 100_000, "{encoding:?}: only {}", out.len());
            }
        }
    }

    #[test]
    fn garbage_is_damaged() {
        for encoding in [ContentEncoding::Gzip, ContentEncoding::Zstd, ContentEncoding::Deflate] {
            assert!(inflate_all(encoding, b"cpu_load,hostname=a value=1\n", 5).2.is_err(), "{encoding:?}");
        }
        let behind_the_end = [zlib(b"a\n"), b"xyz".to_vec()].concat();
        assert!(inflate_all(ContentEncoding::Deflate, &behind_the_end, 5).2.is_err());
    }

    /// A kilobyte can hold a megabyte: a step must not inflate a whole chunk of it.
    #[test]
    fn a_bomb_goes_off_slowly() {
        let zeros = vec![0; 64 << 20];
        for (encoding, body) in [
            (ContentEncoding::Gzip, gzip(&zeros)),
            (ContentEncoding::Deflate, zlib(&zeros)),
            (ContentEncoding::Zstd, zstd(&zeros)),
        ] {
            let (out, largest, finished) = inflate_all(encoding, &body, usize::MAX);
            assert_eq!((out.len(), finished), (zeros.len(), Ok(())), "{encoding:?}");
            assert!(largest <= 200 << 10, "{encoding:?}: {largest}");
        }
    }

    #[test]
    fn a_huge_zstd_window_is_refused() {
        let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&text(1000)).unwrap();
        let body = encoder.finish().unwrap();
        assert!(inflate_all(ContentEncoding::Zstd, &body, usize::MAX).2.is_err());
    }

    #[test]
    fn unknown_encodings_are_refused() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
            }
            ContentEncoding::of(&headers).map_err(|refusal| refusal.status().as_u16())
        };
        assert_eq!(of(&[]), Ok(ContentEncoding::Identity));
        assert_eq!(of(&["GZIP"]), Ok(ContentEncoding::Gzip));
        assert_eq!(of(&["identity", "zstd"]), Ok(ContentEncoding::Zstd));
        assert_eq!(of(&["br"]), Err(415));
        assert_eq!(of(&["gzip, zstd"]), Err(415));
        assert_eq!(of(&["gzip", "gzip"]), Err(415));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), damage_at in any::<usize>()) {
            for encoding in [ContentEncoding::Gzip, ContentEncoding::Zstd, ContentEncoding::Deflate] {
                let _ = inflate_all(encoding, &bytes, 7);
            }
            let mut body = gzip(&bytes);
            let at = damage_at % body.len();
            body[at] ^= 0x10;
            let _ = inflate_all(ContentEncoding::Gzip, &body, 64);
        }
    }
}
