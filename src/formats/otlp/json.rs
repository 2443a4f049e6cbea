//! The JSON form of a request: protobuf's, with identifiers in hexadecimal digits.
//!
//! Integers of 64 bits come as texts or as numbers, doubles as numbers or as the names of those that JSON lacks.

use std::borrow::Cow;

use base64::Engine as _;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::error::OtlpBodyError;
use super::message::{AnyValue, Attribute, Request};

/// Reads a request of at most so many parts.
pub(super) fn read_request(body: &[u8], parts_max: usize) -> Result<Request<'_>, OtlpBodyError> {
    // Every part has a brace of its own, and a number of a list has a comma.
    if memchr::memchr2_iter(b'{', b',', body).count() > parts_max.saturating_mul(2) {
        return Err(OtlpBodyError::TooMany { limit: parts_max });
    }
    serde_json::from_slice(body).map_err(|error| OtlpBodyError::Json { reason: error.to_string() })
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number<'a> {
    Unsigned(u64),
    Signed(i64),
    Double(f64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Number<'_> {
    fn unsigned<E: Error>(self) -> Result<u64, E> {
        match &self {
            Number::Unsigned(number) => Ok(*number),
            Number::Text(text) => text.parse().map_err(|_| E::custom(format!("{text:?} is no unsigned integer"))),
            Number::Signed(_) | Number::Double(_) => Err(E::custom("expected an unsigned integer")),
        }
    }

    fn signed<E: Error>(self) -> Result<i64, E> {
        match &self {
            Number::Unsigned(number) => i64::try_from(*number).map_err(|_| E::custom("integer out of range")),
            Number::Signed(number) => Ok(*number),
            Number::Text(text) => text.parse().map_err(|_| E::custom(format!("{text:?} is no integer"))),
            Number::Double(_) => Err(E::custom("expected an integer")),
        }
    }

    fn double<E: Error>(self) -> Result<f64, E> {
        match &self {
            Number::Unsigned(number) => Ok(*number as f64),
            Number::Signed(number) => Ok(*number as f64),
            Number::Double(number) => Ok(*number),
            Number::Text(text) => text.parse().map_err(|_| E::custom(format!("{text:?} is no number"))),
        }
    }
}

pub(super) fn unsigned<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    Number::deserialize(input)?.unsigned()
}

pub(super) fn double<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    Number::deserialize(input)?.double()
}

pub(super) fn double_option<'de, D: Deserializer<'de>>(input: D) -> Result<Option<f64>, D::Error> {
    Option::<Number<'_>>::deserialize(input)?.map(Number::double).transpose()
}

pub(super) fn signed_option<'de, D: Deserializer<'de>>(input: D) -> Result<Option<i64>, D::Error> {
    Option::<Number<'_>>::deserialize(input)?.map(Number::signed).transpose()
}

pub(super) fn unsigned_list<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u64>, D::Error> {
    Vec::<Number<'_>>::deserialize(input)?.into_iter().map(Number::unsigned).collect()
}

pub(super) fn double_list<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<f64>, D::Error> {
    Vec::<Number<'_>>::deserialize(input)?.into_iter().map(Number::double).collect()
}

/// A number, or the name that the definition has for it.
pub(super) fn temporality<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    match Number::deserialize(input)? {
        Number::Text(text) if text == "AGGREGATION_TEMPORALITY_DELTA" => Ok(super::message::DELTA),
        Number::Text(text) if text == "AGGREGATION_TEMPORALITY_CUMULATIVE" => Ok(super::message::CUMULATIVE),
        Number::Text(text) if text == "AGGREGATION_TEMPORALITY_UNSPECIFIED" => Ok(0),
        other => other.unsigned(),
    }
}

pub(super) fn hexadecimal<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
    let text = Cow::<str>::deserialize(input)?;
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let bytes = digits.filter(|digits| digits.len() % 2 == 0);
    let bytes = bytes.map(|digits| digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect());
    bytes.ok_or_else(|| Error::custom("expected hexadecimal digits"))
}

/// The value of an attribute as JSON writes it: an object with one of these.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(borrow)]
    string_value: Option<Cow<'a, str>>,
    bool_value: Option<bool>,
    #[serde(deserialize_with = "signed_option")]
    int_value: Option<i64>,
    #[serde(deserialize_with = "double_option")]
    double_value: Option<f64>,
    #[serde(borrow)]
    array_value: Option<Values<AnyValue<'a>>>,
    #[serde(borrow)]
    kvlist_value: Option<Values<Attribute<'a>>>,
    #[serde(borrow)]
    bytes_value: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Values<T> {
    #[serde(default = "Vec::new")]
    values: Vec<T>,
}

impl<'de: 'a, 'a> Deserialize<'de> for AnyValue<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<AnyValue<'a>, D::Error> {
        let raw = Raw::deserialize(input)?;
        Ok(match raw {
            Raw { string_value: Some(text), .. } => AnyValue::Text(text),
            Raw { bool_value: Some(value), .. } => AnyValue::Bool(value),
            Raw { int_value: Some(number), .. } => AnyValue::Int(number),
            Raw { double_value: Some(number), .. } => AnyValue::Double(number),
            Raw { array_value: Some(list), .. } => AnyValue::Array(list.values),
            Raw { kvlist_value: Some(list), .. } => AnyValue::Map(list.values),
            Raw { bytes_value: Some(text), .. } => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(&*text);
                AnyValue::Bytes(bytes.map_err(|_| Error::custom("expected Base64"))?.into())
            }
            _ => AnyValue::Empty,
        })
    }
}
