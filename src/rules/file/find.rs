//! The files that patterns name: `*`, `?` and `[a-z]` in the last part of a path and in folders.

use std::path::{Component, Path, PathBuf};

use crate::disk::Disk;

use super::error::FileError;

/// Files that all patterns together may name.
const FILES_MAX: usize = 10_000;

/// The files that fit the patterns, each once, sorted within a pattern. A pattern without wildcards is the file
/// itself, there or not; one with wildcards may fit none.
pub fn find_files(disk: &dyn Disk, patterns: &[String]) -> Result<Vec<String>, FileError> {
    let mut found: Vec<String> = Vec::new();
    for pattern in patterns {
        for path in matching(disk, pattern)? {
            let path = path.to_string_lossy().into_owned();
            if !found.contains(&path) {
                found.push(path);
            }
        }
        if found.len() > FILES_MAX {
            return Err(FileError::whole(pattern, format_args!("found more than {FILES_MAX} rule files")));
        }
    }
    Ok(found)
}

fn matching(disk: &dyn Disk, pattern: &str) -> Result<Vec<PathBuf>, FileError> {
    let mut paths = vec![PathBuf::new()];
    for component in Path::new(pattern).components() {
        let part = match component {
            Component::Normal(part) => part.to_string_lossy(),
            other => {
                paths.iter_mut().for_each(|path| path.push(other));
                continue;
            }
        };
        if !has_wildcard(&part) {
            paths.iter_mut().for_each(|path| path.push(&*part));
            continue;
        }
        let wildcards = Wildcards::read(&part)
            .ok_or_else(|| FileError::whole(pattern, "syntax error in pattern: a [ or a \\ without its end"))?;
        let mut next = Vec::new();
        for folder in &paths {
            let place = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            // What is no folder, or is not there, holds no file.
            for entry in disk.list(place).unwrap_or_default() {
                // As in a shell: names with a dot in front are named only with one.
                let is_hidden = entry.name.starts_with('.') && !part.starts_with('.');
                if !is_hidden && wildcards.fit(&entry.name) && next.len() <= FILES_MAX {
                    next.push(folder.join(&entry.name));
                }
            }
        }
        paths = next;
    }
    Ok(paths)
}

fn has_wildcard(part: &str) -> bool {
    part.contains(['*', '?', '[', '\\'])
}

/// A part of a path with wildcards.
struct Wildcards(Vec<Piece>);

enum Piece {
    Any,
    One,
    Exactly(char),
    /// Ranges, and whether a character must be in none of them.
    Among(Vec<(char, char)>, bool),
}

impl Wildcards {
    fn read(part: &str) -> Option<Wildcards> {
        let mut pieces = Vec::new();
        let mut rest = part.chars().peekable();
        while let Some(character) = rest.next() {
            pieces.push(match character {
                '*' => Piece::Any,
                '?' => Piece::One,
                '\\' => Piece::Exactly(rest.next()?),
                '[' => {
                    let is_negated = rest.next_if_eq(&'^').is_some();
                    let mut ranges = Vec::new();
                    loop {
                        let from = match rest.next()? {
                            ']' if !ranges.is_empty() => break,
                            '\\' => rest.next()?,
                            other => other,
                        };
                        let to = match rest.next_if_eq(&'-') {
                            Some(_) => match rest.next()? {
                                '\\' => rest.next()?,
                                other => other,
                            },
                            None => from,
                        };
                        ranges.push((from, to));
                    }
                    Piece::Among(ranges, is_negated)
                }
                other => Piece::Exactly(other),
            });
        }
        Some(Wildcards(pieces))
    }

    /// Whether a name fits: the last star takes one character more whenever the rest does not fit.
    fn fit(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut piece) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while at < name.len() {
            let is_fit = match self.0.get(piece) {
                Some(Piece::Any) => {
                    star = Some((piece, at));
                    piece += 1;
                    continue;
                }
                Some(Piece::One) => true,
                Some(Piece::Exactly(character)) => *character == name[at],
                Some(Piece::Among(ranges, is_negated)) => {
                    ranges.iter().any(|(from, to)| (*from..=*to).contains(&name[at])) != *is_negated
                }
                None => false,
            };
            if is_fit {
                (at, piece) = (at + 1, piece + 1);
            } else if let Some((star_piece, star_at)) = star {
                star = Some((star_piece, star_at + 1));
                (at, piece) = (star_at + 1, star_piece + 1);
            } else {
                return false;
            }
        }
        self.0[piece..].iter().all(|piece| matches!(piece, Piece::Any))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SystemDisk;

    #[test]
    fn names_fit_patterns() {
        let fits = |pattern: &str, name: &str| Wildcards::read(pattern).unwrap().fit(name);
        for (pattern, name) in [
            ("*.yml", "a.yml"),
            ("*", ""),
            ("a*b*c", "aXbXbc"),
            ("?[a-c]x", "ücx"),
            ("[^a-c]", "d"),
            ("\\*", "*"),
            ("a**", "a"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.yml", "a.yaml"), ("a*b", "abc"), ("?", ""), ("[^a-c]", "b"), ("\\*", "a")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        assert!(Wildcards::read("[a").is_none() && Wildcards::read("a\\").is_none());
    }

    #[test]
    fn files_are_found_once_and_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        for name in ["x/b.yml", "x/a.yml", "y/c.yml", "y/.hidden.yml", "y/d.txt"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let find = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|pattern| format!("{root}/{pattern}")).collect();
            let found = find_files(&SystemDisk, &patterns).map_err(|error| error.to_string())?;
            Ok::<_, String>(found.iter().map(|path| path[root.len() + 1..].to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(find(&["*/*.yml"]).unwrap(), ["x/a.yml", "x/b.yml", "y/c.yml"]);
        assert_eq!(find(&["x/b.yml", "x/*", "gone.yml"]).unwrap(), ["x/b.yml", "x/a.yml", "gone.yml"]);
        assert!(find(&["none/*"]).unwrap().is_empty());
        assert!(find(&["[a"]).unwrap_err().contains("syntax error in pattern"));
    }
}
