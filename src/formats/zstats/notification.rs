//! The gRPC message that announces a spool entry to its reader, and the reader's answer.

use super::super::protobuf::{Fields, Malformed, put_bytes, put_integer};

/// The method that readers serve: unary, without TLS.
pub const NOTIFY_METHOD: &str = "/stingestproto.StatsIngestSvc/Ingest";

/// What a reader is told about an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification<'a> {
    /// Whose entry.
    pub account: &'a str,
    /// The path of the zipped text.
    pub data_path: &'a str,
    /// The path of the JSON file.
    pub manifest_path: &'a str,
    /// The target, as it names itself.
    pub instance: &'a str,
    /// When it was scraped, in milliseconds since 1970.
    pub time_ms: i64,
}

impl Notification<'_> {
    /// The message, without gRPC's frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, 1, self.account.as_bytes());
        put_bytes(&mut out, 2, self.data_path.as_bytes());
        put_bytes(&mut out, 3, self.manifest_path.as_bytes());
        put_bytes(&mut out, 4, self.instance.as_bytes());
        put_bytes(&mut out, 5, b"prometheus");
        put_integer(&mut out, 6, self.time_ms.cast_unsigned());
        out
    }
}

/// The code of a reader's answer: 0 for success, 1 if it failed, 2 if it takes no such request, 3 if it is not ready.
///
/// # Errors
/// Bytes that are no protobuf message.
pub fn decode_notified(answer: &[u8]) -> Result<u64, Malformed> {
    let mut code = 0;
    let mut fields = Fields::of_body(answer);
    while let Some((field, value)) = fields.next()? {
        if field == 1 {
            code = value.varint(&fields)?;
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use base64::Engine;
    use serde_json::Value;

    use super::*;

    #[test]
    fn recorded_calls_are_encoded_alike() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zstats/notify.json");
        let recorded: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let calls = recorded["calls"].as_array().unwrap();
        assert_eq!(calls.len(), 2);
        for call in calls {
            assert_eq!(call["method"], NOTIFY_METHOD);
            let text = |key: &str| call[key].as_str().unwrap();
            let notification = Notification {
                account: text("account"),
                data_path: text("df_path"),
                manifest_path: text("mf_path"),
                instance: text("instance_id"),
                time_ms: call["dts"].as_i64().unwrap(),
            };
            let bytes = base64::engine::general_purpose::STANDARD.decode(text("protobuf_base64")).unwrap();
            assert_eq!(notification.encode(), bytes);
        }
    }

    #[test]
    fn answers_are_read() {
        assert_eq!(decode_notified(&[]), Ok(0));
        assert_eq!(decode_notified(&[8, 3]), Ok(3));
        assert!(decode_notified(&[8]).is_err());
    }
}
