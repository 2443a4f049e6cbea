//! Requests: lists of blobs, decoded from gob. Texts and labels borrow from the body.

use std::ops::Range;

use super::error::ZstatsError;
use super::gob::{Cursor, Plan, Step, Type, Types, Want, open_value};
use super::limits::RequestLimits;

/// What a sender posts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request<'a> {
    /// The version of the protocol; the answer repeats it.
    pub version: i8,
    /// The token once more; the one in the header counts.
    pub token: &'a str,
    /// How many blobs there should be; nobody looks at it.
    pub instances: i32,
    /// The blobs.
    pub blobs: Vec<Blob<'a>>,
}

/// A scrape of a target, or its differences from the one before it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Blob<'a> {
    /// The target: its instance label, a dot, its job label.
    pub instance: &'a str,
    /// Number of series of the scrape.
    pub series_count: i64,
    /// Whether the samples are differences.
    pub is_incremental: bool,
    /// Goes up by one from blob to blob of a target.
    pub generation: i64,
    /// When the target was scraped, in milliseconds since 1970.
    pub time_ms: i64,
    /// All series, or those that are different.
    pub samples: Vec<BlobSample<'a>>,
    /// The labels of all samples, one sample after the other.
    pub labels: Vec<(&'a str, &'a str)>,
    /// Names of labels that are the target's, not the series'.
    pub target_labels: Vec<&'a str>,
    /// Whether all texts are UTF-8; those that are not stand here as nothing.
    pub is_text: bool,
}

/// A sample of a blob.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BlobSample<'a> {
    /// The position of the series in the scrape.
    pub index: i32,
    /// Where its labels are in [`Blob::labels`].
    pub labels: Range<usize>,
    /// What the metric means.
    pub help: &'a str,
    /// The type of the metric.
    pub kind: &'a str,
    /// Milliseconds since 1970, or a difference.
    pub time_ms: i64,
    /// The value, or a difference.
    pub value: f64,
}

impl<'a> Blob<'a> {
    /// The labels of a sample of this blob.
    pub fn labels_of(&self, sample: &BlobSample<'a>) -> &[(&'a str, &'a str)] {
        self.labels.get(sample.labels.clone()).unwrap_or_default()
    }
}

/// Decodes an unzipped body.
///
/// # Errors
/// A stream that breaks gob's rules, that is something else than a request, or that holds more than the limits allow.
pub fn decode_request<'a>(bytes: &'a [u8], limits: &RequestLimits) -> Result<Request<'a>, ZstatsError> {
    let (types, id, mut cursor) = open_value(bytes)?;
    let request = types.plan(Some(id), "StWbReq", &REQUEST)?;
    let blob = types.plan(request.element(3), "StWbIReq", &BLOB)?;
    let sample = types.plan(blob.element(5), "StWbSample", &SAMPLE)?;
    types.check_element(blob.element(6), "OLabels", Type::Text)?;
    let label = types.plan(sample.element(1), "Label", &LABEL)?;
    let decoder = Decoder { types: &types, blob, sample, label, limits };
    decoder.request(&request, &mut cursor)
}

/// The types of the stream, and how much may still come.
struct Decoder<'t, 'a> {
    types: &'t Types<'a>,
    blob: Plan,
    sample: Plan,
    label: Plan,
    limits: &'t RequestLimits,
}

