//! Alerts through time: they wait, fire, are told, and end.

use std::sync::Arc;

use super::world::{BEGIN, World, group_of, labels, specs};
use crate::rules::AlertState;
use crate::rules::group::Group;

const DOWN: &str = "  rules:
  - alert: Down
    expr: up == 0
    for: 2m
    keep_firing_for: 3m
    labels: {severity: page, level: '{{ if eq $labels.instance \"a\" }}high{{ else }}low{{ end }}'}
    annotations: {summary: '{{ $labels.instance }} of {{ $externalLabels.site }}: {{ $value }}', empty: ''}
";

const A: &str = "{alertname=\"Down\", instance=\"a\", level=\"high\", severity=\"page\"}";

#[test]
fn alerts_wait_fire_stay_and_end() {
    let world = World::new(DOWN);
    assert_eq!(world.group.rules()[0].state().alert_state(), AlertState::Unknown);
    world.write("up{instance=\"a\"}", 0, 1.0);
    world.evaluate(0);
    assert_eq!(world.group.rules()[0].state().alert_state(), AlertState::Inactive);
    world.write("up{instance=\"a\"}", 30, 0.0);
    world.evaluate(60);
    assert_eq!(world.alerts(0), [format!("pending {A}")]);
    world.evaluate(120);
    assert_eq!(world.alerts(0), [format!("pending {A}")]);
    assert!(world.sent().is_empty(), "what waits is not told");
    world.evaluate(180);
    assert_eq!(world.alerts(0), [format!("firing {A}")]);
    assert_eq!(world.sent(), [("a".to_owned(), Some(180), Some(420))], "valid for four intervals");
    let alert = world.group.rules()[0].state().alerts.into_values().next().unwrap();
    assert_eq!(alert.annotations.to_string(), "{summary=\"a of erlangen: 0\"}");
    assert_eq!((alert.active_at_ms, alert.fired_at_ms), ((BEGIN + 60) * 1000, Some((BEGIN + 180) * 1000)));
    // The condition ends at 200 s: the alert fires on until 240 + 180.
    world.write("up{instance=\"a\"}", 200, 1.0);
    for secs in [240, 300, 360] {
        world.evaluate(secs);
        assert_eq!(world.alerts(0), [format!("firing {A}")]);
    }
    let alert = world.group.rules()[0].state().alerts.into_values().next().unwrap();
    assert_eq!(alert.keep_firing_since_ms, Some((BEGIN + 240) * 1000));
    world.sent();
    world.evaluate(420);
    assert_eq!(world.alerts(0), [format!("inactive {A}")]);
    assert_eq!(world.sent(), [("a".to_owned(), Some(180), Some(420))], "the end is told at once");
    assert_eq!(world.group.rules()[0].state().active_alerts().count(), 0);
    let name = "alertname=\"Down\",instance=\"a\",level=\"high\",severity=\"page\"";
    assert_eq!(world.samples(&format!("ALERTS{{alertstate=\"pending\",{name}}}")), ["60: 1", "120: 1", "180: stale"]);
    assert_eq!(
        world.samples(&format!("ALERTS{{alertstate=\"firing\",{name}}}")),
        ["180: 1", "240: 1", "300: 1", "360: 1", "420: stale"]
    );
    let since = (BEGIN + 60) as f64;
    let states = world.samples(&format!("ALERTS_FOR_STATE{{{name}}}"));
    assert_eq!(states.len(), 7);
    assert_eq!(states[0], format!("60: {since}"));
    assert_eq!(states[6], "420: stale");
}

#[test]
fn an_alert_that_waits_in_vain_is_forgotten() {
    let world = World::new(DOWN);
    world.write("up{instance=\"b\"}", 0, 0.0);
    world.evaluate(0);
    assert_eq!(world.alerts(0).len(), 1);
    world.write("up{instance=\"b\"}", 30, 1.0);
    world.evaluate(60);
    assert!(world.alerts(0).is_empty());
    world.write("up{instance=\"b\"}", 70, 0.0);
    world.evaluate(120);
    world.evaluate(180);
    assert!(world.alerts(0)[0].starts_with("pending"), "its time begins anew");
    assert!(world.sent().is_empty());
}

