//! JSON objects read as Go's `encoding/json` reads them, which is what clients of the reference rely on.
//!
//! The rules: keys match without regard to case, unknown keys are skipped, of equal keys the later wins, `null` keeps
//! a field's default and as an item of a list is that item's default, a number with a point or an exponent is no
//! integer. Every error tells the way to its field.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A type that is read from a JSON object, field by field.
pub(super) trait Fields<'de>: Default {
    /// What an error expects in place of anything else.
    const EXPECTED: &'static str;
    /// All names, in lower case.
    const NAMES: &'static [&'static str];

    /// Reads the value of the field `name`, one of `NAMES`.
    fn read<A: MapAccess<'de>>(&mut self, name: &'static str, value: Value<'_, A>) -> Result<(), A::Error>;
}

/// The value of a field that was found, not yet read.
pub(super) struct Value<'a, A> {
    name: &'static str,
    map: &'a mut A,
}

impl<'de, A: MapAccess<'de>> Value<'_, A> {
    /// The value; `None` for `null`.
    pub(super) fn get<T: Deserialize<'de>>(self) -> Result<Option<T>, A::Error> {
        let name = self.name;
        self.map.next_value::<Option<T>>().map_err(|error| de::Error::custom(format_args!("{name}: {error}")))
    }

    /// Puts the value into the field, unless it is `null`.
    pub(super) fn set<T: Deserialize<'de>>(self, field: &mut T) -> Result<(), A::Error> {
        if let Some(value) = self.get()? {
            *field = value;
        }
        Ok(())
    }

    /// The string, borrowed from the body if it has no escapes; `None` for `null`.
    pub(super) fn text(self) -> Result<Option<Cow<'de, str>>, A::Error> {
        Ok(self.get::<Text<'de>>()?.map(|text| text.0))
    }

    /// The list of strings; `None` for `null`.
    pub(super) fn texts(self) -> Result<Option<Vec<Cow<'de, str>>>, A::Error> {
        Ok(self.get::<List<Text<'de>>>()?.map(|list| list.0.into_iter().map(|text| text.0).collect()))
    }
}

/// Anything with fields, as serde wants it.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Fields<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

impl<T: Default> Default for Object<T> {
    fn default() -> Self {
        Object(T::default())
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Fields<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = T::default();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            match T::NAMES.iter().find(|name| name.eq_ignore_ascii_case(&key)) {
                Some(&name) => object.read(name, Value { name, map: &mut map })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Object(object))
    }
}

/// A string that is borrowed where it can be.
#[derive(Default)]
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// A list whose items may be `null`, at most [`LIST_LEN_MAX`] of them.
pub(super) struct List<T>(pub(super) Vec<T>);

/// More than a request may ask for at all, so that a short body of empty items cannot fill the memory.
pub(super) const LIST_LEN_MAX: usize = 1_000_000;

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let index = list.len();
            let item = items
                .next_element::<Option<T>>()
                .map_err(|error| de::Error::custom(format_args!("[{index}]: {error}")))?;
            match item {
                None => return Ok(List(list)),
                Some(_) if index == LIST_LEN_MAX => {
                    return Err(de::Error::custom(format_args!("more than {LIST_LEN_MAX} items in one array")));
                }
                Some(item) => list.push(item.unwrap_or_default()),
            }
        }
    }
}
