//! Scraping at an interval, and telling what each scrape cost.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::cli::command::DemoArguments;
use crate::time::{Clock, SystemClock};

use super::super::error::DemoError;
use super::super::http::Http;
use super::super::show::{grouped, say, time_of_day};
use super::page::Page;
use super::shipper::{Shipped, Shipper};

/// Scrapes and ships, so often as the arguments say, or for ever.
///
/// # Errors
/// The first scrape cannot be made or is not taken, or one of a limited number.
pub(in crate::cli::demo) async fn ship(arguments: &DemoArguments, http: Http) -> Result<(), DemoError> {
    let page_url = arguments.scrape.clone().unwrap_or_else(|| format!("{}/metrics", http.base()));
    let parsed = reqwest::Url::parse(&page_url)
        .map_err(|error| DemoError::Argument(format!("--scrape {page_url:?} is no URL: {error}")))?;
    let host = match (parsed.host_str(), parsed.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        _ => return Err(DemoError::Argument(format!("--scrape {page_url:?}: expected http://host:port/path"))),
    };
    let scrapes_max = if arguments.once { Some(1) } else { arguments.count };
    let instance = format!("{host}.{}", arguments.job);
    let url = http.base();
    say(&format!("Shipping {page_url} to {url} as {instance}, every {} s.", arguments.interval.as_secs()));
    let mut course = Course {
        shipper: Shipper::new(http.clone(), arguments.zstats_token.clone(), instance),
        http,
        page_url,
        target: [("instance".to_owned(), host), ("job".to_owned(), arguments.job.clone())],
        page_bytes: 0,
        sent_bytes: 0,
    };
    let mut due = Instant::now();
    for scrapes in 1u64.. {
        let mut interval = arguments.interval;
        match course.step().await {
            Ok(min_poll) => interval = interval.max(min_poll),
            Err(error) if scrapes == 1 || scrapes_max.is_some() => return Err(error),
            Err(error) => say(&format!("{} UTC  {error}", time_of_day(SystemClock.now_secs()))),
        }
        if scrapes_max.is_some_and(|max| scrapes >= max) {
            break;
        }
        due = (due + interval).max(Instant::now());
        sleep_until(due).await;
    }
    Ok(())
}

/// What is shipped, and what it cost so far.
struct Course {
    shipper: Shipper,
    http: Http,
    page_url: String,
    target: [(String, String); 2],
    page_bytes: usize,
    sent_bytes: usize,
}

impl Course {
    /// Scrapes and ships once; gives the time that the receiver wants until the next one at least.
    async fn step(&mut self) -> Result<Duration, DemoError> {
        let (content_type, body) = self.http.fetch(&self.page_url).await?;
        let now_us = SystemClock.now_micros();
        let target = self.target.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
        let Page { scrape, refused } = Page::read(&body, &content_type, &target, now_us.div_euclid(1000));
        let series = scrape.series.len();
        if series == 0 {
            let reason = format!("{} bytes without a series, {refused} lines that are none", body.len());
            return Err(DemoError::Answer { url: self.page_url.clone(), reason });
        }
        let shipped = self.shipper.ship(scrape, now_us.saturating_mul(1000)).await?;
        self.page_bytes += body.len();
        self.sent_bytes += shipped.bytes;
        let line = self.line(&shipped, series, body.len());
        say(&format!("{} UTC  {line}", time_of_day(SystemClock.now_secs())));
        if refused > 0 {
            say(&format!("  {refused} lines of the page cannot be used"));
        }
        let last = shipped.codes.last().copied().unwrap_or_default();
        if last != 0 {
            let reason = format!("the scrape is refused with code {last}; the store's log says why");
            return Err(DemoError::Answer { url: self.http.base().to_owned(), reason });
        }
        Ok(Duration::from_secs(shipped.min_poll_secs))
    }

    fn line(&self, shipped: &Shipped, series: usize, page_bytes: usize) -> String {
        let number = |count: usize| grouped(count as u64);
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / (whole.max(1)) as f64;
        let what = match shipped.changed {
            None => format!("full         {} series", number(series)),
            Some(changed) => format!("incremental  {} of {} series", number(changed), number(series)),
        };
        let codes: Vec<String> = shipped.codes.iter().map(i8::to_string).collect();
        format!(
            "{what}, page {} B, sent {} B ({:.1} %; all so far {:.1} %), code {}",
            number(page_bytes),
            number(shipped.bytes),
            percent(shipped.bytes, page_bytes),
            percent(self.sent_bytes, self.page_bytes),
            codes.join(", then in full ")
        )
    }
}
