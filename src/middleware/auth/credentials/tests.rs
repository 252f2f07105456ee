use http::{HeaderMap, Request};
use sha2::{Digest, Sha256};

use super::*;

fn tenant(name: &str) -> Arc<Tenant> {
    Arc::new(Tenant {
        name: name.to_owned(),
        libraries: Vec::new(),
        weight: 1,
        read_only: false,
    })
}

fn credentials(anonymous: bool) -> Credentials {
    let keys = [("key-a", "a"), ("key-a2", "a"), ("key-b", "b")];
    let keys = keys.map(|(key, name)| (Sha256::digest(key).into(), tenant(name)));
    let identities = [("spiffe://site/shop", "a"), ("dns:b.example", "b")];
    let identities = identities.map(|(identity, name)| (identity.to_owned(), tenant(name)));
    Credentials {
        keys: ApiKeys::new(keys.into()),
        tokens: None,
        identities: identities.into(),
        anonymous: anonymous.then(|| tenant("anyone")),
    }
}

/// Who calls with this header, over a connection with these identities.
fn caller(
    credentials: &Credentials,
    (name, value): (&'static str, &str),
    peer: Option<&[&str]>,
) -> Result<String, Kind> {
    let mut headers = HeaderMap::new();
    headers.insert(name, value.parse().unwrap());
    let (mut head, ()) = Request::new(()).into_parts();
    head.headers = headers;
    if let Some(identities) = peer {
        let identities = identities.iter().map(|name| (*name).to_owned()).collect();
        head.extensions.insert(Peer { identities });
    }
    let found = credentials.identify(&head).now_or_never();
    let found = found.expect("only tokens can take time");
    found
        .map(|tenant| tenant.name.clone())
        .map_err(|error| error.kind())
}

const NO_KEY: (&str, &str) = ("accept", "*/*");

#[test]
fn each_of_several_valid_keys_names_its_tenant_in_both_headers() {
    for (header, tenant) in [
        (("authorization", "Bearer key-a"), "a"),
        (("authorization", "bearer key-a2"), "a"),
        (("x-api-key", "key-b"), "b"),
    ] {
        let found = caller(&credentials(false), header, None);
        assert_eq!(found, Ok(tenant.to_owned()));
    }
}

#[test]
fn an_unknown_key_is_rejected_also_where_anonymous_calls_are_taken() {
    for header in [
        ("x-api-key", "key-c"),
        ("authorization", "Bearer "),
        ("authorization", "Bearer a.b.c"),
    ] {
        let found = caller(&credentials(true), header, None);
        assert_eq!(found, Err(Kind::CredentialsInvalid));
    }
}

#[test]
fn a_call_without_a_key_is_taken_only_where_anonymous_calls_are() {
    let basic = ("authorization", "Basic eA==");

    assert_eq!(
        caller(&credentials(true), NO_KEY, None),
        Ok("anyone".to_owned())
    );
    assert_eq!(
        caller(&credentials(false), basic, None),
        Err(Kind::CredentialsMissing)
    );
}

#[test]
fn any_identity_of_a_certificate_names_its_tenant() {
    for (identities, tenant) in [
        (&["spiffe://site/shop"][..], "a"),
        (&["dns:other.example", "dns:b.example"][..], "b"),
    ] {
        let found = caller(&credentials(false), NO_KEY, Some(identities));
        assert_eq!(found, Ok(tenant.to_owned()));
    }
}

#[test]
fn a_certificate_of_no_tenant_is_rejected_also_where_anonymous_calls_are_taken() {
    for identities in [
        &[][..],
        &["spiffe://site/shop/more"][..],
        &["spiffe://site"][..],
        &["dns:B.example"][..],
        &["b.example"][..],
    ] {
        let found = caller(&credentials(true), NO_KEY, Some(identities));
        assert_eq!(found, Err(Kind::IdentityUnknown), "{identities:?}");
    }
}

#[test]
fn a_key_beats_the_certificate_of_the_connection() {
    let shop = Some(&["spiffe://site/shop"][..]);

    let found = caller(&credentials(false), ("x-api-key", "key-b"), shop);
    assert_eq!(found, Ok("b".to_owned()));
    let found = caller(&credentials(false), ("x-api-key", "key-c"), shop);
    assert_eq!(found, Err(Kind::CredentialsInvalid));
}

#[test]
fn debug_output_holds_no_key() {
    let text = format!("{:?}", credentials(false).keys);

    assert_eq!(text, "ApiKeys(3 keys)");
}
