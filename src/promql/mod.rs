//! PromQL: its expressions, their evaluation over a [`Source`], and what queries answer.

mod source;

pub use source::{Cursor, Hints, Samples, Selection, Series, Source, SourceError};
