//! The durable consumer of a stream on the server: found or made, checked, asked how it fares.
//!
//! Invariant: a consumer that exists is never changed, and one that could lose a message here is not used.

use std::time::Duration;

use async_nats::Client;
use async_nats::client::RequestErrorKind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::options::{JetStream, Subscription};
use super::pull::Request;

/// Why messages of a stream can't be received now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum AttachError {
    /// Nobody has made the stream yet.
    #[error("there is no stream {stream:?}: make one that captures {subject:?}")]
    NoStream {
        /// Its name.
        stream: String,
        /// What it should capture.
        subject: String,
    },
    /// The consumer is not there.
    #[error("consumer {0:?} is not there")]
    NoConsumer(String),
    /// The consumer exists and is of no use.
    #[error("consumer {durable:?} of stream {stream:?}: found {found}, expected {expected}")]
    Unfit {
        /// The stream.
        stream: String,
        /// The consumer.
        durable: String,
        /// What is wrong.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The server says no.
    #[error("{asked}: {description} (error {code})")]
    Refused {
        /// The subject of the request.
        asked: String,
        /// The server's words.
        description: String,
        /// The server's number for it.
        code: u64,
    },
    /// The server says nothing.
    #[error("{asked}: {reason}")]
    Silent {
        /// The subject of the request.
        asked: String,
        /// Why there is no answer.
        reason: String,
    },
}

/// What a server says of a consumer.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Info {
    config: Config,
    ack_floor: Sequences,
    /// Messages delivered and not acknowledged.
    #[serde(default)]
    pub num_ack_pending: u64,
    /// Messages to be delivered.
    #[serde(default)]
    pub num_pending: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Sequences {
    #[serde(default)]
    stream_seq: u64,
}

/// What counts here of a consumer's config. Durations are nanoseconds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Config {
    ack_policy: String,
    ack_wait: u64,
    backoff: Vec<u64>,
    deliver_subject: Option<String>,
    filter_subject: Option<String>,
    headers_only: bool,
    max_deliver: i64,
    max_batch: i64,
    max_bytes: i64,
    max_expires: u64,
}

/// The consumer of one subscription.
pub(super) struct Durable {
    pub client: Client,
    pub subject: String,
    pub jetstream: JetStream,
}

impl Durable {
    pub(super) fn new(client: Client, subscription: &Subscription, jetstream: JetStream) -> Self {
        Durable { client, subject: subscription.subject.clone(), jetstream }
    }

    /// Finds the consumer, or makes it, and checks it.
    pub(super) async fn attach(&self) -> Result<Info, AttachError> {
        let info = match self.info().await {
            Err(AttachError::NoConsumer(_)) => self.create().await?,
            other => other?,
        };
        self.check(&info)?;
        Ok(info)
    }

    /// How the consumer fares.
    pub(super) async fn info(&self) -> Result<Info, AttachError> {
        let JetStream { stream, durable, .. } = &self.jetstream;
        self.ask(&format!("CONSUMER.INFO.{stream}.{durable}"), &json!({})).await
    }

    async fn create(&self) -> Result<Info, AttachError> {
        let JetStream { stream, durable, ack_wait } = &self.jetstream;
        let config = json!({
            "durable_name": durable,
            "name": durable,
            "description": "Treering",
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": u64::try_from(ack_wait.as_nanos()).unwrap_or(u64::MAX),
            "max_ack_pending": ACK_PENDING_MAX,
            "max_deliver": -1,
            "replay_policy": "instant",
            "filter_subject": self.subject,
        });
        // The form of 2.9, which says the filter in the subject so that permissions can tell filters apart.
        let asked = format!("CONSUMER.CREATE.{stream}.{durable}.{}", self.subject);
        let info = self.ask(&asked, &json!({ "stream_name": stream, "config": config })).await?;
        tracing::info!("NATS: durable consumer {durable:?} of stream {stream:?} is made, for {:?}", self.subject);
        Ok(info)
    }

    /// The first sequence that the stream still holds, if the subscription is about all of its messages.
    pub(super) async fn first_sequence(&self) -> Result<Option<u64>, AttachError> {
        let answer: Value = self.ask(&format!("STREAM.INFO.{}", self.jetstream.stream), &json!({})).await?;
        let is_all = answer["config"]["subjects"] == json!([self.subject]);
        Ok(if is_all { answer["state"]["first_seq"].as_u64() } else { None })
    }

    fn check(&self, info: &Info) -> Result<(), AttachError> {
        let config = &info.config;
        let (found, expected) = if config.deliver_subject.as_deref().is_some_and(|subject| !subject.is_empty()) {
            ("a push consumer".to_owned(), "a pull consumer (no deliver subject)")
        } else if config.ack_policy != "explicit" {
            (format!("ack policy {:?}", config.ack_policy), "\"explicit\": else what a crash cuts off is lost")
        } else if config.headers_only {
            ("headers only".to_owned(), "whole messages")
        } else {
            return Ok(());
        };
        let JetStream { stream, durable, .. } = self.jetstream.clone();
        Err(AttachError::Unfit { stream, durable, found, expected })
    }

