//! The original's configuration: one JSON object of numbers and texts, with comments from `#` to the line's end.

use serde_json::{Map, Value};

/// The settings, all of which have to be there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Original {
    pub enabled: i64,
    pub https_enabled: i64,
    pub http_port: i64,
    pub stingest_host: String,
    pub stingest_port: i64,
    pub stingest_timeout_secs: i64,
    pub reqs_max: i64,
    pub reqs_dir: String,
    pub serializer_depth: i64,
    pub drop_after_secs: i64,
    pub drop_after_secs_high: i64,
    pub entries_high: i64,
    pub entries_low: i64,
    pub notifies: i64,
    pub stingests: i64,
    /// Keys that the original does not look at.
    pub unknown: Vec<String>,
}

impl Original {
    /// Reads a config as the original does: a `#` inside a text begins a comment, too.
    ///
    /// # Errors
    /// No JSON object, and settings that are missing or of another type: all of them.
    pub(super) fn read(text: &str) -> Result<Original, Vec<String>> {
        // Lines stay what they are, so that the reader's error names the right one.
        let plain: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
        let is_open = |line: &&str| line.replace("\\\\", "").replace("\\\"", "").matches('"').count() % 2 == 1;
        if let Some(at) = plain.iter().position(is_open) {
            return Err(vec![format!(
                "line {}: found a text that has no end; \"#\" begins a comment even in a text",
                at + 1
            )]);
        }
        let members: Map<String, Value> = serde_json::from_str(&plain.join("\n"))
            .map_err(|error| vec![format!("no JSON object with \"stats.http_port\" and so on: {error}")])?;
        let mut settings = Settings { members, problems: Vec::new() };
        let original = Original {
            enabled: settings.number("stats.enabled"),
            https_enabled: settings.number("stats.https_enabled"),
            http_port: settings.number("stats.http_port"),
            stingest_host: settings.text("stats.stingest_host"),
            stingest_port: settings.number("stats.stingest_port"),
            stingest_timeout_secs: settings.number("stats.stingest_timeout"),
            reqs_max: settings.number("stats.reqs_max"),
            reqs_dir: settings.text("stats.reqs_dir"),
            serializer_depth: settings.number("stats.serializer_qd"),
            drop_after_secs: settings.number("zvcacher.drop_after_secs_lw"),
            drop_after_secs_high: settings.number("zvcacher.drop_after_secs_hw"),
            entries_high: settings.number("zvcacher.cache_entries_high_wmark"),
            entries_low: settings.number("zvcacher.cache_entries_low_wmark"),
            notifies: settings.number("bridger.notify_stingest"),
            stingests: settings.number("bridger.stingests_qd"),
            unknown: {
                // Without an effect on what a server does.
                settings.number("stats.keep_tmp_files");
                settings.number("zvcacher.cache_bkts");
                settings.members.keys().cloned().collect()
            },
        };
        if settings.problems.is_empty() { Ok(original) } else { Err(settings.problems) }
    }
}

/// What is not looked at yet, and what is wrong with the rest.
struct Settings {
    members: Map<String, Value>,
    problems: Vec<String>,
}

impl Settings {
    /// A number; what stands behind its point is cut off.
    fn number(&mut self, key: &str) -> i64 {
        match self.members.remove(key) {
            Some(Value::Number(number)) => number.as_f64().unwrap_or_default() as i64,
            found => {
                self.wrong(key, found.as_ref(), "a number");
                0
            }
        }
    }

    fn text(&mut self, key: &str) -> String {
        match self.members.remove(key) {
            Some(Value::String(text)) => text,
            found => {
                self.wrong(key, found.as_ref(), "a text");
                String::new()
            }
        }
    }

    fn wrong(&mut self, key: &str, found: Option<&Value>, expected: &str) {
        let found = found.map_or("nothing".to_owned(), Value::to_string);
        self.problems.push(format!("{key}: found {found}, expected {expected}"));
    }
}
