//! The spool entry of a scrape: where its two files lie, and what is in them.

use std::fmt::Write;

use super::body::gzip;
use super::instance_name::check_instance;
use super::refusal::Refusal;
use super::scrape::Scrape;
use super::spool_text::{common_labels, write_text};

/// A scrape as the original receiver's files. To be written in this order, each whole: data, then manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolEntry {
    /// The directory below the spool's: account, instance, time, with slashes between.
    pub directory: String,
    /// The name of the zipped text in that directory.
    pub data_name: String,
    /// The name of the JSON file beside it.
    pub manifest_name: String,
    /// The text, zipped.
    pub data: Vec<u8>,
    /// What the JSON file holds.
    pub manifest: String,
}

impl SpoolEntry {
    /// The entry of a scrape that was taken at `now_us` microseconds since 1970, by the receiver's clock.
    ///
    /// # Errors
    /// Names that lead out of the spool's directory.
    pub fn of(account: &str, instance: &str, scrape: &Scrape, now_us: i64) -> Result<SpoolEntry, Refusal> {
        if !check_instance(account) || account.contains('/') || !check_instance(instance) {
            return Err(Refusal::Instance);
        }
        let mut text = String::new();
        write_text(scrape, &mut text);
        Ok(SpoolEntry {
            directory: format!("{account}/{}/{now_us}", instance.replacen(':', "_", 1)),
            data_name: format!("{now_us}.data.gz"),
            manifest_name: format!("{now_us}.json"),
            data: gzip(text.as_bytes()),
            manifest: manifest(account, instance, scrape),
        })
    }
}

fn manifest(account: &str, instance: &str, scrape: &Scrape) -> String {
    let mut out = String::from("{\"account\":");
    quote(&mut out, account);
    out.push_str(",\"type\":\"prometheus\",\"iid\":");
    quote(&mut out, instance);
    out.push_str(",\"is_compressed\":true,\"kvs\":");
    list(&mut out, &common_labels(scrape), |out, (name, value)| {
        out.push_str("{\"key\":");
        quote(out, name);
        out.push_str(",\"value\":");
        quote(out, value);
        out.push('}');
    });
    // Writing into memory cannot fail.
    let _ = write!(out, ",\"dts\":{},\"olabels\":", scrape.time_ms);
    list(&mut out, &scrape.target_labels, |out, name| quote(out, name));
    out.push('}');
    out
}

/// A list; one without elements is null.
fn list<T>(out: &mut String, elements: &[T], mut write: impl FnMut(&mut String, &T)) {
    if elements.is_empty() {
        out.push_str("null");
        return;
    }
    for (i, element) in elements.iter().enumerate() {
        out.push(if i == 0 { '[' } else { ',' });
        write(out, element);
    }
    out.push(']');
}

/// A JSON string, with what means something in HTML escaped, as Go does.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1F' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing into memory cannot fail.
                let _ = write!(out, "\\u{:04x}", character as u32);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
