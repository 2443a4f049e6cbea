//! The row of messages: definitions, up to the one value.

use std::collections::HashSet;

use super::super::error::ZstatsError;
use super::cursor::Cursor;
use super::types::{Type, Types};

/// Reads all definitions; gives the types, the id of the value's, and its message from where the value begins.
/// Whatever follows the value is not looked at.
pub fn open_value(bytes: &[u8]) -> Result<(Types<'_>, i64, Cursor<'_>), ZstatsError> {
    let mut types = Types::default();
    let mut stream = Cursor::new(bytes);
    loop {
        if stream.is_at_end() {
            return Err(ZstatsError::NoValue);
        }
        let mut message = stream.message()?;
        if message.is_at_end() {
            continue;
        }
        let id = message.int()?;
        if id >= 0 {
            check_reachable(&types, id)?;
            return Ok((types, id, message));
        }
        types.define(id.saturating_neg(), &mut message)?;
        if !message.is_at_end() {
            return Err(message.expected("the end of the definition"));
        }
    }
}

/// Whether every type that a value can hold is defined.
fn check_reachable(types: &Types<'_>, id: i64) -> Result<(), ZstatsError> {
    let mut seen = HashSet::from([id]);
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        let mut reach = |id: i64| {
            if seen.insert(id) {
                open.push(id);
            }
        };
        match types.get(id)? {
            Type::List(element) | Type::Array(element) => reach(element),
            Type::Map(key, element) => {
                reach(key);
                reach(element);
            }
            Type::Struct(first, count) => types.fields(first, count).iter().for_each(|field| reach(field.1)),
            _ => {}
        }
    }
    Ok(())
}
