//! The rules for single files, and the one for files that nobody reaches.

use std::collections::BTreeMap;

use crate::source::{Source, words};
use crate::{caught, passed};

/// Lines that a file may have.
const LINES_MAX: usize = 600;
/// Characters that a line may have.
const WIDTH_MAX: usize = 120;

/// Rule: a file opens with what it owns.
pub fn header(source: &Source) -> Vec<String> {
    match source.text.strip_prefix("//! ") {
        Some(_) => Vec::new(),
        None => vec![source.complain(0, "no `//!` header that says what the file owns")],
    }
}

/// Rule: no `unwrap()` or `expect(` outside of tests without a comment, on that line or the one before, that proves it.
pub fn unproved_unwraps(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for (i, line) in source.lines.iter().enumerate() {
        let code = line.code.replace(' ', "");
        // A parser may have an `expect` of its own; Option's and Result's take a text.
        let unwraps = [".unwrap()", ".unwrap_err()", ".expect(\"", ".expect(&", ".expect_err("];
        if line.in_tests || !unwraps.iter().any(|call| code.contains(call)) {
            continue;
        }
        let proves = |comment: &str| comment.starts_with("// ") && comment.len() > "// SAFETY".len();
        // The lines of one chain belong together: the proof may stand above its first line.
        let mut above = i;
        while above > 0 && source.lines[above].code.trim_start().starts_with('.') {
            above -= 1;
        }
        let proof = proves(&line.comment)
            || (i > 0 && proves(&source.lines[i - 1].comment))
            || (above > 0 && above < i && proves(&source.lines[above - 1].comment))
            || (above < i && proves(&source.lines[above].comment));
        if !proof {
            complaints.push(source.complain(i, "unwrap or expect without a comment that proves it cannot fail"));
        }
    }
    complaints
}

/// Rule: what belongs to work in progress, and prints that bypass the log.
pub fn banned_calls(source: &Source) -> Vec<String> {
    let mut banned = vec!["todo!", "unimplemented!", "dbg!"];
    let talks = ["src/cli/", "src/main.rs"].iter().any(|talker| source.path.starts_with(talker)) || source.is_test();
    if !talks {
        banned.extend(["println!", "eprintln!", "print!", "eprint!"]);
    }
    let mut complaints = Vec::new();
    for (i, line) in source.lines.iter().enumerate() {
        for (at, word) in words(&line.code) {
            let call = format!("{word}!");
            if banned.contains(&call.as_str()) && line.code[at + word.len()..].starts_with('!') {
                complaints.push(source.complain(i, format_args!("{call} has no place here")));
            }
        }
    }
    complaints
}

/// Rule: a file that is longer than this owns more than one thing.
pub fn length(source: &Source) -> Vec<String> {
    if source.lines.len() > LINES_MAX {
        return vec![source.complain(LINES_MAX, format_args!("{} lines, at most {LINES_MAX}", source.lines.len()))];
    }
    Vec::new()
}

/// Rule: no tabs, no blanks at the end, no endless lines, one line end at the end.
pub fn typography(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (i, line) in source.text.split('\n').enumerate() {
        if line.contains('\t') {
            complaints.push(source.complain(i, "a tab"));
        }
        if line.ends_with([' ', '\r']) {
            complaints.push(source.complain(i, "blanks at the end"));
        }
        let width = line.chars().count();
        // What rustfmt can't break: a string, or the head of a property test.
        let is_breakable = !line.contains('"') && !line.contains(" in any::<");
        if width > WIDTH_MAX && is_breakable {
            complaints.push(source.complain(i, format_args!("{width} characters, at most {WIDTH_MAX}")));
        }
    }
    if !source.text.ends_with('\n') || source.text.ends_with("\n\n") {
        complaints.push(source.complain(source.lines.len().saturating_sub(1), "the file must end with one line end"));
    }
    complaints
}

