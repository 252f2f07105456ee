//! Reads a message in JSON (proto3 JSON mapping) into protobuf, in one pass.
//!
//! The descriptor of the message decides what is read, so a document can be neither deeper nor of
//! more fields than the message. An image in base64 is decoded to where the message keeps it. An
//! error names the path of the invalid field, and holds nothing else of what the caller has sent
//! but the name of an unknown field.

use std::fmt;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine, alphabet};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as Type, MessageDescriptor};
use serde::de::value::Error as Invalid;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, Kind, Result};

/// The only type of google.protobuf in the requests of the contract; in JSON it is a string.
const TIMESTAMP: &str = "google.protobuf.Timestamp";
/// Padding is whole or absent (proto3 JSON mapping, `bytes`).
const BASE64: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, BASE64);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, BASE64);
/// Bytes of the name of an unknown field that its error shows.
const MAX_NAME_BYTES: usize = 32;
/// Maximum number of elements of a list: that of the longest list of the contract, the signs of a
/// deletion. A document is read in one step, so it bounds how long other calls wait.
const MAX_ELEMENTS: usize = 10_000;

/// Reads a message and appends it to `output`; no bytes at all are a message without fields.
///
/// # Errors
///
/// `InvalidParameter` for what is no JSON or not the JSON of this message.
pub(crate) fn message(
    json: &[u8],
    message: &MessageDescriptor,
    output: Vec<u8>,
) -> Result<Vec<u8>> {
    if json.is_empty() {
        return Ok(output);
    }
    let mut output = Output {
        message: output,
        path: Vec::new(),
        violation: None,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let root = Value {
        output: &mut output,
        shape: &Shape::Object(message.clone()),
        number: None,
        is_nullable: false,
    };
    let read = root.deserialize(&mut deserializer);
    match read.and_then(|_| deserializer.end()) {
        Ok(()) => Ok(output.message),
        Err(error) => Err(output.error(&error)),
    }
}

/// What was read, and in the end what was invalid.
struct Output {
    message: Vec<u8>,
    /// The path of what is invalid, innermost first.
    path: Vec<String>,
    violation: Option<String>,
}

/// A value that is expected next; reads as whether it is another one than null.
struct Value<'r> {
    output: &'r mut Output,
    shape: &'r Shape,
    /// Number of its field; none for the message itself.
    number: Option<u32>,
    is_nullable: bool,
}

/// What the JSON of a field looks like.
enum Shape {
    Bool,
    String,
    Bytes,
    Double,
    /// From a minimum to a maximum.
    Integer(i128, i128),
    Enum(EnumDescriptor),
    /// A time, which is a message in protobuf and a string in JSON.
    Time(MessageDescriptor),
    Object(MessageDescriptor),
    List(Box<Shape>),
    /// In no request of the contract.
    Unsupported,
}

/// The name of a field of this message.
struct Name<'r> {
    output: &'r mut Output,
    message: &'r MessageDescriptor,
}

// === impl Output ===

impl Output {
    /// Notes what is wrong with the value that is read.
    fn fail<E: serde::de::Error>(&mut self, violation: impl Into<String>) -> E {
        self.violation = Some(violation.into());
        E::custom("")
    }

    fn fail_at<E: serde::de::Error>(&mut self, name: &str, violation: impl Into<String>) -> E {
        self.path.push(name.to_owned());
        self.fail(violation)
    }

    fn error(mut self, error: &serde_json::Error) -> Error {
        let mut path = String::new();
        while let Some(part) = self.path.pop() {
            if !path.is_empty() && !part.starts_with('[') {
                path.push('.');
            }
            path.push_str(&part);
        }
        // Those of the parser quote nothing of the document.
        let violation = self.violation;
        let violation = violation.unwrap_or_else(|| format!("is no valid JSON: {error}"));
        let field = if path.is_empty() { "body" } else { &path };
        Error::violation(field, Kind::InvalidParameter, violation)
    }

