//! What is wrong with a rule file.

use std::fmt;

/// One thing that is wrong with a rule file, printed as `FILE: LINE:COLUMN: text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// The file, or the pattern that was to name files.
    pub file: String,
    /// Line and column, both from 1; none if the file could not be read at all.
    pub place: Option<(usize, usize)>,
    /// What it is.
    pub text: String,
}

impl FileError {
    /// An error of a whole file.
    pub(super) fn whole(file: &str, text: impl fmt::Display) -> FileError {
        FileError { file: file.to_owned(), place: None, text: text.to_string() }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.file)?;
        if let Some((line, column)) = self.place {
            write!(out, "{line}:{column}: ")?;
        }
        out.write_str(&self.text)
    }
}

impl std::error::Error for FileError {}
