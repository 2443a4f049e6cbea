//! Where an answer is written to.

use std::io::{self, Write};

/// A writer that can take bytes over as they lie, instead of a copy of them.
pub trait Sink: Write {
    /// Takes a piece of the answer over; as `write_all`.
    ///
    /// # Errors
    ///
    /// Those of writing.
    fn take(&mut self, piece: Vec<u8>) -> io::Result<()> {
        self.write_all(&piece)
    }
}

impl Sink for Vec<u8> {
    fn take(&mut self, piece: Vec<u8>) -> io::Result<()> {
        if self.is_empty() {
            *self = piece;
        } else {
            self.extend_from_slice(&piece);
        }
        Ok(())
    }
}
