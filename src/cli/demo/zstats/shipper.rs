//! One target's scrapes on their way to a receiver.
//!
//! Invariant: differences are added to what the receiver has, not to the page before, so roundings do not add up; what
//! it did not acknowledge it does not have.

use std::sync::Arc;

use crate::formats::zstats::{
    Blob, Code, Instances, Request, Response, Scrape, StateLimits, decode_response, encode_request, gzip,
};

use super::super::error::DemoError;
use super::super::http::Http;

/// Ships the scrapes of one target.
pub(super) struct Shipper {
    http: Http,
    token: String,
    instance: Arc<str>,
    /// What the receiver has.
    rebuilt: Instances,
}

/// What became of a scrape.
#[derive(Debug)]
pub(super) struct Shipped {
    /// Series whose differences were sent; none if it was sent in full.
    pub changed: Option<usize>,
    /// Bytes of all bodies that it took.
    pub bytes: usize,
    /// The codes that it was answered: a second one if the receiver asked for it in full.
    pub codes: Vec<i8>,
    /// Seconds that the receiver wants between two scrapes.
    pub min_poll_secs: u64,
}

impl Shipper {
    pub(super) fn new(http: Http, token: String, instance: String) -> Shipper {
        Shipper { http, token, instance: Arc::from(instance), rebuilt: Instances::new(StateLimits::default()) }
    }

    /// Ships a scrape: what changed, or all of it if that does not say it or is not taken. `now_ns` are nanoseconds
    /// since 1970.
    ///
    /// # Errors
    /// Nobody takes it now. It is forgotten; the next one has its differences, too.
    pub(super) async fn ship(&mut self, mut scrape: Scrape, now_ns: i64) -> Result<Shipped, DemoError> {
        let mut shipped = Shipped { changed: None, bytes: 0, codes: Vec::new(), min_poll_secs: 0 };
        let instance = Arc::clone(&self.instance);
        let before = self.rebuilt.scrape(ACCOUNT, &instance);
        scrape.generation = before.map_or(now_ns, |before| before.generation.wrapping_add(1));
        let differences = before.and_then(|before| scrape.differences_since(before, &instance));
        let asked = match differences {
            Some(blob) => {
                shipped.changed = Some(blob.samples.len());
                self.send(blob, &mut shipped).await?
            }
            None => {
                scrape.generation = now_ns;
                Code::SendFull
            }
        };
        if asked == Code::SendFull {
            self.send(scrape.full_blob(&instance), &mut shipped).await?;
        }
        Ok(shipped)
    }

    async fn send(&mut self, blob: Blob<'_>, shipped: &mut Shipped) -> Result<Code, DemoError> {
        let request = Request { version: 1, token: &self.token, instances: 1, blobs: vec![blob] };
        let body = gzip(&encode_request(&request));
        shipped.bytes += body.len();
        let answer = self.http.post_zstats(&self.token, body).await?;
        let nonsense = |reason: String| DemoError::Answer { url: self.http.base().to_owned(), reason };
        let Response { error, codes, min_poll_secs, .. } =
            decode_response(&answer).map_err(|error| nonsense(error.to_string()))?;
        if !error.is_empty() {
            return Err(DemoError::Refused { url: self.http.base().to_owned(), answer: format!("{error:?}") });
        }
        let [code] = codes[..] else { return Err(nonsense(format!("{} codes for one scrape", codes.len()))) };
        shipped.codes.push(code);
        shipped.min_poll_secs = u64::try_from(min_poll_secs).unwrap_or(0);
        let code = [Code::Taken, Code::SendFull].into_iter().find(|known| *known as i8 == code);
        let code = code.unwrap_or(Code::Failed);
        let is_known = code == Code::Taken
            && request.blobs.iter().all(|blob| self.rebuilt.apply(ACCOUNT, blob, blob.time_ms).is_ok());
        if !is_known {
            // Whatever it has: the next one is in full.
            self.rebuilt = Instances::new(StateLimits::default());
        }
        Ok(code)
    }
}

/// There is one account here.
const ACCOUNT: &str = "demo";
