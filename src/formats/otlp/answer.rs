//! What a sender is answered: `ExportMetricsServiceResponse`, as protobuf or JSON.

use super::super::protobuf::{put_integer, put_message, put_text};

/// The answer to a body of which so many points were left out; none were when everything is well.
pub fn answer_protobuf(rejected: u64, complaint: &str) -> Vec<u8> {
    let mut body = Vec::new();
    if rejected > 0 || !complaint.is_empty() {
        put_message(&mut body, 1, |out| {
            put_integer(out, 1, rejected);
            put_text(out, 2, complaint);
        });
    }
    body
}

/// The same in JSON, where numbers of 64 bits are texts.
pub fn answer_json(rejected: u64, complaint: &str) -> Vec<u8> {
    if rejected == 0 && complaint.is_empty() {
        return b"{}".to_vec();
    }
    let partial = serde_json::json!({ "rejectedDataPoints": rejected.to_string(), "errorMessage": complaint });
    serde_json::json!({ "partialSuccess": partial }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_told() {
        assert_eq!((answer_protobuf(0, ""), answer_json(0, "")), (Vec::new(), b"{}".to_vec()));
        assert_eq!(answer_protobuf(3, "no"), [0x0A, 6, 0x08, 3, 0x12, 2, b'n', b'o']);
        let json = r#"{"partialSuccess":{"errorMessage":"no","rejectedDataPoints":"3"}}"#;
        assert_eq!(answer_json(3, "no"), json.as_bytes());
    }
}