#[test]
fn alerts_are_told_again_and_ends_for_a_quarter_of_an_hour() {
    let world = World::new("  rules:\n  - {alert: Now, expr: up == 0}\n");
    world.write("up{instance=\"a\"}", 0, 0.0);
    world.evaluate(0);
    assert_eq!(world.sent(), [("a".to_owned(), Some(0), Some(240))], "without a wait it fires at once");
    world.evaluate(30);
    assert!(world.sent().is_empty());
    world.evaluate(60);
    assert!(world.sent().is_empty(), "after more than a minute");
    world.evaluate(61);
    assert_eq!(world.sent(), [("a".to_owned(), Some(0), Some(301))]);
    world.write("up{instance=\"a\"}", 62, 1.0);
    world.evaluate(90);
    assert_eq!(world.sent(), [("a".to_owned(), Some(0), Some(90))]);
    world.evaluate(160);
    assert_eq!(world.sent(), [("a".to_owned(), Some(0), Some(90))], "it may have been lost");
    world.evaluate(990);
    assert_eq!(world.alerts(0).len(), 1);
    world.evaluate(991);
    assert!(world.alerts(0).is_empty());
    // It comes again as a new alert.
    world.write("up{instance=\"a\"}", 1000, 0.0);
    world.evaluate(1020);
    world.sent();
    world.write("up{instance=\"a\"}", 1030, 1.0);
    world.evaluate(1080);
    world.write("up{instance=\"a\"}", 1090, 0.0);
    world.evaluate(1140);
    assert_eq!(world.sent().last().unwrap(), &("a".to_owned(), Some(1140), Some(1380)));
}

#[test]
fn alerts_beyond_the_limit_are_an_error() {
    let world = World::new("  limit: 1\n  rules:\n  - {alert: Many, expr: up == 0}\n");
    world.write("up{instance=\"a\"}", 0, 0.0);
    world.evaluate(0);
    assert_eq!(world.error(0), None);
    world.write("up{instance=\"b\"}", 0, 0.0);
    world.evaluate(60);
    assert_eq!(world.error(0).unwrap(), "exceeded limit of 1 with 2 alerts");
    assert!(world.alerts(0).is_empty());
}

#[test]
fn labels_that_make_two_alerts_one_are_an_error() {
    let world = World::new("  rules:\n  - {alert: Same, expr: up == 0, labels: {instance: all}}\n");
    world.write("up{instance=\"a\"}", 0, 0.0);
    world.write("up{instance=\"b\"}", 0, 0.0);
    world.evaluate(0);
    let expected = "vector contains metrics with the same labelset after applying alert labels";
    assert_eq!(world.error(0).unwrap(), expected);
}

#[test]
fn templates_ask_at_the_time_of_the_evaluation_and_tell_their_errors() {
    let world = World::new(
        "  rules:\n  - alert: Load\n    expr: load > 1\n    annotations:\n      \
         top: '{{ with query \"max(load)\" }}{{ . | first | value }}{{ end }} at {{ now }}'\n      \
         bad: '{{ query \"sum(\" }}'\n",
    );
    world.write("load{instance=\"a\"}", 0, 3.0);
    world.evaluate(60);
    let alert = world.group.rules()[0].state().alerts.into_values().next().unwrap();
    // 1770000060 as Go prints a float.
    assert_eq!(alert.annotations.get("top"), Some("3 at 1.77000006e+09"));
    let bad = alert.annotations.get("bad").unwrap();
    assert!(bad.starts_with("<error expanding template: error executing template __alert_Load: "), "{bad}");
    assert!(bad.contains("unclosed left parenthesis"), "{bad}");
}

/// A world that goes on where another one ended, restored `secs` after the begin.
fn after_a_restart(world: &World, rules: &str, evaluations: [i64; 2]) -> World {
    let text = format!("groups:\n- name: g\n{rules}");
    let restarted = World::with(Arc::clone(&world.memory), Group::new(specs(&text).remove(0), 60_000, 0, true));
    for secs in evaluations {
        restarted.write("up{instance=\"a\"}", secs, 0.0);
        restarted.evaluate(secs);
    }
    restarted.restore(evaluations[1]);
    restarted
}

