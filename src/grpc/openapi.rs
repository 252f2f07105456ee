//! The OpenAPI document of the unary methods in JSON, made from the descriptors and their comments.
//!
//! Streams are left out: OpenAPI cannot describe their prefixes. Values are as
//! [`json`](super::json) reads and writes them.

use std::collections::BTreeMap;

use prost_reflect::{
    EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor,
};
use serde_json::{Map, Value, json};

use super::contract::{Contract, is_unary};

const PACKAGE: &str = "samegate.v1";
const JSON: &str = "application/json";
const TIMESTAMP: &str = "google.protobuf.Timestamp";
/// Name of the schema of errors, which is no message.
const ERROR: &str = "connect.Error";
/// Path of the declaration of the syntax, whose comment is that of the file (descriptor.proto).
const SYNTAX: [i32; 1] = [12];

/// Writes the document.
pub(super) fn document(contract: &Contract) -> Value {
    let mut document = Document::default();
    document.schemas.insert(ERROR.to_owned(), error_schema());
    let mut paths = Map::new();
    let mut description = String::new();
    for (path, method) in contract.methods() {
        let file = method.parent_service().parent_file();
        if file.package_name() != PACKAGE {
            continue;
        }
        description = comment(&file, &SYNTAX);
        if is_unary(method) {
            paths.insert(path.clone(), json!({ "post": document.operation(method) }));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "samegate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": description,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "apiKey": [] }, { "bearer": [] }],
        "paths": paths,
        "components": {
            "schemas": document.schemas,
            "securitySchemes": {
                "apiKey": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
        },
    })
}

/// The schemas of the types that the operations so far use.
#[derive(Default)]
struct Document {
    schemas: BTreeMap<String, Value>,
}

// === impl Document ===

impl Document {
    fn operation(&mut self, method: &MethodDescriptor) -> Value {
        let service = method.parent_service();
        let text = comment(&service.parent_file(), method.path());
        let (summary, description) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut operation = json!({
            "operationId": method.name(),
            "tags": [service.name()],
            "summary": summary.replace('\n', " "),
            "requestBody": { "content": { JSON: { "schema": self.message(&method.input()) } } },
            "responses": {
                "200": {
                    "description": "OK",
                    "content": { JSON: { "schema": self.message(&method.output()) } },
                },
                "default": {
                    "description": "An error, with the HTTP status of its code.",
                    "content": { JSON: { "schema": reference(ERROR) } },
                },
            },
        });
        if !description.is_empty() {
            operation["description"] = description.into();
        }
        operation
    }

    /// Refers to the schema of a message, which is added with all that it refers to.
    fn message(&mut self, message: &MessageDescriptor) -> Value {
        let name = schema_name(message.full_name());
        if self.schemas.contains_key(name) {
            return reference(name);
        }
        // Before its fields, so that a type that contains itself ends.
        self.schemas.insert(name.to_owned(), Value::Null);
        let file = message.parent_file();
        let mut properties = Map::new();
        for field in message.fields() {
            let mut schema = self.field(&field);
            set_comment(&mut schema, &comment(&file, field.path()));
            properties.insert(field.json_name().to_owned(), schema);
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        set_comment(&mut schema, &comment(&file, message.path()));
        // Those of optional fields have one member.
        let choices = message.oneofs().filter(|oneof| oneof.fields().len() > 1);
        let choices = choices.map(|oneof| {
            // Every oneof of the contract has exactly one of its fields.
            let required = oneof
                .fields()
                .map(|field| json!({ "required": [field.json_name()] }));
            json!({ "oneOf": required.collect::<Vec<_>>() })
        });
        let choices: Vec<Value> = choices.collect();
        if !choices.is_empty() {
            schema["allOf"] = choices.into();
        }
        self.schemas.insert(name.to_owned(), schema);
        reference(name)
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        if let Kind::Message(entry) = field.kind()
            && field.is_map()
        {
            let value = self.value(&entry.map_entry_value_field().kind());
            return json!({ "type": "object", "additionalProperties": value });
        }
        let value = self.value(&field.kind());
        if field.is_list() {
            return json!({ "type": "array", "items": value });
        }
        value
    }

    fn value(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Double | Kind::Float => json!({ "type": "number", "format": "double" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "format": "int32" })
            }
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "string", "format": "int64" })
            }
            Kind::Enum(names) => self.names(names),
            Kind::Message(message) if message.full_name() == TIMESTAMP => {
                json!({ "type": "string", "format": "date-time" })
            }
            Kind::Message(message) => self.message(message),
        }
    }

    /// Refers to the schema of an enum, whose description explains each name.
    fn names(&mut self, names: &EnumDescriptor) -> Value {
        let file = names.parent_file();
        let mut description = comment(&file, names.path());
        for value in names.values() {
            let text = comment(&file, value.path()).replace('\n', " ");
            description += &format!("\n- `{}`: {text}", value.name());
        }
        let values = names.values().map(|value| value.name().to_owned());
        let values: Vec<String> = values.collect();
        let mut schema = json!({ "type": "string", "enum": values });
        set_comment(&mut schema, &description);
        let name = schema_name(names.full_name());
        self.schemas.insert(name.to_owned(), schema);
        reference(name)
    }
}

fn error_schema() -> Value {
    json!({
        "description": "An error of any method.",
        "type": "object",
        "required": ["code"],
        "properties": {
            "code": { "type": "string", "description": "The code of gRPC in lower case." },
            "message": { "type": "string" },
            "details": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["type", "value"],
                    "properties": {
                        "type": { "type": "string", "description": "Full name of a message." },
                        "value": {
                            "type": "string",
                            "contentEncoding": "base64",
                            "description": "The message in protobuf.",
                        },
                        "debug": { "description": "The message in JSON, for people." },
                    },
                },
            },
        },
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn schema_name(full_name: &str) -> &str {
    let name = full_name.strip_prefix(PACKAGE);
    name.and_then(|name| name.strip_prefix('.'))
        .unwrap_or(full_name)
}

fn set_comment(schema: &mut Value, comment: &str) {
    if !comment.is_empty() {
        schema["description"] = comment.into();
    }
}

/// Returns the comment before the declaration at this path of a file.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let locations = info.map_or(&[][..], |info| &info.location);
    let declared = locations.iter().find(|location| location.path == path);
    let text = declared.map_or("", |location| location.leading_comments());
    let lines = text
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}
