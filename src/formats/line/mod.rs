//! The line protocol that cc-metric-collector sends: text ↔ metric, tags, value, time.
//!
//! Reading has two stages. [`split`] runs for every line and touches the metric and the tags only to find their end:
//! their bytes, the key, identify a series, so what they mean can be looked up in a map. [`parse_key`] takes a key
//! apart, once for every distinct one. `docs/formats/line-protocol.md` describes the grammar.

#[cfg(any(test, feature = "testing"))]
mod differential;
mod error;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod hexadecimal;
mod key;
mod lines;
mod number;
mod split;
mod time;
mod write;

pub use error::{Excerpt, LineError};
#[cfg(any(test, feature = "testing"))]
pub use fuzz::fuzz;
pub use key::{Key, metric_of, parse_key};
pub use lines::{Lines, lines, whole_lines_len};
pub use split::{LINE_BYTES_MAX, Split, split};
pub use time::seconds;
pub use write::{Unwritable, write_key, write_line, write_narrow_number, write_number};
