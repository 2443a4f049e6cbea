//! Upper and lower case letter by letter, as Go maps them.
//!
//! Rust knows letters that become several (`ß` to `SS`) and a form of sigma for the end of a word; Go maps each letter
//! to one. Invariant: a text keeps its number of characters.

/// The text in lower case.
pub(super) fn lower(text: &str) -> String {
    text.chars().map(|letter| single(letter.to_lowercase()).unwrap_or(simple_lower(letter))).collect()
}

/// The text in upper case.
pub(super) fn upper(text: &str) -> String {
    text.chars().map(|letter| single(letter.to_uppercase()).unwrap_or(simple_upper(letter))).collect()
}

/// What a letter becomes if that is one letter.
fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next()?;
    mapped.next().is_none().then_some(first)
}

/// The only letter with a longer lower case: the dotted capital I.
fn simple_lower(letter: char) -> char {
    if letter == '\u{130}' { 'i' } else { letter }
}

/// Greek letters with a small iota below have one with a capital beside it; all others with a longer upper case have
/// no single one.
fn simple_upper(letter: char) -> char {
    let distance = match letter {
        '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => 8,
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => 9,
        _ => 0,
    };
    char::from_u32(letter as u32 + distance).unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_letter_becomes_one() {
        assert_eq!(lower("FRITZ-Ü ΣΑΣ İ"), "fritz-ü σασ i");
        assert_eq!(upper("fritz-ü straße ŉ ᾳ ᾀ"), "FRITZ-Ü STRAßE ŉ ᾼ ᾈ");
    }
}
