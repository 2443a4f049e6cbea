//! What is wrong with a config: a list of problems, each with its place.

use std::fmt;

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A value in a file: the file's name as it was given, and the JSON pointer (RFC 6901) in it.
    File {
        /// The file's name.
        file: String,
        /// The JSON pointer, empty for the whole file.
        pointer: String,
        /// The line, from 1, where it is known: in YAML.
        line: Option<usize>,
    },
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File { file, pointer, line } => {
                f.write_str(file)?;
                if let Some(line) = line {
                    write!(f, ":{line}")?;
                }
                if pointer.is_empty() { Ok(()) } else { write!(f, "#{pointer}") }
            }
            Location::Variable(name) => write!(f, "${name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub location: Location,
    /// What was found and what was expected.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.text)
    }
}

/// All that is wrong with a config, at least one thing; prints one problem a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Errors(pub Vec<Problem>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
