//! The descriptors of everything that the gRPC port serves: methods by path, messages by name.
//!
//! Read from the compiled-in descriptor sets, also those of health checks, of reflection and of the
//! details of errors. Nothing here knows how messages are sent.

use std::collections::BTreeMap;

use prost::Message;
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};
use prost_types::FileDescriptorSet;

use crate::proto::DESCRIPTORS;

/// Every method and message type of the gRPC port.
#[derive(Debug)]
pub struct Contract {
    pool: DescriptorPool,
    /// By path.
    methods: BTreeMap<String, MethodDescriptor>,
}

// === impl Contract ===

impl Contract {
    /// Reads the compiled-in descriptor sets.
    ///
    /// # Errors
    ///
    /// When one of them is invalid, which is a bug of the build.
    pub fn compiled_in() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let sets = [
            DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            tonic_types::pb::FILE_DESCRIPTOR_SET,
        ];
        let mut pool = DescriptorPool::new();
        for set in sets {
            let files = FileDescriptorSet::decode(set)?.file.into_iter();
            // Several sets have those of google.protobuf.
            let new = files.filter(|file| pool.get_file_by_name(file.name()).is_none());
            let new: Vec<_> = new.collect();
            pool.add_file_descriptor_protos(new)?;
        }
        let services: Vec<_> = pool.services().collect();
        let methods = services.iter().flat_map(|service| service.methods());
        let by_path = |method: MethodDescriptor| {
            let service = method.parent_service().full_name();
            (format!("/{service}/{}", method.name()), method)
        };
        let methods = methods.map(by_path).collect();
        Ok(Contract { pool, methods })
    }

    /// Lists every method, as `package.Service/Method`.
    pub fn method_names(&self) -> Vec<String> {
        let paths = self.methods.keys();
        paths.map(|path| path[1..].to_owned()).collect()
    }

    /// Lists every method by its path.
    pub(super) fn methods(&self) -> impl Iterator<Item = (&String, &MethodDescriptor)> {
        self.methods.iter()
    }

    /// Returns the method with this path.
    pub(super) fn method(&self, path: &str) -> Option<&MethodDescriptor> {
        self.methods.get(path)
    }

    /// Returns whether a method may be called with a bare message, or else with prefixed ones; any
    /// form suits an unknown method.
    pub(super) fn suits(&self, path: &str, is_bare: bool) -> bool {
        self.method(path)
            .is_none_or(|method| is_unary(method) == is_bare)
    }

    /// Returns the message type with this full name.
    pub(super) fn message(&self, name: &str) -> Option<MessageDescriptor> {
        self.pool.get_message_by_name(name)
    }
}

/// Returns whether a call of the method has one request and one response.
pub(super) fn is_unary(method: &MethodDescriptor) -> bool {
    !method.is_client_streaming() && !method.is_server_streaming()
}