/// Rule: no path that exists on one machine only.
pub fn machine_paths(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (i, line) in source.text.lines().enumerate() {
        // Put together here, so that this file passes its own rule.
        for root in ["home", "work", "root", "Users", "mnt"] {
            let path = format!("/{root}/");
            let found = line.match_indices(&path).any(|(at, _)| {
                // What goes on before the slash is a longer path, relative or a URL.
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.}/*".contains(c))
            });
            if found {
                complaints.push(source.complain(i, format_args!("{path}… exists on one machine only")));
            }
        }
    }
    complaints
}

/// Rule: every file below `src` is reached by a `mod` line from the crate's roots.
pub fn dead_files(sources: &[Source]) -> Vec<String> {
    let alive = reached(sources);
    let ours = sources.iter().filter(|source| source.path.starts_with("src/"));
    ours.filter(|source| !alive.contains_key(&source.path))
        .map(|source| source.complain(0, "no `mod` leads here"))
        .collect()
}

/// Tells every file that only tests reach so.
pub fn mark_test_files(sources: &mut [Source]) {
    let alive = reached(sources);
    for source in sources {
        source.only_tests |= alive.get(&source.path) == Some(&true);
    }
}

/// The files that `mod` lines lead to from the crate's roots, and whether all of these lines belong to tests.
fn reached(sources: &[Source]) -> BTreeMap<String, bool> {
    let mut alive: BTreeMap<String, bool> = BTreeMap::new();
    let mut open = vec![("src/lib.rs".to_owned(), false), ("src/main.rs".to_owned(), false)];
    while let Some((path, in_tests)) = open.pop() {
        let Some(source) = sources.iter().find(|source| source.path == path) else { continue };
        if alive.get(&path).is_some_and(|known| !known || in_tests) {
            continue;
        }
        alive.insert(path.clone(), in_tests);
        let (folder, name) = path.rsplit_once('/').unwrap();
        let stem = name.trim_end_matches(".rs");
        let folder =
            if ["mod", "lib", "main"].contains(&stem) { folder.to_owned() } else { format!("{folder}/{stem}") };
        for line in &source.lines {
            let words: Vec<&str> = line.code.split_whitespace().collect();
            if let [.., "mod", name] = words[..]
                && let Some(name) = name.strip_suffix(';')
            {
                for file in [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")] {
                    open.push((file, in_tests || line.in_tests));
                }
            }
        }
    }
    alive
}

#[test]
fn missing_headers_are_caught() {
    caught(header, "src/a.rs", "use std::fs;\n");
    caught(header, "src/a.rs", "// no header\n");
    caught(header, "src/a.rs", "\n//! Too late.\n");
    passed(header, "src/a.rs", "//! Owns a.\n");
}

#[test]
fn unproved_unwraps_are_caught() {
    caught(unproved_unwraps, "src/a.rs", "fn f() { g().unwrap(); }\n");
    caught(unproved_unwraps, "src/a.rs", "fn f() { g().expect(\"cannot fail\"); }\n");
    caught(unproved_unwraps, "src/a.rs", "// About f.\n\nfn f() {\n    g().unwrap();\n}\n");
    caught(unproved_unwraps, "src/a.rs", "/// Documentation is no proof of anything.\nfn f() { g().unwrap(); }\n");
    caught(unproved_unwraps, "src/a.rs", "#[cfg(test)]\nmod tests {}\nfn f() { g().unwrap(); }\n");
    caught(unproved_unwraps, "src/a.rs", "const A: &str = \"// proof\"; fn f() { g().unwrap(); }\n");
    passed(unproved_unwraps, "src/a.rs", "// The slice has four bytes: it was cut so above.\nlet a = b.unwrap();\n");
    passed(unproved_unwraps, "src/a.rs", "let a = b.unwrap(); // b was checked two lines above\n");
    passed(
        unproved_unwraps,
        "src/a.rs",
        "// Never empty: the constructor refuses it.\nlet a = b\n    .last()\n    .unwrap();\n",
    );
    passed(unproved_unwraps, "src/a.rs", "#[cfg(test)]\nmod tests {\n    fn f() {\n        g().unwrap();\n    }\n}\n");
    passed(unproved_unwraps, "src/a.rs", "let a = b.unwrap_or_default();\nlet c = \".unwrap()\";\n");
    passed(unproved_unwraps, "src/a.rs", "lexer.expect(b'[')?;\n");
    passed(unproved_unwraps, "tests/e2e/a.rs", "let a = b.unwrap();\n");
}

#[test]
fn banned_calls_are_caught() {
    for call in ["todo!()", "unimplemented!()", "dbg!(x)", "println!(\"x\")", "eprintln!(\"x\")"] {
        caught(banned_calls, "src/store/a.rs", &format!("fn f() {{ {call}; }}\n"));
    }
    caught(banned_calls, "src/cli/a.rs", "fn f() { todo!() }\n");
    passed(banned_calls, "src/cli/a.rs", "fn f() { println!(\"x\") }\n");
    passed(
        banned_calls,
        "src/store/a.rs",
        "// todo!() is banned\nconst A: &str = \"println!\";\nfn f() { writeln!(a); }\n",
    );
}

#[test]
fn long_files_are_caught() {
    caught(length, "src/a.rs", &"// line\n".repeat(LINES_MAX + 1));
    passed(length, "src/a.rs", &"// line\n".repeat(LINES_MAX));
}

#[test]
fn bad_typography_is_caught() {
    caught(typography, "src/a.rs", "\tlet a;\n");
    caught(typography, "src/a.rs", "let a; \n");
    caught(typography, "src/a.rs", "let a;\r\n");
    caught(typography, "src/a.rs", &format!("{}\n", "ä".repeat(WIDTH_MAX + 1)));
    caught(typography, "src/a.rs", "let a;");
    caught(typography, "src/a.rs", "let a;\n\n");
    passed(typography, "src/a.rs", &format!("{}\n", "ä".repeat(WIDTH_MAX)));
    passed(typography, "src/a.rs", &format!("let a = \"{}\";\n", "ä".repeat(WIDTH_MAX)));
}

#[test]
fn machine_paths_are_caught() {
    for root in ["home", "work", "root", "Users"] {
        caught(machine_paths, "src/a.rs", &format!("const A: &str = \"/{root}/somebody\";\n"));
    }
    passed(machine_paths, "src/a.rs", "const A: &str = \"/var/lib/treering\"; // https://example.org/home/page\n");
}

#[test]
fn dead_files_are_caught() {
    let tree = |extra: &str| {
        vec![
            Source::new("src/lib.rs", "pub mod a;\n#[cfg(test)]\nmod b;\n"),
            Source::new("src/main.rs", ""),
            Source::new("src/a/mod.rs", "pub(crate) mod c;\n// mod dead;\n"),
            Source::new("src/b.rs", ""),
            Source::new("src/a/c.rs", ""),
            Source::new(extra, ""),
        ]
    };
    assert_eq!(dead_files(&tree("src/a/c.rs")), Vec::<String>::new());
    assert_eq!(dead_files(&tree("src/a/dead.rs")).len(), 1);
    assert_eq!(dead_files(&tree("src/dead.rs")).len(), 1);
}

#[test]
fn files_of_tests_are_known() {
    let unwraps = "fn f() { g().unwrap(); }\n";
    let mut tree = vec![
        Source::new("src/lib.rs", "mod a;\n"),
        Source::new("src/a.rs", "#[cfg(test)]\nmod golden;\nmod real;\n"),
        Source::new("src/a/golden.rs", unwraps),
        Source::new("src/a/real.rs", unwraps),
    ];
    mark_test_files(&mut tree);
    assert!(unproved_unwraps(&tree[2]).is_empty());
    assert_eq!(unproved_unwraps(&tree[3]).len(), 1);
}
