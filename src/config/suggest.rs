//! "Did you mean": the known word nearest to a mistyped one.

/// The candidate that `word` was probably meant to be, if any is near: the same but for case and for `_` instead of
/// `-`, or at most one edit in three letters away.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    let budget = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|(edits, candidate)| *edits <= budget && *edits < candidate.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

fn plain(word: &str) -> String {
    // Only the beginning counts: a key of megabytes must not cost a table of terabytes.
    word.chars().take(WORD_CHARS_MAX).flat_map(char::to_lowercase).map(|c| if c == '_' { '-' } else { c }).collect()
}

/// Levenshtein's distance, by the textbook's two rows.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

const WORD_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["addr", "user", "group", "backend-url", "https-cert-file"];
        assert_eq!(nearest("adr", known), Some("addr"));
        assert_eq!(nearest("BACKEND_URL", known), Some("backend-url"));
        assert_eq!(nearest("https-cert", known), None, "five of ten letters are too many");
        assert_eq!(nearest("https-certfile", known), Some("https-cert-file"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, edits) in [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "abc", 0), ("abc", "", 3)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
