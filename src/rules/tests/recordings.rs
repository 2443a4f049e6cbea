//! What recording rules store.

use std::sync::atomic::Ordering;

use super::world::{World, group_of};
use crate::rules::Health;

#[test]
fn results_have_the_rules_name_and_labels() {
    let world = World::new("  rules:\n  - {record: sums, expr: 'sum by (a, b) (x)', labels: {b: new, c: d}}\n");
    world.write("x{a=\"1\",b=\"old\",e=\"f\"}", 0, 5.0);
    world.write("x{a=\"2\",b=\"old\"}", 0, 7.0);
    assert_eq!(world.group.rules()[0].state().health, Health::Unknown);
    world.evaluate(0);
    assert_eq!(world.samples("sums{a=\"1\",b=\"new\",c=\"d\"}"), ["0: 5"]);
    assert_eq!(world.memory.names("sums").len(), 2);
    let state = world.group.rules()[0].state();
    assert_eq!((state.health, state.last_error, state.evaluated_at_ms.is_some()), (Health::Good, None, true));
    let label = world.group.label();
    assert_eq!(world.telemetry.rule_group_last_evaluation_samples.get_or_create(&label).get(), 2);
}

#[test]
fn numbers_are_series_without_labels() {
    let world = World::new("  rules:\n  - {record: one, expr: '1 + 1'}\n  - {record: text, expr: '\"a\"'}\n");
    world.evaluate(60);
    assert_eq!(world.samples("one"), ["60: 2"]);
    assert_eq!(world.error(1).unwrap(), "rule result is not a vector or scalar");
}

#[test]
fn rules_see_what_those_before_them_made() {
    let world = World::new("  rules:\n  - {record: a, expr: x * 2}\n  - {record: b, expr: a + 1}\n");
    world.write("x", 0, 5.0);
    world.evaluate(0);
    assert_eq!(world.samples("b"), ["0: 11"]);
}

#[test]
fn series_that_go_are_ended_once() {
    let world = World::new("  rules:\n  - {record: r, expr: x}\n");
    world.write("x{i=\"1\"}", 0, 1.0);
    world.write("x{i=\"2\"}", 0, 2.0);
    world.evaluate(0);
    world.end("x{i=\"1\"}", 30);
    for secs in [60, 120, 180] {
        world.evaluate(secs);
    }
    assert_eq!(world.samples("r{i=\"1\"}"), ["0: 1", "60: stale"]);
    assert_eq!(world.samples("r{i=\"2\"}"), ["0: 2", "60: 2", "120: 2", "180: 2"]);
    world.write("x{i=\"1\"}", 200, 3.0);
    world.evaluate(240);
    assert_eq!(world.samples("r{i=\"1\"}"), ["0: 1", "60: stale", "240: 3"]);
}

/// A rule that stopped to make a series put its marker over the value that another rule of the group had made.
#[test]
fn a_series_that_moves_to_another_rule_is_not_ended() {
    let rules =
        "  rules:\n  - {record: r, expr: x == 1}\n  - {record: r, expr: x == 2}\n  - {record: r, expr: x == 3}\n";
    let world = World::new(rules);
    world.write("x", 0, 2.0);
    world.evaluate(0);
    world.write("x", 60, 1.0);
    world.evaluate(60);
    world.write("x", 120, 3.0);
    world.evaluate(120);
    assert_eq!(world.samples("r"), ["0: 2", "60: 1", "120: 3"]);
}

#[test]
fn results_beyond_the_limit_are_refused() {
    let world = World::new("  limit: 2\n  rules:\n  - {record: r, expr: x}\n");
    world.write("x{i=\"1\"}", 0, 1.0);
    world.write("x{i=\"2\"}", 0, 1.0);
    world.evaluate(0);
    assert_eq!(world.error(0), None);
    world.write("x{i=\"3\"}", 0, 1.0);
    world.evaluate(60);
    assert_eq!(world.error(0).unwrap(), "exceeded limit of 2 with 3 series");
    assert_eq!(world.samples("r{i=\"1\"}"), ["0: 1"], "neither a value nor an end");
    let label = world.group.label();
    assert_eq!(world.telemetry.rule_evaluation_failures.get_or_create(&label).get(), 1);
    assert_eq!(world.telemetry.rule_evaluations.get_or_create(&label).get(), 2);
}

#[test]
fn labels_that_make_two_series_one_are_refused() {
    let world = World::new("  rules:\n  - {record: r, expr: x, labels: {i: ''}}\n");
    world.write("x{i=\"1\"}", 0, 1.0);
    world.write("x{i=\"2\"}", 0, 1.0);
    world.evaluate(0);
    assert_eq!(world.error(0).unwrap(), "vector contains metrics with the same labelset after applying rule labels");
}

#[test]
fn an_offset_moves_question_and_answer() {
    let world = World::new("  query_offset: 1m\n  rules:\n  - {record: r, expr: x}\n");
    world.write("x", 0, 1.0);
    world.write("x", 60, 2.0);
    world.evaluate(60);
    assert_eq!(world.samples("r"), ["0: 1"]);
    world.end("x", 70);
    world.evaluate(180);
    assert_eq!(world.samples("r"), ["0: 1", "120: stale"]);
}

#[test]
fn what_cannot_be_stored_is_an_error_of_the_rule() {
    let world = World::new("  rules:\n  - {record: r, expr: x}\n  - {record: s, expr: x}\n");
    world.write("x", 0, 1.0);
    world.memory.is_broken.store(true, Ordering::Relaxed);
    world.evaluate(0);
    assert_eq!(world.error(0).unwrap(), "the disk is full");
    assert_eq!(world.group.rules()[0].state().health, Health::Bad);
    world.memory.is_broken.store(false, Ordering::Relaxed);
    *world.memory.refused_name.lock() = Some("r".to_owned());
    world.evaluate(60);
    assert_eq!(world.error(0).unwrap(), "too many series");
    assert_eq!(world.error(1), None);
    *world.memory.refused_name.lock() = None;
    world.evaluate(120);
    assert_eq!(world.error(0), None);
    assert_eq!(world.samples("r"), ["120: 1"]);
}

#[test]
fn a_group_that_ends_leaves_its_rules_as_they_are() {
    let world = World::new("  rules:\n  - {record: r, expr: x}\n");
    world.write("x", 0, 1.0);
    world.evaluate(0);
    world.group.stop();
    world.evaluate(60);
    assert_eq!(world.samples("r"), ["0: 1"]);
    assert_eq!(world.group.rules()[0].state().last_error, None);
    assert_eq!(world.group.leave().len(), 1, "its series wait for who follows");
    assert!(group_of("  rules: []\n").leave().is_empty());
}
