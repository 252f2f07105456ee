//! Entry points for the fuzz targets (`fuzz/`) into private parts; compiled only for them.

use std::collections::BTreeMap;

use prost_reflect::MessageDescriptor;

use super::contract::Contract;
use super::json;

/// Returns the types of the requests of all methods, by name of the method.
///
/// # Panics
///
/// When the compiled-in descriptors are broken.
pub fn requests() -> BTreeMap<String, MessageDescriptor> {
    let contract = Contract::compiled_in().expect("the descriptors are valid");
    let methods = contract.methods().map(|(_, method)| method);
    let by_name = methods.map(|method| (method.name().to_owned(), method.input()));
    by_name.collect()
}

/// Reads a request in JSON; returns it in protobuf, or `None` for one that is rejected.
pub fn read(json: &[u8], request: &MessageDescriptor) -> Option<Vec<u8>> {
    json::read::message(json, request, Vec::new()).ok()
}
