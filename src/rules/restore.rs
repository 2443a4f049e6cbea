//! What alerts were before a restart, from the series that tell since when they were active.
//!
//! Time without an evaluation does not count: an alert that had waited three of its five minutes waits two more, and
//! at least the grace period, so that nothing fires before its receiver and its data are back.

use std::collections::HashMap;

use super::alerting::{ALERT_NAME, ALERTS_FOR_STATE};
use super::environment::Environment;
use super::file::RuleKind;
use super::group::Group;
use super::query::{Deadline, LastSample};
use super::rule::Rule;
use crate::model::{Labels, METRIC_NAME, Matcher, is_stale};

/// Restores the alerts of a group at a time. From now on they are stored.
pub(super) fn restore(group: &Group, environment: &Environment, now_ms: i64) {
    for rule in group.rules.iter().filter(|rule| rule.spec.kind == RuleKind::Alerting) {
        // An alert that waits less than the grace period would wait longer for being restored.
        if rule.spec.hold_ms >= environment.grace_ms {
            let deadline = environment.querier.deadline(group.stopping());
            if let Err(error) = restore_rule(rule, environment, now_ms, &deadline) {
                let (file, name) = (&group.spec.file, &rule.spec.name);
                tracing::warn!("{file}: alert {name:?} begins anew, its state before the start is unknown: {error}");
            }
        }
        rule.state_mut().is_restored = true;
    }
}

fn restore_rule(rule: &Rule, environment: &Environment, now_ms: i64, deadline: &Deadline) -> Result<(), String> {
    let mut matchers = vec![Matcher::equal(METRIC_NAME, ALERTS_FOR_STATE)];
    // Templates stand for something else at each alert.
    let fixed = rule.spec.labels.iter().filter(|(name, value)| !value.contains("{{") && &***name != ALERT_NAME);
    matchers.extend(fixed.map(|(name, value)| Matcher::equal(&**name, &**value)));
    matchers.push(Matcher::equal(ALERT_NAME, rule.spec.name.as_str()));
    let start_ms = now_ms - environment.outage_tolerance_ms;
    let found = environment.querier.last_samples(&matchers, start_ms, now_ms, deadline);
    let found: HashMap<Labels, LastSample> = found
        .map_err(|error| error.to_string())?
        .into_iter()
        .map(|(labels, last)| (labels.filter(|label| &*label.name != METRIC_NAME), last))
        .collect();
    for alert in rule.state_mut().alerts.values_mut() {
        if let Some(&last) = found.get(&alert.labels)
            && let Some(active_at_ms) = active_at(last, rule.spec.hold_ms, environment.grace_ms, now_ms)
        {
            alert.active_at_ms = active_at_ms;
        }
    }
    Ok(())
}

/// Since when an alert counts as active, by the last that was stored of it; none if it had ended.
fn active_at((down_ms, value): LastSample, hold_ms: i64, grace_ms: i64, now_ms: i64) -> Option<i64> {
    if is_stale(value) || !value.is_finite() {
        return None;
    }
    // Casts of floats saturate, and so does the product.
    let stored_ms = (value as i64).saturating_mul(1000);
    let remaining_ms = hold_ms.saturating_sub(down_ms.saturating_sub(stored_ms));
    Some(if remaining_ms <= 0 {
        // It fired, and fires at the next evaluation if its condition holds still.
        stored_ms
    } else if remaining_ms < grace_ms {
        now_ms + grace_ms - hold_ms
    } else {
        stored_ms.saturating_add(now_ms - down_ms)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::STALE;

    #[test]
    fn time_without_evaluations_does_not_count() {
        const MINUTE: i64 = 60_000;
        let now_ms = 1000 * MINUTE;
        // Active since minute 900, waits 30 minutes, the grace period is 10.
        let since =
            |down_minute: i64| active_at((down_minute * MINUTE, 900.0 * 60.0), 30 * MINUTE, 10 * MINUTE, now_ms);
        assert_eq!(since(931), Some(900 * MINUTE), "it fired");
        assert_eq!(since(930), Some(900 * MINUTE));
        assert_eq!(since(925), Some(980 * MINUTE), "five minutes were left: it fires after the grace period");
        assert_eq!(since(910), Some(990 * MINUTE), "twenty minutes were left: they are left now");
        assert_eq!(active_at((925 * MINUTE, STALE), 30 * MINUTE, 10 * MINUTE, now_ms), None);
        assert_eq!(active_at((0, f64::INFINITY), 1, 1, 1), None);
        assert!(active_at((i64::MAX, f64::MIN), 1, 1, 1).is_some());
    }
}
