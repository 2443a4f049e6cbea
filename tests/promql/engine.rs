//! The evaluator under test, as the runner sees it.

use crate::answer::Answer;
use crate::memory::Memory;

/// What a query brings.
pub struct Outcome {
    pub answer: Answer,
    pub warnings: Vec<String>,
    pub infos: Vec<String>,
}

/// Evaluates at one time.
pub fn instant(memory: &Memory, query: &str, time_ms: i64) -> Result<Outcome, String> {
    let _ = (memory, query, time_ms);
    Err("no evaluator yet".to_owned())
}

/// Evaluates over steps; all in milliseconds.
pub fn range(memory: &Memory, query: &str, start_ms: i64, end_ms: i64, step_ms: i64) -> Result<Outcome, String> {
    let _ = (memory, query, start_ms, end_ms, step_ms);
    Err("no evaluator yet".to_owned())
}