const SLOW: &str = "  rules:\n  - {alert: Slow, expr: up == 0, for: 30m, labels: {l: '{{ $labels.instance }}'}}\n";

/// Evaluates each minute, the condition holding throughout.
fn minutes(world: &World, range: std::ops::RangeInclusive<i64>) {
    for minute in range {
        world.write("up{instance=\"a\"}", minute * 60, 0.0);
        world.evaluate(minute * 60);
    }
}

#[test]
fn alerts_go_on_after_a_restart() {
    let world = World::new(SLOW);
    minutes(&world, 0..=10);
    // Ten of thirty minutes have passed; twenty minutes of darkness do not count.
    let restarted = after_a_restart(&world, SLOW, [1740, 1800]);
    let name = "alertname=\"Slow\",instance=\"a\",l=\"a\"";
    let states = restarted.samples(&format!("ALERTS_FOR_STATE{{{name}}}"));
    assert_eq!(states.len(), 11, "before it is restored nothing is stored of it");
    minutes(&restarted, 31..=49);
    assert!(restarted.alerts(0)[0].starts_with("pending"));
    minutes(&restarted, 50..=50);
    assert!(restarted.alerts(0)[0].starts_with("firing"), "{:?}", restarted.alerts(0));
    let states = restarted.samples(&format!("ALERTS_FOR_STATE{{{name}}}"));
    assert_eq!(states[11], format!("1860: {}", BEGIN + 1200));
}

#[test]
fn an_alert_that_fired_fires_at_once_after_a_restart() {
    let world = World::new(SLOW);
    minutes(&world, 0..=35);
    let restarted = after_a_restart(&world, SLOW, [2700, 2760]);
    minutes(&restarted, 47..=47);
    assert!(restarted.alerts(0)[0].starts_with("firing"));
}

#[test]
fn what_had_ended_or_is_long_ago_begins_anew() {
    let world = World::new(SLOW);
    minutes(&world, 0..=35);
    world.write("up{instance=\"a\"}", 2110, 1.0);
    world.evaluate(2160);
    let restarted = after_a_restart(&world, SLOW, [2700, 2760]);
    minutes(&restarted, 47..=47);
    assert!(restarted.alerts(0)[0].starts_with("pending"), "its end was stored");

    let world = World::new(SLOW);
    minutes(&world, 0..=35);
    let restarted = after_a_restart(&world, SLOW, [9000, 9060]);
    minutes(&restarted, 152..=152);
    assert!(restarted.alerts(0)[0].starts_with("pending"), "an hour is the limit");
}

#[test]
fn short_alerts_are_not_restored() {
    let short = "  rules:\n  - {alert: Short, expr: up == 0, for: 5m}\n";
    let world = World::new(short);
    minutes(&world, 0..=4);
    let restarted = after_a_restart(&world, short, [360, 420]);
    minutes(&restarted, 8..=10);
    assert!(restarted.alerts(0)[0].starts_with("pending"));
    minutes(&restarted, 11..=11);
    assert!(restarted.alerts(0)[0].starts_with("firing"));
}

#[test]
fn a_reload_keeps_alerts_and_a_longer_wait_counts_for_them() {
    let world = World::new("  rules:\n  - {alert: X, expr: up == 0, for: 1m}\n");
    world.write("up{instance=\"a\"}", 0, 0.0);
    world.evaluate(0);
    world.evaluate(60);
    assert!(world.alerts(0)[0].starts_with("firing"));
    let longer = group_of("  rules:\n  - {alert: X, expr: up == 0, for: 3m}\n  - {alert: Y, expr: up == 0}\n");
    longer.take_over(&world.group);
    let world = World { group: longer, ..world };
    assert!(world.alerts(0)[0].starts_with("firing"));
    world.evaluate(120);
    assert!(world.alerts(0)[0].starts_with("pending"));
    assert_eq!(world.samples("ALERTS{alertname=\"X\",alertstate=\"firing\",instance=\"a\"}"), ["60: 1", "120: stale"]);
    world.evaluate(180);
    assert!(world.alerts(0)[0].starts_with("firing"));
    assert_eq!(labels("ALERTS{a=\"b\"}").metric_name(), "ALERTS");
}
