//! Requests as a sender writes them.

use super::gob::Writer;
use super::request::{Blob, BlobSample, Request};

/// Encodes a request; [`gzip`](super::gzip) makes a body of it.
pub fn encode_request(request: &Request<'_>) -> Vec<u8> {
    let mut out = Writer::default();
    define(&mut out);
    out.message(REQUEST, |out| {
        out.fields(|fields| {
            fields.int(0, request.version.into());
            fields.text(1, request.token);
            fields.int(2, request.instances.into());
            fields.list(3, &request.blobs, write_blob);
        });
    });
    out.into_bytes()
}

fn define(out: &mut Writer) {
    out.define_struct(REQUEST, "StWbReq", &[("Version", INT), ("Token", TEXT), ("NInsts", INT), ("IData", BLOBS)]);
    out.define_list(BLOBS, "[]*ztypes.StWbIReq", BLOB);
    let blob = [
        ("Instance", TEXT),
        ("NSamples", INT),
        ("IsIncr", BOOL),
        ("Gen", INT),
        ("GTs", INT),
        ("Samples", SAMPLES),
        ("OLabels", TEXTS),
    ];
    out.define_struct(BLOB, "", &blob);
    out.define_list(SAMPLES, "[]ztypes.StWbSample", SAMPLE);
    let sample = [("Idx", INT), ("Ls", LABELS), ("Help", TEXT), ("Type", TEXT), ("Ts", INT), ("Val", FLOAT)];
    out.define_struct(SAMPLE, "StWbSample", &sample);
    out.define_list(LABELS, "Labels", LABEL);
    out.define_struct(LABEL, "Label", &[("Name", TEXT), ("Value", TEXT)]);
    out.define_list(TEXTS, "[]string", TEXT);
}

fn write_blob(out: &mut Writer, blob: &Blob<'_>) {
    out.fields(|fields| {
        fields.text(0, blob.instance);
        fields.int(1, blob.series_count);
        fields.bool(2, blob.is_incremental);
        fields.int(3, blob.generation);
        fields.int(4, blob.time_ms);
        fields.list(5, &blob.samples, |out, sample| write_sample(out, blob, sample));
        fields.list(6, &blob.target_labels, |out, name| out.bytes(name.as_bytes()));
    });
}

fn write_sample(out: &mut Writer, blob: &Blob<'_>, sample: &BlobSample<'_>) {
    out.fields(|fields| {
        fields.int(0, sample.index.into());
        fields.list(1, blob.labels_of(sample), |out, (name, value)| {
            out.fields(|label| {
                label.text(0, name);
                label.text(1, value);
            });
        });
        fields.text(2, sample.help);
        fields.text(3, sample.kind);
        fields.int(4, sample.time_ms);
        fields.float(5, sample.value);
    });
}

// Gob's own types.
const BOOL: i64 = 1;
const INT: i64 = 2;
const FLOAT: i64 = 4;
const TEXT: i64 = 6;
// Ours, with the numbers that the collector's have.
const REQUEST: i64 = 65;
const BLOB: i64 = 66;
const SAMPLE: i64 = 67;
const LABEL: i64 = 68;
const LABELS: i64 = 69;
const SAMPLES: i64 = 70;
const TEXTS: i64 = 71;
const BLOBS: i64 = 72;
