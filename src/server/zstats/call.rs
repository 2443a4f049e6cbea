//! One call to a reader, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::options::AnnouncerError;
use crate::formats::zstats::{NOTIFY_METHOD, decode_notified};
use crate::server::grpc::RawCodec;

/// How long reaching the reader may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer, which is a number.
const ANSWER_BYTES_MAX: usize = 4096;

/// A reader. Clones share its connection, which is made when it is needed, and made again when it broke.
#[derive(Clone)]
pub(super) struct Reader {
    channel: Channel,
    timeout: Duration,
}

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The reader has taken the entry.
    Taken,
    /// Nobody is there, or not ready: later calls may do better.
    NotNow(String),
    /// The reader does not take this entry; it may have been a bad moment.
    Failed(String),
    /// The reader takes no such call, ever.
    Refused(String),
}

impl Reader {
    /// A reader at an address. To be called inside of a runtime; nothing is connected yet.
    pub(super) fn new(address: &str, timeout: Duration) -> Result<Reader, AnnouncerError> {
        let refused = || AnnouncerError::Address { address: address.to_owned() };
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| refused())?;
        let (uri, is_plain) = (endpoint.uri(), !address.contains(['/', '?', '#', '@']));
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if !is_plain || !has_host || uri.port_u16().is_none() {
            return Err(refused());
        }
        let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).timeout(timeout).connect_lazy();
        Ok(Reader { channel, timeout })
    }

    /// Tells the reader of an entry.
    pub(super) async fn tell(&self, message: Bytes) -> Outcome {
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        if let Err(error) = client.ready().await {
            return Outcome::NotNow(causes(&error));
        }
        let mut request = Request::new(message);
        // The reader learns of it, too.
        request.set_timeout(self.timeout);
        match client.unary(request, PathAndQuery::from_static(NOTIFY_METHOD), RawCodec).await {
            Ok(answer) => of_answer(&answer.into_inner()),
            Err(status) => of_status(&status),
        }
    }
}

/// What a reader's code says.
fn of_answer(answer: &[u8]) -> Outcome {
    match decode_notified(answer) {
        Ok(0) => Outcome::Taken,
        Ok(2) => Outcome::Refused("it takes no such request (code 2)".to_owned()),
        Ok(3) => Outcome::NotNow("it is not ready (code 3)".to_owned()),
        Ok(code) => Outcome::Failed(format!("it failed (code {code})")),
        Err(_) => Outcome::Failed("its answer is no protobuf message".to_owned()),
    }
}

/// What it means that there is no answer.
fn of_status(status: &Status) -> Outcome {
    let text = match std::error::Error::source(status) {
        Some(source) => format!("{}: {}", status.message(), causes(source)),
        None => format!("{:?}: {}", status.code(), status.message()),
    };
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange | Code::AlreadyExists => Outcome::Refused(text),
        Code::NotFound
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::DataLoss => Outcome::Failed(text),
        _ => Outcome::NotNow(text),
    }
}

/// An error with all its reasons.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(reason) = next {
        text = format!("{text}: {reason}");
        next = reason.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_readers_mean() {
        assert_eq!(of_answer(&[]), Outcome::Taken);
        assert_eq!(of_answer(&[8, 0]), Outcome::Taken);
        assert!(matches!(of_answer(&[8, 1]), Outcome::Failed(_)));
        assert!(matches!(of_answer(&[8, 2]), Outcome::Refused(_)));
        assert!(matches!(of_answer(&[8, 3]), Outcome::NotNow(_)));
        assert!(matches!(of_answer(&[8, 200, 1]), Outcome::Failed(_)));
        assert!(matches!(of_answer(&[8]), Outcome::Failed(_)));
        assert!(matches!(of_status(&Status::unavailable("")), Outcome::NotNow(_)));
        assert!(matches!(of_status(&Status::deadline_exceeded("")), Outcome::NotNow(_)));
        assert!(matches!(of_status(&Status::unimplemented("")), Outcome::Failed(_)));
        assert!(matches!(of_status(&Status::invalid_argument("")), Outcome::Refused(_)));
    }

    #[tokio::test]
    async fn addresses_have_a_host_and_a_port() {
        for good in ["localhost:5300", "127.0.0.1:1", "[::1]:5300", "reader.example:65535"] {
            assert!(Reader::new(good, Duration::from_secs(1)).is_ok(), "{good}");
        }
        for bad in ["", "localhost", ":5300", "localhost:", "localhost:65536", "http://x:1", "x:1/y", "a@b:1", "a b:1"]
        {
            assert!(matches!(Reader::new(bad, Duration::from_secs(1)), Err(AnnouncerError::Address { .. })), "{bad}");
        }
    }
}
