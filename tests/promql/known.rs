//! What is known of the scripts: how many queries they hold, and which fail for what reason.
//!
//! One line a script: `name.test 123`. Below it, indented, one line for each query that is known to fail: its line in
//! the script and the reason.

use crate::run::Report;

/// A script of the list.
pub struct Known {
    name: String,
    total: usize,
    failures: Vec<usize>,
}

/// Reads the list.
pub fn parse(text: &str) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (first, second) = (words.next().unwrap(), words.next().unwrap_or_default());
        if line.starts_with(' ') {
            assert!(!second.is_empty(), "a known failure without a reason: {line}");
            known.last_mut().unwrap().failures.push(first.parse().unwrap());
        } else {
            let total = second.parse().unwrap();
            known.push(Known { name: first.to_owned(), total, failures: Vec::new() });
        }
    }
    known
}

/// What differs from the list, for better or for worse.
pub fn compare(known: &[Known], reports: &[(String, Report)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, report) in reports {
        let Some(known) = known.iter().find(|known| known.name == *name) else {
            complaints.push(format!("{name} is not in the list"));
            continue;
        };
        if known.total != report.total {
            complaints.push(format!("{name}: {} queries, not {}", report.total, known.total));
        }
        let failed: Vec<usize> = report.failures.iter().map(|(line, _)| *line).collect();
        for line in failed.iter().filter(|line| !known.failures.contains(line)) {
            complaints.push(format!("{name}:{line} fails"));
        }
        for line in known.failures.iter().filter(|line| !failed.contains(line)) {
            complaints.push(format!("{name}:{line} no longer fails: take it off the list"));
        }
    }
    for known in known.iter().filter(|known| !reports.iter().any(|(name, _)| *name == known.name)) {
        complaints.push(format!("{} is not there", known.name));
    }
    complaints
}
