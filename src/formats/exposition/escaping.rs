//! Names for readers that know only the old characters: letters, digits, underscores and colons.

use std::borrow::Cow;
use std::fmt::Write;

/// How names are written that have other characters than the old ones; the schemes of Prometheus's content negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escaping {
    /// Each such character becomes an underscore.
    #[default]
    Underscores,
    /// Dots become `_dot_`, underscores two of them.
    Dots,
    /// `U__` and the numbers of the characters: can be undone.
    Values,
    /// As they are, in quotes.
    AllowUtf8,
}

impl Escaping {
    /// The scheme that a reader names in the parameter `escaping` of its `Accept` header, if it is known.
    pub fn of_parameter(name: &str) -> Option<Escaping> {
        [Escaping::Underscores, Escaping::Dots, Escaping::Values, Escaping::AllowUtf8]
            .into_iter()
            .find(|scheme| scheme.parameter() == name)
    }

    /// Its name in the `Content-Type` of the answer.
    pub fn parameter(self) -> &'static str {
        match self {
            Escaping::Underscores => "underscores",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
            Escaping::AllowUtf8 => "allow-utf-8",
        }
    }

    /// A name of a metric or a label in this scheme.
    pub fn escape(self, name: &str) -> Cow<'_, str> {
        if self == Escaping::AllowUtf8 || name.is_empty() || self != Escaping::Dots && is_old_name(name) {
            return Cow::Borrowed(name);
        }
        let mut out = String::with_capacity(name.len() + 8);
        if self == Escaping::Values {
            out.push_str("U__");
        }
        for (at, character) in name.char_indices() {
            match (self, character) {
                (Escaping::Dots | Escaping::Values, '_') => out.push_str("__"),
                (Escaping::Dots, '.') => out.push_str("_dot_"),
                (_, character) if is_old(character, at) => out.push(character),
                (Escaping::Dots, _) => out.push_str("__"),
                (Escaping::Values, character) => {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "_{:x}_", u32::from(character));
                }
                _ => out.push('_'),
            }
        }
        Cow::Owned(out)
    }
}

/// Whether a name has only the old characters.
pub(super) fn is_old_name(name: &str) -> bool {
    !name.is_empty() && name.char_indices().all(|(at, character)| is_old(character, at))
}

fn is_old(character: char, at: usize) -> bool {
    character.is_ascii_alphabetic() || matches!(character, '_' | ':') || at > 0 && character.is_ascii_digit()
}
