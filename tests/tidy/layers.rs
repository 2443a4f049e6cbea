//! The rule that imports go strictly downward.

use crate::source::{Source, words};
use crate::{caught, passed};

/// The layers from the bottom; a module imports from lower rows only (and from its own inside).
const LAYERS: &[&[&str]] = &[
    &["time", "disk", "telemetry", "allocator"],
    &["model"],
    &["block", "formats"],
    &["store"],
    &["engine"],
    &["query", "promql"],
    &["rules"],
    &["server"],
    &["config"],
    &["cli"],
];

/// Imports that the order of the layers would allow and the design does not.
const FORBIDDEN: &[(&str, &str)] =
    &[("query", "engine"), ("promql", "engine"), ("query", "formats"), ("promql", "formats")];

/// Siblings that may speak to each other: what is written nowhere else.
const ALLOWED: &[(&str, &str)] = &[];

/// Rule: imports go strictly downward, siblings never import each other, and neither do the folders of `formats`.
pub fn layers(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    // The binary and the crate's root see everything; the helpers of tests may, too.
    if module == ["main"] || module == ["lib"] || source.is_testing() {
        return Vec::new();
    }
    let layer = |name: &str| LAYERS.iter().position(|row| row.contains(&name));
    let own = module[0];
    let Some(own_layer) = layer(own) else {
        return vec![source.complain(0, format_args!("module {own:?} has no layer: give it one in {}", file!()))];
    };
    let mut complaints = Vec::new();
    for (line, found) in imports(source, &module) {
        let Some(other) = found.first() else { continue };
        if (source.only_tests || source.lines[line].in_tests) && other == "testing" {
            continue;
        }
        if other == own {
            let sibling_format = own == "formats" && module.len() > 1 && found.len() > 1 && found[1] != module[1];
            if sibling_format && is_format_folder(&found[1]) {
                let what =
                    format!("formats::{} imports formats::{}: formats don't know each other", module[1], found[1]);
                complaints.push(source.complain(line, what));
            }
            continue;
        }
        // A name that is no module: an item of the crate's root.
        let Some(other_layer) = layer(other) else {
            if other == "testing" {
                complaints.push(source.complain(line, "only tests import `testing`"));
            }
            continue;
        };
        let pair = (own, other.as_str());
        if (other_layer >= own_layer && !ALLOWED.contains(&pair)) || FORBIDDEN.contains(&pair) {
            complaints.push(source.complain(line, format_args!("{own} imports {other}: imports go strictly downward")));
        }
    }
    complaints
}

/// Whether a module of `formats` is a format, and not an item or a helper that all of them share.
fn is_format_folder(name: &str) -> bool {
    ["line", "push", "remote", "exposition", "otlp", "native", "ccms", "parquet", "zstats"].contains(&name)
}

/// Every path of this crate that a file names, as segments below the crate's root, with its line.
fn imports(source: &Source, module: &[&str]) -> Vec<(usize, Vec<String>)> {
    // One long text, so that a `use` over several lines is one path.
    let mut text = String::new();
    let mut starts = Vec::new();
    for line in &source.lines {
        starts.push(text.len());
        text.push_str(&line.code);
        text.push('\n');
    }
    let mut found = Vec::new();
    for (at, word) in words(&text) {
        let after = text[at + word.len()..].trim_start();
        if !after.starts_with("::") || text[..at].trim_end().ends_with("::") {
            continue;
        }
        let line = starts.partition_point(|start| *start <= at) - 1;
        let mut base: Vec<&str> = module.to_vec();
        let mut rest = after;
        match word {
            "crate" => base.clear(),
            "super" => {
                let mut steps = 1;
                while let Some(next) = rest.strip_prefix("::super") {
                    steps += 1;
                    rest = next;
                }
                // A nested `mod tests { … }` is one step further down than its file.
                let steps = if source.lines[line].in_tests { steps - 1 } else { steps };
                base.truncate(module.len().saturating_sub(steps));
            }
            _ => continue,
        }
        for tail in tails(rest) {
            found.push((line, base.iter().map(|part| (*part).to_owned()).chain(tail).collect()));
        }
    }
    found
}

/// Every path that begins here, as segments: `::a::b`, `::a::{b, c}`, `::{a::b, c}`.
fn tails(rest: &str) -> Vec<Vec<String>> {
    fn parse(text: &str) -> (Vec<Vec<String>>, &str) {
        let text = text.trim_start();
        if let Some(mut inner) = text.strip_prefix('{') {
            let mut all = Vec::new();
            loop {
                inner = inner.trim_start();
                if let Some(rest) = inner.strip_prefix('}') {
                    return (all, rest);
                }
                let (found, rest) = parse(inner);
                all.extend(found);
                // To the comma or the brace that ends this item, over `as name`.
                let rest = rest.trim_start_matches(|c: char| !matches!(c, ',' | '}'));
                match rest.strip_prefix(',') {
                    Some(rest) => inner = rest,
                    None if rest.is_empty() => return (all, rest),
                    None => inner = rest,
                }
            }
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        if let Some(next) = rest.trim_start().strip_prefix("::") {
            let (found, rest) = parse(next);
            let found = found.into_iter().map(|tail| std::iter::once(word.to_owned()).chain(tail).collect()).collect();
            return (found, rest);
        }
        (vec![vec![word.to_owned()]], rest)
    }
    match rest.trim_start().strip_prefix("::") {
        Some(rest) => parse(rest).0,
        None => Vec::new(),
    }
}

#[test]
fn upward_imports_are_caught() {
    caught(layers, "src/store/host.rs", "use crate::engine::Options;\n");
    caught(layers, "src/store/mod.rs", "use super::engine::Options;\n");
    caught(layers, "src/store/deep/host.rs", "use super::super::super::query::Answer;\n");
    caught(layers, "src/store/host.rs", "use crate::{\n    model::Sample,\n    server::{run, Options},\n};\n");
    caught(layers, "src/store/host.rs", "fn f() { crate::engine::open(); }\n");
    caught(layers, "src/block/mod.rs", "use crate::formats::native;\n");
    caught(layers, "src/formats/line/mod.rs", "use crate::block::Block;\n");
    caught(layers, "src/time.rs", "use crate::disk::Disk;\n");
    caught(layers, "src/query/mod.rs", "use crate::engine::Engine;\n");
    caught(layers, "src/formats/native/log.rs", "use crate::formats::ccms::Wal;\n");
    caught(layers, "src/formats/native/log.rs", "use super::super::ccms::Wal;\n");
    caught(layers, "src/store/host.rs", "use crate::testing::ManualClock;\n");
    caught(layers, "src/novelty/mod.rs", "use crate::time::Clock;\n");
}

#[test]
fn downward_imports_pass() {
    passed(
        layers,
        "src/engine/mod.rs",
        "use crate::store::Store;\nuse crate::formats::{ccms, native};\nuse super::disk;\n",
    );
    passed(layers, "src/engine/log/mod.rs", "use super::outcome::BadLine;\nuse super::super::time::Clock;\n");
    passed(layers, "src/store/host.rs", "// crate::engine::Engine\nconst TEXT: &str = \"crate::engine::Engine\";\n");
    passed(layers, "src/formats/native/log.rs", "use super::snapshot::Snapshot;\nuse crate::formats::native::crc;\n");
    passed(layers, "src/cli/mod.rs", "use crate::{config, engine, server};\n");
    passed(layers, "src/time.rs", "#[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::testing::Clock;\n}\n");
    passed(layers, "src/main.rs", "use treering::cli;\n");
}
