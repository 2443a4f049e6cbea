//! A message of a stream: its lines, and what its reply subject says of it.
//!
//! Invariant: a delivery is either acknowledged, refused or left alone; nothing here decides which.

use std::collections::{HashSet, VecDeque};

use async_nats::{Message, Subject};
use bytes::Bytes;

/// A message that a durable consumer delivered.
#[derive(Debug)]
pub(super) struct Delivery {
    pub subject: Subject,
    pub payload: Bytes,
    /// Where the acknowledgement goes.
    pub reply: Subject,
    pub place: Place,
    /// The how manieth delivery it is, from 1.
    pub attempt: u64,
    /// Messages of the consumer that come behind it.
    pub pending: u64,
}

/// Which message of which stream it is: sequences begin anew when a stream is deleted and made again, times don't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// When the stream took it, nanoseconds since 1970.
    pub nanos: i64,
}

impl Delivery {
    /// `None` when the message was not delivered by a consumer.
    pub(super) fn of(message: Message) -> Option<Delivery> {
        let reply = message.reply?;
        let [attempt, sequence, nanos, pending] = numbers(&reply)?;
        let place = Place { sequence, nanos: i64::try_from(nanos).ok()? };
        Some(Delivery { subject: message.subject, payload: message.payload, reply, place, attempt, pending })
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Delivery>() + self.subject.len() + self.payload.len() + self.reply.len()
    }
}

/// The numbers of `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>`,
/// without the consumer's sequence. Servers with domains put a domain and an account before the stream, and a token
/// behind all (NATS architecture decision record 15).
fn numbers(reply: &str) -> Option<[u64; 4]> {
    let tokens: Vec<&str> = reply.split('.').collect();
    let first = match tokens.len() {
        9 => 4,
        11.. => 6,
        _ => return None,
    };
    if tokens[..2] != ["$JS", "ACK"] {
        return None;
    }
    let number = |at: usize| tokens.get(first + at)?.parse().ok();
    Some([number(0)?, number(1)?, number(3)?, number(4)?])
}

/// The messages that were stored last, so that one that comes again neither counts nor overwrites anything newer.
#[derive(Debug)]
pub(super) struct Recent {
    places: HashSet<Place>,
    order: VecDeque<Place>,
    places_max: usize,
}

impl Recent {
    pub(super) fn new(places_max: usize) -> Self {
        Recent { places: HashSet::new(), order: VecDeque::new(), places_max }
    }

    pub(super) fn holds(&self, place: &Place) -> bool {
        self.places.contains(place)
    }

    pub(super) fn note(&mut self, place: Place) {
        if !self.places.insert(place) {
            return;
        }
        self.order.push_back(place);
        if self.order.len() > self.places_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.places.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_subjects_are_read_in_both_forms() {
        assert_eq!(numbers("$JS.ACK.S.d.2.70.65.1700000000123456789.5"), Some([2, 70, 1_700_000_000_123_456_789, 5]));
        let with_domain = "$JS.ACK.hub.Xs3a.S.d.1.8.9.1700000000123456789.0.tOkEn";
        assert_eq!(numbers(with_domain), Some([1, 8, 1_700_000_000_123_456_789, 0]));
        for bad in ["", "_INBOX.a", "$JS.ACK.S.d.2.70.65.17", "$JS.ACK.S.d.2.70.65.x.5", "$JS.API.S.d.2.70.65.17.5"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_stream_made_anew_holds_other_messages() {
        let mut recent = Recent::new(2);
        let place = |sequence, nanos| Place { sequence, nanos };
        for sequence in [1, 2, 2, 2] {
            recent.note(place(sequence, 100));
        }
        assert!(recent.holds(&place(1, 100)) && recent.holds(&place(2, 100)));
        assert!(!recent.holds(&place(1, 200)), "the same sequence of another stream");
        recent.note(place(3, 100));
        assert!(!recent.holds(&place(1, 100)), "the oldest goes");
        assert_eq!((recent.places.len(), recent.order.len()), (2, 2));
    }
}