impl<'a> Decoder<'_, 'a> {
    fn request(&self, plan: &Plan, cursor: &mut Cursor<'a>) -> Result<Request<'a>, ZstatsError> {
        let mut request = Request::default();
        let mut is_text = true;
        let mut left = Left { samples: self.limits.samples_max, labels: self.limits.labels_max };
        let mut next = 0;
        while let Some(field) = cursor.field(&mut next, plan.steps.len())? {
            match plan.steps[field] {
                Step::Own(0) => request.version = narrow("Version", cursor.int()?, i8::BITS)?,
                Step::Own(1) => request.token = text(cursor, &mut is_text)?,
                Step::Own(2) => request.instances = narrow("NInsts", cursor.int()?, i32::BITS)?,
                Step::Own(_) => {
                    let count = cursor.count()?;
                    if count > self.limits.blobs_max {
                        return Err(ZstatsError::TooMany { what: "blobs", limit: self.limits.blobs_max });
                    }
                    for _ in 0..count {
                        request.blobs.push(self.blob(cursor, &mut left)?);
                    }
                }
                Step::Skip(id) => self.types.skip(cursor, id)?,
            }
        }
        Ok(request)
    }

    fn blob(&self, cursor: &mut Cursor<'a>, left: &mut Left) -> Result<Blob<'a>, ZstatsError> {
        let mut blob = Blob { is_text: true, ..Blob::default() };
        let mut next = 0;
        while let Some(field) = cursor.field(&mut next, self.blob.steps.len())? {
            match self.blob.steps[field] {
                Step::Own(0) => blob.instance = text(cursor, &mut blob.is_text)?,
                Step::Own(1) => blob.series_count = cursor.int()?,
                Step::Own(2) => blob.is_incremental = cursor.uint()? != 0,
                Step::Own(3) => blob.generation = cursor.int()?,
                Step::Own(4) => blob.time_ms = cursor.int()?,
                Step::Own(5) => {
                    let count = cursor.count()?;
                    let limit = self.limits.samples_max;
                    left.samples =
                        left.samples.checked_sub(count).ok_or(ZstatsError::TooMany { what: "samples", limit })?;
                    blob.samples.reserve_exact(count);
                    for _ in 0..count {
                        let sample = self.sample(cursor, &mut blob, left)?;
                        blob.samples.push(sample);
                    }
                }
                Step::Own(_) => {
                    let count = cursor.count()?;
                    let limit = self.limits.labels_max;
                    left.labels =
                        left.labels.checked_sub(count).ok_or(ZstatsError::TooMany { what: "labels", limit })?;
                    for _ in 0..count {
                        blob.target_labels.push(text(cursor, &mut blob.is_text)?);
                    }
                }
                Step::Skip(id) => self.types.skip(cursor, id)?,
            }
        }
        Ok(blob)
    }

    #[inline]
    fn sample(
        &self,
        cursor: &mut Cursor<'a>,
        blob: &mut Blob<'a>,
        left: &mut Left,
    ) -> Result<BlobSample<'a>, ZstatsError> {
        let start = blob.labels.len();
        let mut sample = BlobSample { labels: start..start, ..BlobSample::default() };
        let mut next = 0;
        while let Some(field) = cursor.field(&mut next, self.sample.steps.len())? {
            match self.sample.steps[field] {
                Step::Own(0) => sample.index = narrow("Idx", cursor.int()?, i32::BITS)?,
                Step::Own(1) => {
                    let count = cursor.count()?;
                    let limit = self.limits.labels_max;
                    left.labels =
                        left.labels.checked_sub(count).ok_or(ZstatsError::TooMany { what: "labels", limit })?;
                    for _ in 0..count {
                        let label = self.label(cursor, &mut blob.is_text)?;
                        blob.labels.push(label);
                    }
                    sample.labels.end = blob.labels.len();
                }
                Step::Own(2) => sample.help = text(cursor, &mut blob.is_text)?,
                Step::Own(3) => sample.kind = text(cursor, &mut blob.is_text)?,
                Step::Own(4) => sample.time_ms = cursor.int()?,
                Step::Own(_) => sample.value = cursor.float()?,
                Step::Skip(id) => self.types.skip(cursor, id)?,
            }
        }
        Ok(sample)
    }

    #[inline]
    fn label(&self, cursor: &mut Cursor<'a>, is_text: &mut bool) -> Result<(&'a str, &'a str), ZstatsError> {
        let mut label = ("", "");
        let mut next = 0;
        while let Some(field) = cursor.field(&mut next, self.label.steps.len())? {
            match self.label.steps[field] {
                Step::Own(0) => label.0 = text(cursor, is_text)?,
                Step::Own(_) => label.1 = text(cursor, is_text)?,
                Step::Skip(id) => self.types.skip(cursor, id)?,
            }
        }
        Ok(label)
    }
}

/// How much may still come.
struct Left {
    samples: usize,
    labels: usize,
}

/// A string; one that is no UTF-8 is nothing, and `is_text` falls.
#[inline]
pub(super) fn text<'a>(cursor: &mut Cursor<'a>, is_text: &mut bool) -> Result<&'a str, ZstatsError> {
    match std::str::from_utf8(cursor.bytes()?) {
        Ok(text) => Ok(text),
        Err(_) => {
            *is_text = false;
            Ok("")
        }
    }
}

/// A number as the type that its field has.
#[inline]
pub(super) fn narrow<T: TryFrom<i64>>(what: &'static str, number: i64, bits: u32) -> Result<T, ZstatsError> {
    T::try_from(number).map_err(|_| ZstatsError::OutOfRange { what, number, bits })
}

const REQUEST: [(&str, Want); 4] =
    [("Version", Want::Int), ("Token", Want::Text), ("NInsts", Want::Int), ("IData", Want::List)];
const BLOB: [(&str, Want); 7] = [
    ("Instance", Want::Text),
    ("NSamples", Want::Int),
    ("IsIncr", Want::Bool),
    ("Gen", Want::Int),
    ("GTs", Want::Int),
    ("Samples", Want::List),
    ("OLabels", Want::List),
];
const SAMPLE: [(&str, Want); 6] = [
    ("Idx", Want::Int),
    ("Ls", Want::List),
    ("Help", Want::Text),
    ("Type", Want::Text),
    ("Ts", Want::Int),
    ("Val", Want::Float),
];
const LABEL: [(&str, Want); 2] = [("Name", Want::Text), ("Value", Want::Text)];
