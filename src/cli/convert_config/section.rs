//! What the original's settings are in ours.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::PEM_VARIABLE;
use super::original::Original;
use crate::time::GoDuration;

/// A section, and what it does not say.
#[derive(Debug)]
pub(super) struct Converted {
    /// The section's JSON, with a line end.
    pub text: String,
    /// What has no counterpart or is done in another way, a line each.
    pub remarks: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Section<'a> {
    addr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    https_cert_file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    https_key_file: Option<&'a str>,
    tokens: Tokens,
    forget_after: String,
    limits: Limits,
    spool_directory: &'a str,
    spool_max_age: &'static str,
    spool_max_size: &'static str,
    #[serde(flatten)]
    notify: Option<Notify>,
}

#[derive(Serialize)]
struct Tokens {
    #[serde(rename = "*", skip_serializing_if = "Option::is_none")]
    any: Option<Token>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Token {
    account: &'static str,
    min_poll_secs: i8,
}

#[derive(Serialize)]
struct Limits {
    requests: i64,
    instances: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Notify {
    notify: String,
    notify_timeout: String,
    notify_calls: i64,
}

/// The section.
///
/// # Errors
/// Settings that no server can have: all of them.
pub(super) fn convert(original: &Original, pem_file: Option<&Path>) -> Result<Converted, Vec<String>> {
    let mut notes = Notes::default();
    let port = notes.within("stats.http_port", original.http_port, 1, 65_535, "a port");
    let pem_file = (original.https_enabled == 1).then(|| notes.pem_file(pem_file)).flatten();
    let forget_secs = notes.within("zvcacher.drop_after_secs_lw", original.drop_after_secs, 1, SECS_MAX, "seconds");
    let requests = notes.within("stats.reqs_max", original.reqs_max, 1, i64::MAX, "a number of requests");
    if requests > REQUESTS_MAX {
        notes.remark(format!("stats.reqs_max: limits.requests is {REQUESTS_MAX} at most"));
    }
    if original.reqs_dir.is_empty() {
        notes.problems.push("stats.reqs_dir: found an empty text, expected a directory".to_owned());
    }
    let section = Section {
        addr: format!(":{port}"),
        https_cert_file: pem_file,
        https_key_file: pem_file,
        tokens: Tokens { any: (original.enabled == 1).then_some(Token { account: ACCOUNT, min_poll_secs: 0 }) },
        forget_after: seconds(forget_secs),
        limits: Limits {
            requests: requests.min(REQUESTS_MAX),
            instances: original.entries_high.clamp(INSTANCES_DEFAULT, INSTANCES_MAX),
        },
        spool_directory: &original.reqs_dir,
        spool_max_age: "24h",
        spool_max_size: "1GiB",
        notify: (original.notifies != 0).then(|| notes.notify(original)),
    };
    notes.remark_rest(original);
    if !notes.problems.is_empty() {
        return Err(notes.problems);
    }
    let mut text = serde_json::to_string_pretty(&section).map_err(|error| vec![error.to_string()])?;
    text.push('\n');
    Ok(Converted { text, remarks: notes.remarks })
}

/// What is wrong, and what is said beside.
#[derive(Default)]
struct Notes {
    problems: Vec<String>,
    remarks: Vec<String>,
}

impl Notes {
    fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    fn within(&mut self, key: &str, found: i64, min: i64, max: i64, what: &str) -> i64 {
        if !(min..=max).contains(&found) {
            let range = if max == i64::MAX { format!("from {min}") } else { format!("from {min} to {max}") };
            self.problems.push(format!("{key}: found {found}, expected {what} {range}"));
        }
        found
    }

    fn pem_file<'p>(&mut self, pem_file: Option<&'p Path>) -> Option<&'p str> {
        let found = pem_file.and_then(Path::to_str);
        if found.is_none() {
            let text = format!("with stats.https_enabled {PEM_VARIABLE} has to name a file with certificate and key");
            self.problems.push(match pem_file {
                None => format!("variable {PEM_VARIABLE}: found nothing: {text}"),
                Some(path) => format!("variable {PEM_VARIABLE}: found {}, expected UTF-8: {text}", path.display()),
            });
        }
        found
    }

    fn notify(&mut self, original: &Original) -> Notify {
        let host = original.stingest_host.as_str();
        // An address of version 6 needs brackets before a port.
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        if host.is_empty() || host.contains(['/', ' ']) {
            self.problems.push(format!("stats.stingest_host: found {host:?}, expected a host"));
        }
        let port = self.within("stats.stingest_port", original.stingest_port, 1, 65_535, "a port");
        let timeout_secs =
            self.within("stats.stingest_timeout", original.stingest_timeout_secs, 1, SECS_MAX, "seconds");
        let calls = self.within("bridger.stingests_qd", original.stingests, 1, i64::MAX, "a number of calls");
        if calls > CALLS_MAX {
            self.remark(format!("bridger.stingests_qd: notify-calls is {CALLS_MAX} at most"));
        }
        self.remark("bridger.notify_stingest: the spool is not emptied at the start, and calls that fail are repeated");
        Notify {
            notify: format!("{host}:{port}"),
            notify_timeout: seconds(timeout_secs),
            notify_calls: calls.min(CALLS_MAX),
        }
    }

    /// Says what the section does not.
    fn remark_rest(&mut self, original: &Original) {
        if original.enabled == 1 {
            self.remark(
                "tokens: \"*\" takes every token for the account Zebrium, as the original does; name those that may send",
            );
        } else {
            self.remark("stats.enabled: without tokens zstats is off");
        }
        self.remark("stats.reqs_dir: entries go after 24h, and the oldest while all take more than 1GiB; the original keeps all");
        let (depth, secs, entries) = (original.serializer_depth, original.drop_after_secs_high, original.entries_low);
        self.remark(format!("stats.serializer_qd: {depth} has no counterpart, limits.requests bounds the work"));
        self.remark(format!(
            "zvcacher.drop_after_secs_hw, zvcacher.cache_entries_low_wmark: {secs} and {entries} have no counterpart: \
             targets are forgotten by their age, and limits.instances and limits.state bound them"
        ));
        for key in &original.unknown {
            self.remark(format!("{key}: unknown, without effect"));
        }
    }
}

fn seconds(secs: i64) -> String {
    GoDuration(Duration::from_secs(secs.unsigned_abs())).to_string()
}

/// The account that the public version of the original has.
const ACCOUNT: &str = "Zebrium";
/// A century; what is longer is a mistake.
const SECS_MAX: i64 = 100 * 366 * 86_400;
/// What the section's own bounds are.
const REQUESTS_MAX: i64 = 256;
const CALLS_MAX: i64 = 10_000;
const INSTANCES_DEFAULT: i64 = 50_000;
const INSTANCES_MAX: i64 = 10_000_000;
