//! The rule that a link of a document leads somewhere: the file is there, and so is the heading behind the `#`.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::root;

/// The lines of a document that are no code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The targets of a line's links, `[…](target)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then(|| title.strip_prefix(' ')).flatten()
    });
    let mut anchors: Vec<String> = Vec::new();
    for heading in headings {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let slug: String = kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
        let taken = anchors.iter().filter(|other| **other == slug).count();
        anchors.push(slug.clone());
        if taken > 0 {
            anchors.push(format!("{slug}-{taken}"));
        }
    }
    anchors
}

/// `docs/../README.md` is `README.md`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// The links of a document that lead nowhere. `read` gives a file's text below the repository.
fn broken(path: &str, text: &str, read: &dyn Fn(&Path) -> Option<String>) -> Vec<String> {
    let mut broken = Vec::new();
    for (number, line) in prose(text) {
        for target in targets(line).filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let whole = match file {
                "" => Some(text.to_owned()),
                _ => read(&plain(&Path::new(path).parent().unwrap_or(Path::new("")).join(file))),
            };
            let leads =
                whole.is_some_and(|whole| anchor.is_none_or(|anchor| anchors(&whole).iter().any(|a| a == anchor)));
            if !leads {
                broken.push(format!("{path}:{}: {target} leads nowhere", number + 1));
            }
        }
    }
    broken
}

#[test]
fn links_of_documents_lead_somewhere() {
    let root = root();
    let read = |path: &Path| {
        let path = root.join(path);
        if path.is_dir() { Some(String::new()) } else { fs::read_to_string(path).ok() }
    };
    let (mut complaints, mut links) = (Vec::new(), 0);
    for folder in ["", "docs", "docs/formats", "fuzz"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                let text = fs::read_to_string(&path).unwrap();
                links += prose(&text).map(|(_, line)| targets(line).count()).sum::<usize>();
                complaints.extend(broken(name, &text, &read));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(links > 40, "where have the links gone?");
}

#[test]
fn a_link_that_leads_nowhere_is_caught() {
    let other = "# Own metrics\n## `free`, and more\n```sh\n# no heading\n```\n## Free\n## Free\n";
    let read = |path: &Path| (path == Path::new("docs/b.md")).then(|| other.to_owned());
    let judge = |text: &str| broken("docs/a.md", text, &read).len();
    assert_eq!(judge("[b](b.md) [c](../docs/b.md#own-metrics) [d](https://example.org/x)"), 0);
    assert_eq!(judge("[b](b.md#free-and-more), [b](b.md#free-1)"), 0);
    assert_eq!(judge("# Here\n[here](#here)\n```sh\n[x](nowhere.md)\n```"), 0);
    assert_eq!(judge("[b](c.md)"), 1);
    assert_eq!(judge("[b](b.md#no-heading)"), 1);
    assert_eq!(judge("[here](#here) and [b](../b.md)"), 2);
}
