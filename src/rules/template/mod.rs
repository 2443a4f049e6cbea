//! Templates in labels and annotations of alerts: Go's `text/template` with Prometheus's functions.
//!
//! Invariant: a template that was made knows all its functions and variables, and expanding it ends: text, loops,
//! queries and answers are bounded.

mod functions;
mod go_time;
mod humanize;
mod links;
mod printing;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use gotmpl::TemplateError;
use parking_lot::Mutex;

use crate::model::Labels;
use crate::promql::Point;

pub use go_time::{Rfc3339Millis, go_scientific};
pub use links::table_link;

/// Bytes of a template's text.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Bytes that a template may expand to.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// Rounds of all loops of an expansion.
const ROUNDS_MAX: u64 = 100_000;
/// Queries of an expansion.
const QUERIES_MAX: usize = 100;

/// What a template makes its queries with.
pub trait Ask: Send + Sync {
    /// The series that a query finds at the time of the evaluation.
    fn ask(&self, query: &str) -> Result<Vec<(Labels, Point)>, String>;
}

/// What an expansion is about.
#[derive(Clone)]
pub struct Subject<'s> {
    /// The labels of the series, as the query found it.
    pub labels: &'s Labels,
    /// Its value.
    pub value: &'s Point,
    /// The labels that tell this store from others.
    pub external_labels: &'s Labels,
    /// Where this store is, for links.
    pub external_url: &'s str,
    /// When the rule is evaluated, in milliseconds since 1970.
    pub time_ms: i64,
    /// Answers queries.
    pub ask: Arc<dyn Ask>,
}

/// A template that is known to be good.
pub struct Template {
    name: String,
    text: String,
    /// None for a text without any action.
    tree: Option<gotmpl::Template>,
    moment: Arc<Moment>,
    /// Held while it is expanded: the functions find the subject in `moment`.
    busy: Mutex<()>,
}

/// What the functions of a template know of the expansion that is under way.
#[derive(Default)]
struct Moment(Mutex<Option<Now>>);

/// The expansion under way.
#[derive(Clone)]
struct Now {
    time_ms: i64,
    external_url: Arc<str>,
    ask: Arc<dyn Ask>,
    queries_left: usize,
}

impl Moment {
    fn now(&self) -> Result<Now, String> {
        self.0.lock().clone().ok_or_else(|| "no expansion is under way".to_owned())
    }

    /// Answers a query if there may be one more.
    fn ask(&self, query: &str) -> Result<Vec<(Labels, Point)>, String> {
        let ask = match self.0.lock().as_mut() {
            Some(now) if now.queries_left > 0 => {
                now.queries_left -= 1;
                Arc::clone(&now.ask)
            }
            _ => return Err(format!("more than {QUERIES_MAX} queries in one template")),
        };
        // Without the lock: a query takes its time.
        ask.ask(query)
    }
}

impl Template {
    /// A template of the alert with this name; the error is the whole line for the user.
    pub fn new(alert: &str, text: &str) -> Result<Template, String> {
        let name = format!("__alert_{alert}");
        let moment = Arc::new(Moment::default());
        let mut tree = None;
        if text.contains("{{") {
            if text.len() > TEXT_BYTES_MAX {
                return Err(format!("template: {name}: found {} bytes, expected at most {TEXT_BYTES_MAX}", text.len()));
            }
            let functions = functions::all(&moment);
            tree = Some(tree::read(&name, text, functions)?.max_range_iters(ROUNDS_MAX));
        }
        Ok(Template { name, text: text.to_owned(), tree, moment, busy: Mutex::new(()) })
    }

    /// The text for a subject.
    pub fn expand(&self, subject: &Subject<'_>) -> Result<String, String> {
        let Some(tree) = &self.tree else { return Ok(self.text.clone()) };
        let _busy = self.busy.lock();
        *self.moment.0.lock() = Some(Now {
            time_ms: subject.time_ms,
            external_url: subject.external_url.into(),
            ask: Arc::clone(&subject.ask),
            queries_left: QUERIES_MAX,
        });
        let mut output = Output(String::new());
        let expanded = tree.execute_template_fmt(&mut output, &self.name, &value::of_subject(subject));
        *self.moment.0.lock() = None;
        match expanded {
            Ok(()) => Ok(output.0),
            Err(TemplateError::Write) => Err(format!("template {}: more than {OUTPUT_BYTES_MAX} bytes", self.name)),
            Err(TemplateError::Exec(text)) => Err(format!("error executing template {}: {text}", self.name)),
            Err(error) => Err(format!("error executing template {}: {error}", self.name)),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}

/// A text that stays within its bounds.
struct Output(String);

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > OUTPUT_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
