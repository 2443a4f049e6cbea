//! The state of nodes: which of the expected metrics a node sends, and which it sends no more. Pure.
//!
//! A metric is degraded when any of its series in the node ends too long ago, healthy when it has series and none is
//! stale, missing when it has none or isn't configured.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::Serialize;

use crate::store::{LevelSummary, RunSummary};

/// A series is stale when its last slot ended more than this many slots ago.
const MISSING_SLOTS_MAX: i64 = 5;

/// The state of a node as `/api/healthcheck` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NodeHealth {
    state: State,
    /// JSON inside a string, for that is what clients parse; empty for an unknown node.
    health_metrics: String,
}

/// How well a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Every expected metric is healthy.
    Full,
    /// Some are.
    Partial,
    /// None is, or nobody knows the node.
    Failed,
}

/// Judges a node (`None`: there is none of that name) at a time in seconds.
pub(super) fn judge(
    node: Option<&LevelSummary>,
    expected: &[String],
    is_configured: impl Fn(&str) -> bool,
    now_secs: i64,
) -> NodeHealth {
    let Some(node) = node else {
        return NodeHealth { state: State::Failed, health_metrics: String::new() };
    };
    let mut stale = expected.iter().map(|name| (name.as_str(), None)).collect();
    collect(node, &mut stale, now_secs);
    let (mut degraded, mut missing) = (Vec::new(), Vec::new());
    for name in expected {
        match stale.get(name.as_str()).copied().flatten().filter(|_| is_configured(name)) {
            Some(false) => {}
            Some(true) => degraded.push(name.as_str()),
            None => missing.push(name.as_str()),
        }
    }
    let state = match degraded.len() + missing.len() {
        0 => State::Full,
        bad if bad == expected.len() => State::Failed,
        _ => State::Partial,
    };
    let lists = BTreeMap::from([("degraded", degraded), ("missing", missing)]);
    // Lists of strings always have a JSON form.
    NodeHealth { state, health_metrics: serde_json::to_string(&lists).unwrap_or_default() }
}

/// Notes for each expected metric whether one of its series below `level` is stale.
fn collect(level: &LevelSummary, stale: &mut HashMap<&str, Option<bool>>, now_secs: i64) {
    for (name, runs) in &level.metrics {
        if let (Some(known), Some(is_stale)) = (stale.get_mut(&**name), is_stale(runs, now_secs)) {
            *known = Some(known.unwrap_or(false) || is_stale);
        }
    }
    for (_, child) in &level.children {
        collect(child, stale, now_secs);
    }
}

/// Whether the newest run of a series ended too long ago; `None` when it has no run.
fn is_stale(runs: &[RunSummary], now_secs: i64) -> Option<bool> {
    let ends = runs.iter().filter(|run| run.len > 0).map(|run| {
        let frequency = i64::from(run.frequency_secs);
        (run.start_secs.saturating_add(frequency * i64::from(run.len)), frequency)
    });
    ends.max().map(|(end, frequency)| now_secs.saturating_sub(end) > MISSING_SLOTS_MAX * frequency)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn series(name: &str, ends_ago_secs: i64) -> (Box<str>, Vec<RunSummary>) {
        let run =
            |ends_ago| RunSummary { frequency_secs: 60, start_secs: NOW - ends_ago - 10 * 60, len: 10, sealed: false };
        (name.into(), vec![run(ends_ago_secs + 90_000), run(ends_ago_secs)])
    }

    fn level(metrics: &[(&str, i64)], children: &[(&str, LevelSummary)]) -> LevelSummary {
        LevelSummary {
            metrics: metrics.iter().map(|(name, ago)| series(name, *ago)).collect(),
            children: children.iter().map(|(name, child)| ((*name).into(), child.clone())).collect(),
        }
    }

    fn state(node: Option<&LevelSummary>, expected: &[&str]) -> (State, String) {
        let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        let health = judge(node, &expected, |name| name != "unconfigured", NOW);
        (health.state, health.health_metrics)
    }

    #[test]
    fn full_partial_and_failed() {
        let node = level(&[("load", 0), ("mem", 4000), ("unconfigured", 0)], &[]);
        let lists = |degraded: &str, missing: &str| format!(r#"{{"degraded":[{degraded}],"missing":[{missing}]}}"#);
        assert_eq!(state(Some(&node), &["load"]), (State::Full, lists("", "")));
        assert_eq!(state(Some(&node), &[]), (State::Full, lists("", "")));
        assert_eq!(state(Some(&node), &["load", "mem"]), (State::Partial, lists(r#""mem""#, "")));
        assert_eq!(state(Some(&node), &["load", "none"]), (State::Partial, lists("", r#""none""#)));
        assert_eq!(state(Some(&node), &["mem", "none"]), (State::Failed, lists(r#""mem""#, r#""none""#)));
        assert_eq!(state(Some(&node), &["unconfigured"]), (State::Failed, lists("", r#""unconfigured""#)));
        assert_eq!(state(None, &["load"]), (State::Failed, String::new()));
    }

    #[test]
    fn one_stale_series_degrades_the_metric() {
        let node = level(
            &[],
            &[
                ("core0", level(&[("ipc", 10)], &[])),
                ("core1", level(&[("ipc", 500)], &[])),
                ("core2", level(&[("ipc", 0)], &[])),
            ],
        );
        assert_eq!(state(Some(&node), &["ipc"]).0, State::Failed);
    }

    #[test]
    fn five_slots_may_be_missing() {
        assert_eq!(state(Some(&level(&[("load", 300)], &[])), &["load"]).0, State::Full);
        assert_eq!(state(Some(&level(&[("load", 301)], &[])), &["load"]).0, State::Failed);
        assert_eq!(state(Some(&level(&[("load", -600)], &[])), &["load"]).0, State::Full);
    }

    #[test]
    fn the_answer_has_the_known_names() {
        let health = judge(Some(&level(&[("load", 0)], &[])), &["load".to_owned()], |_| true, NOW);
        let json = serde_json::to_string(&health).unwrap();
        assert_eq!(json, r#"{"State":"full","HealthMetrics":"{\"degraded\":[],\"missing\":[]}"}"#);
    }
}
