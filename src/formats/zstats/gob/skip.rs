//! Values that nobody wants: read by their type in the stream, and thrown away.

use super::super::error::ZstatsError;
use super::cursor::Cursor;
use super::types::{Type, Types};

impl<'a> Types<'a> {
    /// Passes over a value of that type.
    pub fn skip(&self, cursor: &mut Cursor<'a>, id: i64) -> Result<(), ZstatsError> {
        self.skip_nested(cursor, id, DEPTH_MAX)
    }

    fn skip_nested(&self, cursor: &mut Cursor<'a>, id: i64, depth_left: usize) -> Result<(), ZstatsError> {
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return Err(ZstatsError::TooMany { what: "values inside each other", limit: DEPTH_MAX });
        };
        match self.get(id)? {
            Type::Bool | Type::Int | Type::Uint | Type::Float => drop(cursor.uint()?),
            Type::Complex => {
                cursor.uint()?;
                cursor.uint()?;
            }
            Type::Bytes | Type::Text | Type::Opaque => drop(cursor.bytes()?),
            Type::List(element) | Type::Array(element) => {
                for _ in 0..cursor.count()? {
                    self.skip_nested(cursor, element, depth_left)?;
                }
            }
            Type::Map(key, element) => {
                for _ in 0..cursor.count()? {
                    self.skip_nested(cursor, key, depth_left)?;
                    self.skip_nested(cursor, element, depth_left)?;
                }
            }
            Type::Struct(first, count) => {
                let fields = self.fields(first, count);
                let mut next = 0;
                while let Some(field) = cursor.field(&mut next, count)? {
                    self.skip_nested(cursor, fields[field].1, depth_left)?;
                }
            }
            Type::Interface => skip_interface(cursor)?,
        }
        Ok(())
    }
}

/// The name of a type, definitions that belong to it, and a value with its length before it.
fn skip_interface(cursor: &mut Cursor<'_>) -> Result<(), ZstatsError> {
    if cursor.bytes()?.is_empty() {
        return Ok(());
    }
    while cursor.int()? < 0 {
        Types::default().read_definition(cursor)?;
        // How many bytes follow.
        cursor.uint()?;
    }
    cursor.bytes()?;
    Ok(())
}

/// Values inside each other: far beyond what anybody nests, and far below what the stack holds.
const DEPTH_MAX: usize = 64;
