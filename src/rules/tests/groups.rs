//! What groups keep when their files change.

use super::world::{World, group_of};

#[test]
fn series_of_rules_that_are_no_more_are_ended() {
    let world =
        World::new("  rules:\n  - {record: a, expr: x}\n  - {record: b, expr: x}\n  - {record: b, expr: x * 2}\n");
    world.write("x", 0, 1.0);
    world.evaluate(0);
    let changed = group_of("  rules:\n  - {record: b, expr: x + 1}\n  - {record: c, expr: x}\n");
    changed.take_over(&world.group);
    assert!(!changed.is_same(&world.group) && changed.status().evaluated_at_ms.is_some());
    let world = World { group: changed, ..world };
    world.evaluate(60);
    assert_eq!(world.samples("a"), ["0: 1", "60: stale"]);
    assert_eq!(world.samples("b"), ["0: 2", "60: 2"], "the rule that stays makes the series");
    assert_eq!(world.samples("c"), ["60: 1"]);
    world.evaluate(120);
    assert_eq!(world.samples("a").len(), 2, "once is enough");
}

#[test]
fn groups_are_the_same_by_what_they_do() {
    let text = "  interval: 30s\n  rules:\n  - {record: a, expr: x}\n";
    assert!(group_of(text).is_same(&group_of(text)));
    for other in [
        "  interval: 31s\n  rules:\n  - {record: a, expr: x}\n",
        "  interval: 30s\n  limit: 1\n  rules:\n  - {record: a, expr: x}\n",
        "  interval: 30s\n  query_offset: 1s\n  rules:\n  - {record: a, expr: x}\n",
        "  interval: 30s\n  rules:\n  - {record: a, expr: y}\n",
        "  interval: 30s\n  labels: {a: b}\n  rules:\n  - {record: a, expr: x}\n",
        "  interval: 30s\n  rules: []\n",
    ] {
        assert!(!group_of(text).is_same(&group_of(other)), "{other}");
    }
}