    /// Reads the fields of an object.
    fn read_fields<'de, A: MapAccess<'de>>(
        &mut self,
        message: &MessageDescriptor,
        mut object: A,
    ) -> Result<(), A::Error> {
        let mut read: Vec<FieldDescriptor> = Vec::new();
        let mut chosen = Vec::new();
        while let Some(field) = object.next_key_seed(Name {
            output: self,
            message,
        })? {
            if read.contains(&field) {
                return Err(self.fail_at(field.name(), "is given twice"));
            }
            let value = Value {
                output: self,
                shape: &Shape::of(&field),
                number: Some(field.number()),
                is_nullable: true,
            };
            let value = object.next_value_seed(value);
            let is_set = value.inspect_err(|_| self.path.push(field.name().to_owned()))?;
            if let Some(oneof) = field.containing_oneof().filter(|_| is_set) {
                if chosen.contains(&oneof) {
                    let names: Vec<_> = oneof.fields().map(|one| one.name().to_owned()).collect();
                    let violation = format!("only one of {} may be given", names.join(", "));
                    return Err(self.fail_at(field.name(), violation));
                }
                chosen.push(oneof);
            }
            read.push(field);
        }
        Ok(())
    }
}

// === impl Value ===

impl Value<'_> {
    fn put_key(&mut self, wire_type: WireType) {
        if let Some(number) = self.number {
            encode_key(number, wire_type, &mut self.output.message);
        }
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_key(WireType::LengthDelimited);
        encode_varint(bytes.len() as u64, &mut self.output.message);
        self.output.message.extend_from_slice(bytes);
    }

    fn put_base64<E: serde::de::Error>(mut self, text: &str) -> Result<bool, E> {
        let digits = text.trim_end_matches('=').len();
        let length = digits / 4 * 3 + (digits % 4).saturating_sub(1);
        self.put_key(WireType::LengthDelimited);
        let output = &mut self.output.message;
        encode_varint(length as u64, output);
        let start = output.len();
        output.reserve_exact(length);
        let decoded = match STANDARD.decode_vec(text, output) {
            Err(DecodeError::InvalidByte(_, b'-' | b'_')) => {
                output.truncate(start);
                URL_SAFE.decode_vec(text, output)
            }
            decoded => decoded,
        };
        match decoded {
            Ok(()) => Ok(true),
            Err(_) => Err(self.mismatch()),
        }
    }

    fn put_integer<E: serde::de::Error>(mut self, value: Option<i128>) -> Result<bool, E> {
        let value = value.filter(|value| {
            if let Shape::Integer(min, max) = self.shape {
                return (min..=max).contains(&value);
            }
            matches!(self.shape, Shape::Enum(_)) && i32::try_from(*value).is_ok()
        });
        // Negative numbers of all types have 64 bits (protobuf encoding, Signed Integers).
        let bits = value.and_then(|value| match u64::try_from(value) {
            Ok(bits) => Some(bits),
            Err(_) => i64::try_from(value).ok().map(i64::cast_unsigned),
        });
        let Some(bits) = bits else {
            return Err(self.mismatch());
        };
        self.put_key(WireType::Varint);
        encode_varint(bits, &mut self.output.message);
        Ok(true)
    }

    /// Puts a number, which is an integer too or not.
    fn put_number<E: serde::de::Error>(self, value: f64, integer: Option<i128>) -> Result<bool, E> {
        if matches!(self.shape, Shape::Double) {
            return self.put_double(value);
        }
        self.put_integer(integer)
    }

    fn put_double<E: serde::de::Error>(mut self, value: f64) -> Result<bool, E> {
        self.put_key(WireType::SixtyFourBit);
        self.output.message.extend_from_slice(&value.to_le_bytes());
        Ok(true)
    }

    /// Makes the error for a value of another type.
    fn mismatch<E: serde::de::Error>(self) -> E {
        self.output.fail(format!("must be {}", self.shape))
    }
}

// === impl Shape ===

impl Shape {
    fn of(field: &FieldDescriptor) -> Shape {
        let shape = Shape::of_kind(field.kind());
        if field.is_map() {
            Shape::Unsupported
        } else if field.is_list() {
            Shape::List(Box::new(shape))
        } else {
            shape
        }
    }

    fn of_kind(kind: Type) -> Shape {
        match kind {
            Type::Bool => Shape::Bool,
            Type::String => Shape::String,
            Type::Bytes => Shape::Bytes,
            Type::Double => Shape::Double,
            Type::Int32 => Shape::Integer(i32::MIN.into(), i32::MAX.into()),
            Type::Int64 => Shape::Integer(i64::MIN.into(), i64::MAX.into()),
            Type::Uint32 => Shape::Integer(0, u32::MAX.into()),
            Type::Uint64 => Shape::Integer(0, u64::MAX.into()),
            Type::Enum(names) => Shape::Enum(names),
            Type::Message(message) if message.full_name() == TIMESTAMP => Shape::Time(message),
            Type::Message(message) if message.package_name() == "google.protobuf" => {
                Shape::Unsupported
            }
            Type::Message(message) => Shape::Object(message),
            Type::Float
            | Type::Sint32
            | Type::Sint64
            | Type::Fixed32
            | Type::Fixed64
            | Type::Sfixed32
            | Type::Sfixed64 => Shape::Unsupported,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Bool => "true or false",
            Shape::String => "a string",
            Shape::Bytes => "a string in base64",
            Shape::Double => "a number",
            Shape::Integer(min, max) => return write!(f, "an integer from {min} to {max}"),
            Shape::Enum(names) => return write!(f, "a name or number of {}", names.name()),
            Shape::Time(_) => "a time such as \"2026-01-02T03:04:05Z\"",
            Shape::Object(_) => "an object",
            Shape::List(_) => "a list",
            Shape::Unsupported => "absent: its type cannot be read from JSON",
        })
    }
}