    async fn ask<T: for<'a> Deserialize<'a>>(&self, subject: &str, body: &Value) -> Result<T, AttachError> {
        let silent = |reason: String| AttachError::Silent { asked: subject.to_owned(), reason };
        let request = async_nats::Request::new().payload(body.to_string().into()).timeout(Some(ANSWER_TIMEOUT));
        let answer = self.client.send_request(format!("$JS.API.{subject}"), request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => silent("JetStream is not there (yet): is the server run with it?".into()),
            _ => silent(format!("{error}: is it allowed to ask?")),
        })?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Answer::Bad { error }) => Err(match error.err_code {
                STREAM_NOT_FOUND => {
                    let (stream, subject) = (self.jetstream.stream.clone(), self.subject.clone());
                    AttachError::NoStream { stream, subject }
                }
                CONSUMER_NOT_FOUND => AttachError::NoConsumer(self.jetstream.durable.clone()),
                code => AttachError::Refused { asked: subject.to_owned(), description: error.description, code },
            }),
            Ok(Answer::Good(answer)) => Ok(answer),
            Err(error) => Err(silent(format!("an answer that nobody understands: {error}"))),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer<T> {
    Bad { error: ApiError },
    Good(T),
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl Info {
    /// After this time at most, what was delivered and not acknowledged is delivered again.
    pub(super) fn ack_wait(&self) -> Duration {
        let longest = self.config.backoff.iter().copied().fold(self.config.ack_wait, u64::max);
        if longest == 0 { ACK_WAIT_OF_SERVER } else { Duration::from_nanos(longest) }
    }

    /// The shortest time after which a message that is worked on comes again.
    pub(super) fn ack_wait_min(&self) -> Duration {
        let shortest = self.config.backoff.iter().copied().min().unwrap_or(self.config.ack_wait);
        if shortest == 0 { self.ack_wait() } else { Duration::from_nanos(shortest) }
    }

    /// All messages of the stream up to this sequence are acknowledged, as far as they are the consumer's.
    pub(super) fn acknowledged(&self) -> u64 {
        self.ack_floor.stream_seq
    }

    /// What to ask for at once, within the consumer's own limits.
    pub(super) fn request(&self, bytes_max: usize) -> Request {
        let within = |own: usize, limit: i64| usize::try_from(limit).map_or(own, |limit| own.min(limit.max(1)));
        let limit = |limit: i64| if limit == 0 { -1 } else { limit };
        let expires = match self.config.max_expires {
            0 => EXPIRES,
            longest => EXPIRES.min(Duration::from_nanos(longest)),
        };
        Request {
            messages: within(PULL_MESSAGES_MAX, limit(self.config.max_batch)),
            bytes: within(bytes_max, limit(self.config.max_bytes)),
            expires,
            heartbeat: HEARTBEAT.min(expires / 3),
        }
    }

    /// What is worth a word in the log.
    pub(super) fn oddities(&self, subject: &str) -> Vec<String> {
        let mut oddities = Vec::new();
        if self.config.max_deliver > 0 {
            let times = self.config.max_deliver;
            oddities.push(format!("max-deliver is {times}: what could not be stored by then is lost, -1 is safe"));
        }
        let filter = self.config.filter_subject.as_deref().unwrap_or_default();
        if !filter.is_empty() && filter != subject {
            oddities.push(format!("it delivers {filter:?}, the subscription says {subject:?}"));
        }
        oddities
    }
}

/// Messages of one pull: the client holds four times as many of a subscription.
const PULL_MESSAGES_MAX: usize = 2048;
/// Messages that a consumer of ours may have delivered without an acknowledgement: two pulls.
pub(super) const ACK_PENDING_MAX: usize = 2 * PULL_MESSAGES_MAX;
const EXPIRES: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// What servers take for an absent one.
const ACK_WAIT_OF_SERVER: Duration = Duration::from_secs(30);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// From the server's list of errors.
const STREAM_NOT_FOUND: u64 = 10059;
const CONSUMER_NOT_FOUND: u64 = 10014;

#[cfg(test)]
mod tests {
    use super::*;

    fn info(config: Value) -> Info {
        serde_json::from_value(json!({ "config": config, "ack_floor": { "stream_seq": 7 } })).unwrap()
    }

    #[test]
    fn the_consumers_limits_count() {
        let free = info(json!({})).request(1000);
        let expected = Request { messages: PULL_MESSAGES_MAX, bytes: 1000, expires: EXPIRES, heartbeat: HEARTBEAT };
        assert_eq!(free, expected);
        let tight = info(json!({ "max_batch": 5, "max_bytes": 100, "max_expires": 3_000_000_000_u64 })).request(1000);
        let expected =
            Request { messages: 5, bytes: 100, expires: Duration::from_secs(3), heartbeat: Duration::from_secs(1) };
        assert_eq!(tight, expected);
        assert_eq!(info(json!({ "max_batch": -1 })).request(1000), free);
    }

    #[test]
    fn the_longest_wait_is_known() {
        let seconds = |config| {
            let info = info(config);
            (info.ack_wait().as_secs(), info.ack_wait_min().as_secs())
        };
        assert_eq!(seconds(json!({})), (30, 30));
        assert_eq!(seconds(json!({ "ack_wait": 5_000_000_000_u64 })), (5, 5));
        let backoff = [1_000_000_000_u64, 60_000_000_000];
        assert_eq!(seconds(json!({ "ack_wait": 1_000_000_000_u64, "backoff": backoff })), (60, 1));
    }

    #[test]
    fn what_is_odd_is_said() {
        assert_eq!(info(json!({ "max_deliver": -1, "filter_subject": "a.>" })).oddities("a.>"), Vec::<String>::new());
        let oddities = info(json!({ "max_deliver": 3, "filter_subject": "b" })).oddities("a");
        assert!(oddities.len() == 2 && oddities[0].contains('3') && oddities[1].contains("\"b\""), "{oddities:?}");
    }
}
