//! The rule that a document names only tests that exist: `tests/….rs::name`, `src/….rs::name`, or a file alone.

use std::path::Path;

use crate::root;

/// What a text names in backticks that is no test and no file of this repository.
fn missing(text: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut missing = Vec::new();
    for (number, line) in text.lines().enumerate() {
        // Every second piece lies between backticks.
        for named in line.split('`').skip(1).step_by(2) {
            if named.starts_with("TODO-") {
                missing.push(format!("line {}: {named} is still to be named", number + 1));
            }
            // What follows a blank are options.
            let named = named.split(' ').next().unwrap_or_default();
            // A pattern stands for several files.
            if !["src/", "tests/", "fuzz/"].iter().any(|folder| named.starts_with(folder)) || named.contains('*') {
                continue;
            }
            let (path, name) = named.split_once("::").map_or((named, None), |(path, name)| (path, Some(name)));
            let found = read(path).is_some_and(|text| name.is_none_or(|name| holds_function(&text, name)));
            if !found {
                missing.push(format!("line {}: {named} does not exist", number + 1));
            }
        }
    }
    missing
}

fn holds_function(text: &str, name: &str) -> bool {
    text.match_indices(&format!("fn {name}")).any(|(at, found)| {
        let behind = text[at + found.len()..].chars().next();
        behind.is_some_and(|c| !c.is_alphanumeric() && c != '_')
    })
}

/// A file's text; a folder has an empty one.
fn read(root: &Path, path: &str) -> Option<String> {
    let path = root.join(path);
    if path.is_dir() {
        return Some(String::new());
    }
    // Golden files are no text.
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn the_tests_that_documents_name_exist() {
    let root = root();
    let text = std::fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    let missing = missing(&text, &|path| read(&root, path));
    assert!(missing.is_empty(), "docs/reliability.md:\n{}", missing.join("\n"));
    assert!(!text.contains("TODO"), "docs/reliability.md: something is still to be written");
    assert!(text.matches("::").count() > 80, "where have the tests gone?");
}

/// The other documents name files and tests, too.
#[test]
fn the_files_that_documents_name_exist() {
    let root = root();
    let mut complaints = Vec::new();
    for folder in ["", "docs", "docs/formats", "fuzz"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = std::fs::read_to_string(&path).unwrap();
                let missing = missing(&text, &|named| read(&root, named));
                complaints.extend(missing.into_iter().map(|missing| format!("{}: {missing}", path.display())));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_test_that_does_not_exist_is_caught() {
    let read = |path: &str| (path == "src/a.rs").then(|| "fn first() {}\nfn second_one(format: &str) {}\n".to_owned());
    let judge = |text: &str| missing(text, &read).len();
    assert_eq!(judge("`src/a.rs::first`, `src/a.rs::second_one`, `src/a.rs`, `src/a.rs --option`"), 0);
    assert_eq!(judge("`other/b.rs::x`, `.treering/adopted`, src/b.rs::x"), 0);
    assert_eq!(judge("`src/a.rs::first`; whole engine: `TODO-DAMAGE`"), 1);
    assert_eq!(judge("`src/b.rs::first`"), 1);
    assert_eq!(judge("`src/a.rs::third`"), 1);
    assert_eq!(judge("`src/a.rs::second`"), 1);
    assert_eq!(judge("`first` and `src/a.rs::first` and\n`tests/a.rs`"), 1);
}