// === impl Value, what serde calls ===

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<bool, E> {
        if self.is_nullable {
            return Ok(false);
        }
        Err(self.mismatch())
    }

    fn visit_bool<E: serde::de::Error>(mut self, value: bool) -> Result<bool, E> {
        if !matches!(self.shape, Shape::Bool) {
            return Err(self.mismatch());
        }
        self.put_key(WireType::Varint);
        self.output.message.push(value.into());
        Ok(true)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<bool, E> {
        self.put_number(value as f64, Some(value.into()))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<bool, E> {
        self.put_number(value as f64, Some(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<bool, E> {
        self.put_number(value, integer(value))
    }

    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> Result<bool, E> {
        match self.shape {
            Shape::String => self.put_bytes(text.as_bytes()),
            Shape::Bytes => return self.put_base64(text),
            Shape::Enum(names) => {
                let value = names.get_value_by_name(text);
                return self.put_integer(value.map(|value| value.number().into()));
            }
            Shape::Double => match double(text) {
                Some(value) => return self.put_double(value),
                None => return Err(self.mismatch()),
            },
            // Those of 64 bits are strings, others may be.
            Shape::Integer(..) => {
                let value = text.parse().ok();
                let value = value.or_else(|| integer(text.parse().ok()?));
                return self.put_integer(value);
            }
            Shape::Time(kind) => {
                let text = IntoDeserializer::<Invalid>::into_deserializer(text);
                match kind.clone().deserialize(text) {
                    Ok(time) => self.put_bytes(&time.encode_to_vec()),
                    Err(_) => return Err(self.mismatch()),
                }
            }
            Shape::Bool | Shape::Object(_) | Shape::List(_) | Shape::Unsupported => {
                return Err(self.mismatch());
            }
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let Shape::List(shape) = self.shape else {
            return Err(self.mismatch());
        };
        for index in 0_usize.. {
            let element = Value {
                output: self.output,
                shape,
                number: self.number,
                is_nullable: false,
            };
            match list.next_element_seed(element) {
                Ok(Some(_)) if index < MAX_ELEMENTS => {}
                Ok(Some(_)) => {
                    let violation = format!("has more than {MAX_ELEMENTS} elements");
                    return Err(self.output.fail(violation));
                }
                Ok(None) => break,
                Err(error) => {
                    self.output.path.push(format!("[{index}]"));
                    return Err(error);
                }
            }
        }
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<bool, A::Error> {
        let Shape::Object(message) = self.shape else {
            return Err(self.mismatch());
        };
        let start = self.output.message.len();
        self.output.read_fields(message, object)?;
        if let Some(number) = self.number {
            let length = self.output.message.len() - start;
            let mut prefix = Vec::new();
            encode_key(number, WireType::LengthDelimited, &mut prefix);
            encode_varint(length as u64, &mut prefix);
            self.output.message.splice(start..start, prefix);
        }
        Ok(true)
    }
}

/// Returns the integer that a number is: 1.0 and 1e3 are some too.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what is out of range becomes the limit, which is out of range of every type"
)]
fn integer(value: f64) -> Option<i128> {
    Some(value as i128).filter(|_| value.fract() == 0.0)
}

/// Reads a number that is written as a string.
fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

// === impl Name ===

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = FieldDescriptor;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = FieldDescriptor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<FieldDescriptor, E> {
        let field = self.message.get_field_by_json_name(name);
        let field = field.or_else(|| self.message.get_field_by_name(name));
        field.ok_or_else(|| {
            let shown = &name[..name.floor_char_boundary(MAX_NAME_BYTES)];
            let violation = format!("is no field of {}", self.message.name());
            self.output.fail_at(shown, violation)
        })
    }
}

#[cfg(test)]
mod tests;
