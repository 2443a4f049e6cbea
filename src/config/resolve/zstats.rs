//! The section `zstats`.

use std::time::Duration;

use crate::config::file::Quantity;
use crate::config::settings::{MainSettings, NotifySettings, SpoolSettings, TlsFiles, ZstatsAccount, ZstatsSettings};
use crate::config::zstats::{ZstatsSection, ZstatsTokenEntry};
use crate::formats::zstats::{RequestLimits, StateLimits, check_instance};

use super::main_section::{check_address, is_loopback};
use super::{Notes, path_of, text_of};

const SPOOL_AGE_DEFAULT: Duration = Duration::from_secs(24 * 3600);
const SPOOL_BYTES_DEFAULT: u64 = 1 << 30;
const SPOOL_ENTRIES_DEFAULT: usize = 1_000_000;
const NOTIFY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(360);
const NOTIFY_CALLS_DEFAULT: usize = 32;
const NOTIFY_QUEUE_DEFAULT: usize = 10_000;
const REQUESTS_DEFAULT: usize = 16;
/// A header of HTTP that is longer is refused before anybody looks at it.
const TOKEN_BYTES_MAX: usize = 4096;
/// Larger bodies are refused by the machine's own limits.
const BODY_BYTES_MAX: u64 = 4 << 30;

/// The settings; `None` if nobody may send.
pub(super) fn resolve(section: ZstatsSection, main: &MainSettings, notes: &mut Notes) -> Option<ZstatsSettings> {
    let addr = text_of(&section.addr).map(str::to_owned);
    if let Some(addr) = &addr {
        check_address("/zstats/addr", addr, notes);
    }
    let https = notes
        .pair(
            ("/zstats/https-cert-file", &section.https_cert_file),
            ("/zstats/https-key-file", &section.https_key_file),
        )
        .map(|(cert_file, key_file)| TlsFiles { cert_file, key_file });
    let (request_limits, state_limits) = limits(&section, notes);
    let spool = spool(&section, notes);
    let notify = notify(&section, notes);
    if notify.is_some() && spool.is_none() {
        notes.violation("/zstats/notify", "a reader", "a folder in /zstats/spool-directory that it reads");
    }
    let tokens: Vec<_> = section.tokens.into_iter().filter_map(|entry| token(entry, notes)).collect();
    if tokens.is_empty() {
        if addr.is_some() || spool.is_some() {
            notes.warn("/zstats/tokens", "nobody is named: zstats is off");
        }
        return None;
    }
    if let Some(addr) = &addr
        && https.is_none()
        && main.https.is_some()
        && !is_loopback(addr)
    {
        notes.warn("/zstats/addr", "has no certificate of its own: tokens and scrapes go there in the clear");
    }
    Some(ZstatsSettings {
        addr,
        https,
        tokens: tokens.into_iter().collect(),
        requests_max: section.limits.requests.unwrap_or(REQUESTS_DEFAULT),
        request_limits,
        state_limits,
        spool,
        notify,
    })
}

fn token((token, entry): (String, ZstatsTokenEntry), notes: &mut Notes) -> Option<(String, ZstatsAccount)> {
    // What is complained about is the section's: tokens are secrets.
    let is_header = token.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    if !is_header || token.trim() != token || !(1..=TOKEN_BYTES_MAX).contains(&token.len()) {
        let expected = format!("1 to {TOKEN_BYTES_MAX} characters of ASCII without spaces around them");
        notes.violation("/zstats/tokens", "another token", expected);
    }
    // An entry without an account broke the schema already.
    let account = entry.account?;
    if !check_instance(&account) || account.contains('/') {
        notes.wrong("/zstats/tokens", &account, "accounts that can be names of folders");
    }
    Some((token, ZstatsAccount { account, min_poll_secs: entry.min_poll_secs.unwrap_or(0) }))
}

fn limits(section: &ZstatsSection, notes: &mut Notes) -> (RequestLimits, StateLimits) {
    let (request, state) = (RequestLimits::default(), StateLimits::default());
    let mut bytes = |key: &str, quantity: &Option<Quantity>, default: usize| {
        let pointer = format!("/zstats/limits/{key}");
        let bytes = notes.bytes(&pointer, quantity, 1.0, default as u64);
        if !(1..=BODY_BYTES_MAX).contains(&bytes) && key != "state" {
            notes.violation(&pointer, format_args!("{bytes} bytes"), "1 byte to 4 GiB");
        }
        usize::try_from(bytes).unwrap_or(usize::MAX)
    };
    let body_bytes_max = bytes("body", &section.limits.body, request.body_bytes_max);
    let unzipped_bytes_max = bytes("unzipped", &section.limits.unzipped, request.unzipped_bytes_max);
    let state_bytes_max = bytes("state", &section.limits.state, state.bytes_max);
    let mut millis = |key: &str, text: &Option<String>, default_ms: i64| {
        let default = Duration::from_millis(default_ms.unsigned_abs());
        let found = notes.duration(&format!("/zstats/{key}"), text, default, Duration::from_secs(1));
        i64::try_from(found.as_millis()).unwrap_or(i64::MAX)
    };
    let silent_ms = millis("silent-after", &section.silent_after, state.silent_ms);
    let idle_ms = millis("forget-after", &section.forget_after, state.idle_ms);
    let limits = &section.limits;
    let request = RequestLimits {
        body_bytes_max,
        unzipped_bytes_max,
        blobs_max: limits.scrapes_per_body.unwrap_or(request.blobs_max),
        samples_max: limits.samples_per_body.unwrap_or(request.samples_max),
        labels_max: limits.labels_per_body.unwrap_or(request.labels_max),
    };
    let state = StateLimits {
        instances_max: limits.instances.unwrap_or(state.instances_max),
        bytes_max: state_bytes_max,
        rebuilt_max: limits.rebuilt_per_body.unwrap_or(state.rebuilt_max),
        series_max: limits.series_per_scrape.unwrap_or(state.series_max),
        silent_ms,
        idle_ms,
        ..state
    };
    (request, state)
}

fn spool(section: &ZstatsSection, notes: &mut Notes) -> Option<SpoolSettings> {
    let second = Duration::from_secs(1);
    let max_age = match text_of(&section.spool_max_age) {
        Some("0" | "0s") => Duration::ZERO,
        _ => notes.duration("/zstats/spool-max-age", &section.spool_max_age, SPOOL_AGE_DEFAULT, second),
    };
    let bytes_max = notes.bytes("/zstats/spool-max-size", &section.spool_max_size, 1.0, SPOOL_BYTES_DEFAULT);
    Some(SpoolSettings {
        directory: path_of(&section.spool_directory)?,
        max_age,
        bytes_max,
        entries_max: section.spool_max_entries.unwrap_or(SPOOL_ENTRIES_DEFAULT),
        is_synced: section.spool_sync.unwrap_or(false),
    })
}

fn notify(section: &ZstatsSection, notes: &mut Notes) -> Option<NotifySettings> {
    let timeout = notes.duration(
        "/zstats/notify-timeout",
        &section.notify_timeout,
        NOTIFY_TIMEOUT_DEFAULT,
        Duration::from_millis(1),
    );
    let address = text_of(&section.notify)?.to_owned();
    check_address("/zstats/notify", &address, notes);
    Some(NotifySettings {
        address,
        timeout,
        calls_max: section.notify_calls.unwrap_or(NOTIFY_CALLS_DEFAULT),
        queue_max: section.notify_queue.unwrap_or(NOTIFY_QUEUE_DEFAULT),
    })
}
