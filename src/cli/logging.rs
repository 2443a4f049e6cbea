//! The log: one event a line on standard error, with the syslog prefixes that cc-metric-store writes.
//!
//! Invariant: an event is one line. Names in samples come from outside and end up in messages; a newline in one must
//! not start a line that looks like an event of its own, nor may control characters reach a terminal.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::time::{SharedClock, SystemClock, civil};

use super::arguments::LogLevel;
use super::text::push_escaped;

/// The target of events that end the program: `error!(target: CRITICAL, …)` logs at the level `crit`, for which
/// tracing has no name.
pub const CRITICAL: &str = "critical";

/// Starts the log of the process. A second call does nothing.
pub(super) fn start(level: LogLevel, with_date: bool) {
    let _ = subscriber(level, with_date, std::sync::Arc::new(SystemClock), std::io::stderr).try_init();
}

fn subscriber<W>(level: LogLevel, with_date: bool, clock: SharedClock, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let format = SyslogLines { clock: with_date.then_some(clock) };
    let lines = tracing_subscriber::fmt::layer().event_format(format).with_ansi(false).with_writer(writer);
    tracing_subscriber::registry().with(filter(level)).with(lines)
}

/// Our own events at the level asked for; of libraries, only what is also a warning, except for `debug`, which shows
/// their normal run too.
fn filter(level: LogLevel) -> Targets {
    // The NATS client calls each failed attempt to connect an error; `server::nats` logs them, at a bearable rate.
    let nats = if level == LogLevel::Debug { LevelFilter::INFO } else { LevelFilter::OFF };
    let (ours, theirs) = match level {
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Err => (LevelFilter::ERROR, LevelFilter::ERROR),
        LogLevel::Crit => (LevelFilter::OFF, LevelFilter::OFF),
    };
    Targets::new()
        .with_default(theirs)
        .with_target("treering", ours)
        .with_target("async_nats", nats)
        .with_target(CRITICAL, LevelFilter::ERROR)
}

/// `<4>[WARNING]  message name=value`, with the date before the message when there is a clock.
struct SyslogLines {
    clock: Option<SharedClock>,
}

impl<S, N> FormatEvent<S, N> for SyslogLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str(match *metadata.level() {
            Level::ERROR if metadata.target() == CRITICAL => "<2>[CRITICAL] ",
            Level::ERROR => "<3>[ERROR]    ",
            Level::WARN => "<4>[WARNING]  ",
            Level::INFO => "<6>[INFO]     ",
            Level::DEBUG | Level::TRACE => "<7>[DEBUG]    ",
        })?;
        if let Some(clock) = &self.clock {
            write_date(&mut writer, clock.now_secs())?;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        writeln!(writer, "{}{}", fields.message, fields.others)
    }
}

/// The message and the other fields of an event, without control characters.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            push_escaped(&mut self.message, value);
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            push_escaped(&mut self.message, &text);
        } else {
            // Writing into a String cannot fail.
            let _ = write!(self.others, " {}=", field.name());
            push_escaped(&mut self.others, &text);
        }
    }
}

/// `2026/11/21 16:13:39Z `: the shape of Go's log, in UTC.
fn write_date(writer: &mut Writer<'_>, secs: i64) -> fmt::Result {
    let (year, month, day) = civil(secs.div_euclid(86_400));
    let second = secs.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(writer, "{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}Z ")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::time::Clock;

    struct Fixed;

    impl Clock for Fixed {
        fn now_millis(&self) -> i64 {
            1_795_277_619_000
        }
    }

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LogLevel, with_date: bool, events: impl FnOnce()) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = subscriber(level, with_date, Arc::new(Fixed), move || writer.clone());
        tracing::subscriber::with_default(subscriber, events);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn every_level() {
        tracing::debug!("d");
        tracing::info!(hosts = 3, name = "x", "i");
        tracing::warn!("w {}", 1);
        tracing::error!("e");
        tracing::error!(target: CRITICAL, "c");
    }

    #[test]
    fn levels_have_syslog_prefixes_and_thresholds() {
        let all = "<7>[DEBUG]    d\n<6>[INFO]     i hosts=3 name=\"x\"\n<4>[WARNING]  w 1\n<3>[ERROR]    e\n<2>[CRITICAL] c\n";
        let lines: Vec<&str> = all.split_inclusive('\n').collect();
        let levels = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Err, LogLevel::Crit];
        for (hidden, level) in levels.into_iter().enumerate() {
            assert_eq!(logged(level, false, every_level), lines[hidden..].concat(), "{level:?}");
        }
    }

    #[test]
    fn dates_stand_before_the_message() {
        assert_eq!(logged(LogLevel::Warn, true, || tracing::warn!("w")), "<4>[WARNING]  2026/11/21 16:13:39Z w\n");
    }

    #[test]
    fn an_event_is_one_line() {
        // A host named so in a sample would otherwise forge an event, or colour a terminal.
        let evil = "a\n<2>[CRITICAL] forged \u{1b}[31m";
        let text = logged(LogLevel::Warn, false, || tracing::warn!(host = evil, other = %evil, "{evil}"));
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
