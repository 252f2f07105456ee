//! Which addresses are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses images may be fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::library) enum AddressScope {
    /// Public addresses only.
    Public,
    /// Any address: the operator trusts the callers.
    Any,
}

/// The name or address is not in the [`AddressScope`].
#[derive(Debug, thiserror::Error)]
#[error("no public address")]
pub(super) struct NotPublic;

// === impl AddressScope ===

impl AddressScope {
    pub(super) fn includes(self, address: IpAddr) -> bool {
        match (self, address) {
            (AddressScope::Any, _) => true,
            (AddressScope::Public, IpAddr::V4(address)) => is_public_v4(address),
            (AddressScope::Public, IpAddr::V6(address)) => is_public_v6(address),
        }
    }
}

/// Returns whether an address is globally reachable, by the IANA IPv4 Special-Purpose Address
/// Registry (RFC 6890 and later entries).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            // Azure's internal services at a public address: 168.63.129.16.
            | (168, 63, 129)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224..=255, _, _)
    );
    !special
}

/// The same for IPv6. Only `2000::/3` is global unicast; within it, prefixes that embed an IPv4
/// address (6to4, Teredo) could contain a private one and are rejected.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match address.segments() {
        // NAT64 (RFC 6052) carries the IPv4 address in its last 32 bits.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
            let [.., a, b, c, d] = address.octets();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..0x1000, ..] => {
            false
        }
        [first, ..] => first & 0xe000 == 0x2000,
    }
}
