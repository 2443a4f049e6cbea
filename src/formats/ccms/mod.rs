//! The files of cc-metric-store: logs, binary and JSON snapshots, and the state file that Treering puts beside them.
//!
//! Bytes ↔ model over `Read` and `Write` that are handed in; no paths, no sockets, no tree. Every reader takes
//! arbitrary bytes: it answers with an error or a [`Damage`] that says where, and holds a bounded part of the file.
//!
//! | file | module | documented in |
//! |---|---|---|
//! | `current.wal` | [`encode_record`], [`WalReader`] | `docs/formats/cc-metric-store.md` |
//! | `<from>.bin` | [`write_bin`], [`read_bin`] | the same |
//! | `<from>.json` | [`write_json`], [`read_json`] | the same |
//! | `.treering/state/<cluster>/<host>` | [`write_state`], [`read_state`] | `docs/formats/state.md` |

mod bin;
mod bytes;
mod detect;
mod error;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
#[cfg(test)]
mod golden;
mod json;
mod lexer;
mod names;
mod state;
mod tree;
mod varint;
mod wal;
mod wal_read;

pub use bin::{read as read_bin, write as write_bin};
pub use detect::{DETECT_BYTES, FileKind, detect};
pub use error::{CcmsError, Damage};
#[cfg(any(test, feature = "testing"))]
pub use fuzz::{fuzz_bin, fuzz_json, fuzz_state, fuzz_wal};
pub use json::{read as read_json, write as write_json};
pub use names::{CheckpointFile, FORM_BIN, FORM_JSON, SnapshotForm, WAL_FILE, directory_name, name_of_directory};
pub use state::{read as read_state, write as write_state};
pub use tree::{DEPTH_MAX, Head, Level, Span, Visitor, narrow};
pub use wal::{PAYLOAD_BYTES_MAX, Record, WAL_HEADER, encode as encode_record};
pub use wal_read::{WalItem, WalReader};
