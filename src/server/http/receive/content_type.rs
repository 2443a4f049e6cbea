//! Which message a body of remote write says to hold. Pure.

use axum::http::{HeaderMap, StatusCode, header};

use super::super::Refusal;
use crate::engine::WriteVersion;

const MEDIA_TYPE: &str = "application/x-protobuf";
const V1: &str = "prometheus.WriteRequest";
const V2: &str = "io.prometheus.write.v2.Request";

/// Reads `Content-Type`; without one, and without the parameter `proto`, it is 1.0.
pub(super) fn version_of(headers: &HeaderMap) -> Result<WriteVersion, Refusal> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(WriteVersion::V1) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let text = text.trim();
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    if text.is_empty() {
        return Ok(WriteVersion::V1);
    }
    if !media_type.eq_ignore_ascii_case(MEDIA_TYPE) {
        let text = format!("expected {MEDIA_TYPE} as the first (media) part, got {text} content-type");
        return Err(unsupported(text));
    }
    for part in parts.filter(|part| !part.is_empty()) {
        let Some((name, value)) = part.split_once('=').filter(|(_, value)| !value.contains('=')) else {
            return Err(unsupported(format!(
                "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, \
                 got {part} in {text} content-type"
            )));
        };
        if name.trim_end().eq_ignore_ascii_case("proto") {
            return match value.trim_start().trim_matches('"') {
                V1 => Ok(WriteVersion::V1),
                V2 => Ok(WriteVersion::V2),
                other => Err(unsupported(format!(
                    "got {text} content type; unknown type for remote write protobuf message {other}, \
                     supported: {V1}, {V2}"
                ))),
            };
        }
    }
    Ok(WriteVersion::V1)
}

pub(super) fn unsupported(text: String) -> Refusal {
    Refusal::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).because("content_type")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(value: &str) -> Option<WriteVersion> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
        version_of(&headers).inspect_err(|refusal| assert_eq!(refusal.status(), 415)).ok()
    }

    #[test]
    fn the_message_is_read() {
        assert_eq!(version_of(&HeaderMap::new()).ok(), Some(WriteVersion::V1));
        for value in ["", "application/x-protobuf", "Application/X-Protobuf; charset=utf-8"] {
            assert_eq!(version(value), Some(WriteVersion::V1), "{value}");
        }
        assert_eq!(version("application/x-protobuf;proto=prometheus.WriteRequest"), Some(WriteVersion::V1));
        for value in [
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            "application/x-protobuf ; charset=utf-8; Proto=\"io.prometheus.write.v2.Request\"",
        ] {
            assert_eq!(version(value), Some(WriteVersion::V2), "{value}");
        }
        for value in [
            "application/json",
            "text/plain;proto=io.prometheus.write.v2.Request",
            "application/x-protobuf;proto",
            "application/x-protobuf;proto=io.prometheus.write.v3.Request",
            "application/x-protobuf;proto=",
            "application/x-protobuf;proto=a=b",
        ] {
            assert_eq!(version(value), None, "{value}");
        }
    }
}
