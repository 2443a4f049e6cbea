//! The types that a stream defines, and those that are known without a definition.

use std::collections::HashMap;

use super::super::error::ZstatsError;
use super::cursor::Cursor;

/// A type of the stream: how its values are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// 0 or 1.
    Bool,
    /// A signed number of any width.
    Int,
    /// An unsigned number of any width.
    Uint,
    /// A double.
    Float,
    /// Bytes with a length before them.
    Bytes,
    /// A text, the same.
    Text,
    /// Two doubles.
    Complex,
    /// A type's name, and a value of it.
    Interface,
    /// Bytes that only their own type understands, with a length before them.
    Opaque,
    /// A number of elements and as many values of that type.
    List(i64),
    /// The same, of a length that the type knows.
    Array(i64),
    /// A number of pairs and as many keys and values of those types.
    Map(i64, i64),
    /// Fields, by their place in the table of all fields: the first, and how many.
    Struct(usize, usize),
}

impl Type {
    /// What it is called in errors.
    pub fn name(self) -> &'static str {
        match self {
            Type::Bool => "a bool",
            Type::Int => "a signed number",
            Type::Uint => "an unsigned number",
            Type::Float => "a float",
            Type::Bytes => "bytes",
            Type::Text => "a string",
            Type::Complex => "a complex number",
            Type::Interface => "an interface",
            Type::Opaque => "encoded by itself",
            Type::List(_) => "a list",
            Type::Array(_) => "an array",
            Type::Map(..) => "a map",
            Type::Struct(..) => "a struct",
        }
    }
}

/// A field of a struct: its name, and the id of its type.
pub type Field<'a> = (&'a [u8], i64);

/// All types of a stream so far.
#[derive(Debug, Default)]
pub struct Types<'a> {
    defined: HashMap<i64, Type>,
    fields: Vec<Field<'a>>,
}

impl<'a> Types<'a> {
    /// The type of that id.
    pub fn get(&self, id: i64) -> Result<Type, ZstatsError> {
        match id {
            1 => Ok(Type::Bool),
            2 => Ok(Type::Int),
            3 => Ok(Type::Uint),
            4 => Ok(Type::Float),
            5 => Ok(Type::Bytes),
            6 => Ok(Type::Text),
            7 => Ok(Type::Complex),
            8 => Ok(Type::Interface),
            _ => self.defined.get(&id).copied().ok_or(ZstatsError::UnknownType { id }),
        }
    }

    /// The fields of a struct.
    pub fn fields(&self, first: usize, count: usize) -> &[Field<'a>] {
        // Structs are made by `define` alone, which puts their fields there.
        self.fields.get(first..first + count).unwrap_or_default()
    }

    /// Reads a definition to its end.
    pub fn define(&mut self, id: i64, cursor: &mut Cursor<'a>) -> Result<(), ZstatsError> {
        if id < ID_MIN {
            return Err(cursor.expected("the id of a type of its own"));
        }
        if self.defined.contains_key(&id) {
            return Err(ZstatsError::DefinedTwice { id });
        }
        if self.defined.len() >= TYPES_MAX {
            return Err(ZstatsError::TooMany { what: "types", limit: TYPES_MAX });
        }
        let defined = self.read_definition(cursor)?;
        self.defined.insert(id, defined);
        Ok(())
    }

    /// A value of gob's own type of types: exactly one of its fields is there.
    pub fn read_definition(&mut self, cursor: &mut Cursor<'a>) -> Result<Type, ZstatsError> {
        let mut found = None;
        let mut next = 0;
        while let Some(field) = cursor.field(&mut next, 7)? {
            if found.is_some() {
                return Err(cursor.expected("one kind of type"));
            }
            found = Some(match field {
                0 => Type::Array(ids(cursor, 3)?.0),
                1 => Type::List(ids(cursor, 2)?.0),
                2 => self.read_struct(cursor)?,
                3 => {
                    let (key, element) = ids(cursor, 3)?;
                    Type::Map(key, element)
                }
                _ => {
                    ids(cursor, 1)?;
                    Type::Opaque
                }
            });
        }
        found.ok_or_else(|| cursor.expected("a kind of type"))
    }

    fn read_struct(&mut self, cursor: &mut Cursor<'a>) -> Result<Type, ZstatsError> {
        let first = self.fields.len();
        let mut next = 0;
        while let Some(part) = cursor.field(&mut next, 2)? {
            if part == 0 {
                common(cursor)?;
                continue;
            }
            for _ in 0..cursor.count()? {
                if self.fields.len() >= FIELDS_MAX {
                    return Err(ZstatsError::TooMany { what: "fields of types", limit: FIELDS_MAX });
                }
                let mut field: Field<'a> = (&[], 0);
                let mut next = 0;
                while let Some(part) = cursor.field(&mut next, 2)? {
                    match part {
                        0 => field.0 = cursor.bytes()?,
                        _ => field.1 = cursor.int()?,
                    }
                }
                self.fields.push(field);
            }
        }
        Ok(Type::Struct(first, self.fields.len() - first))
    }
}

/// The type's name and id, which both mean nothing here.
fn common(cursor: &mut Cursor<'_>) -> Result<(), ZstatsError> {
    let mut next = 0;
    while let Some(part) = cursor.field(&mut next, 2)? {
        match part {
            0 => drop(cursor.bytes()?),
            _ => drop(cursor.int()?),
        }
    }
    Ok(())
}

/// The ids after name and id: up to two numbers.
fn ids(cursor: &mut Cursor<'_>, fields: usize) -> Result<(i64, i64), ZstatsError> {
    let mut found = (0, 0);
    let mut next = 0;
    while let Some(part) = cursor.field(&mut next, fields)? {
        match part {
            0 => common(cursor)?,
            1 => found.0 = cursor.int()?,
            _ => found.1 = cursor.int()?,
        }
    }
    Ok(found)
}

/// Lower ids are gob's own.
const ID_MIN: i64 = 64;
/// Types that a stream may define; a request has eight.
const TYPES_MAX: usize = 256;
/// Fields that all of them may have; a request has nineteen.
const FIELDS_MAX: usize = 4096;
