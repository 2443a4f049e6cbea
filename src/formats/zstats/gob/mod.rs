//! Go's self-describing stream format, as far as a receiver of scrapes needs it: read and written.
//!
//! A stream is a row of messages: definitions of types, then one value. Type ids mean nothing beyond their stream, and
//! fields go by name. Whatever the stream says is held against what is left of it before anything is allocated.

mod cursor;
mod plan;
mod skip;
mod stream;
mod types;
mod write;

pub(super) use cursor::Cursor;
pub(super) use plan::{Plan, Step, Want};
pub(super) use stream::open_value;
pub(super) use types::{Type, Types};
#[cfg(test)]
pub(super) use write::StructWriter;
pub(super) use write::Writer;
