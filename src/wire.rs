//! The same_hq REST contract: paths, field names, bodies.
//!
//! The REST API writes these types and the rest backend reads them, so the format is defined once;
//! tests read recorded responses of the vendor, so that both do not share one misunderstanding.
//! Reading is lenient where the vendor's responses vary (numbers as strings, a boolean as a string,
//! unknown fields); writing is strict.

mod operation;

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Kind};

pub use self::operation::Operation;

/// Path of the token endpoint.
pub const TOKEN_PATH: &str = "/oauth/2.0/token";
/// Prefix of the operations' paths.
pub const SAME_HQ_PATH: &str = "/rest/2.0/realtime_search/same_hq";
/// Separates the signs of a batch deletion.
pub const SIGN_SEPARATOR: char = ';';
/// Maximum number of signs in one batch deletion.
pub const MAX_SIGNS_PER_CALL: usize = 100;
/// Maximum length of the base64 text, escaped as a form value.
pub const MAX_ENCODED_BYTES: usize = 4 * 1024 * 1024;

/// Maximum length of the vendor's message in an error, in characters. Our own limit, so that a gRPC
/// status is small; the longest documented message has 52.
const MAX_ERROR_MESSAGE: usize = 200;

/// A granted access token.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenGrant {
    /// Sent as `access_token` in the query of every call.
    pub access_token: String,
    /// Ttl of the token in seconds.
    #[serde(deserialize_with = "lenient_u64")]
    pub expires_in: u64,
    /// Not used by any known client; SDKs expect the field.
    #[serde(default)]
    pub refresh_token: String,
    /// Scopes, separated by spaces; SDKs check for `brain_all_scope`.
    #[serde(default)]
    pub scope: String,
    /// Not used by any known client.
    #[serde(default)]
    pub session_key: String,
    /// Not used by any known client.
    #[serde(default)]
    pub session_secret: String,
    /// A success has none.
    #[serde(default, skip_serializing)]
    pub error_code: NoErrorCode,
}

/// A rejected token request (HTTP 401).
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenRejection {
    /// `invalid_client` and the like.
    pub error: String,
    /// The reason as text.
    #[serde(default)]
    pub error_description: String,
}

/// A rejected call (HTTP 200).
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// Code of the error.
    #[serde(deserialize_with = "lenient_i64")]
    pub error_code: i64,
    /// Text that varies; the code decides.
    #[serde(default)]
    pub error_msg: String,
    /// Number of the operation in the service's logs.
    #[serde(
        default,
        deserialize_with = "lenient_option_u64",
        skip_serializing_if = "Option::is_none"
    )]
    pub log_id: Option<u64>,
    /// Sign of the stored image; with code 216681 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cont_sign: Option<String>,
}

/// Response to `add`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddResponse {
    /// Number of the operation in the service's logs.
    #[serde(default, deserialize_with = "lenient_u64")]
    pub log_id: u64,
    /// Sign of the stored image.
    pub cont_sign: String,
    /// A success has none.
    #[serde(default, skip_serializing)]
    pub error_code: NoErrorCode,
}

/// Response to `update` and `delete`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogResponse {
    /// Number of the operation in the service's logs.
    #[serde(deserialize_with = "lenient_u64")]
    pub log_id: u64,
    /// A success has none.
    #[serde(default, skip_serializing)]
    pub error_code: NoErrorCode,
}

/// Response to `search`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchResponse {
    /// Number of the operation in the service's logs.
    #[serde(deserialize_with = "lenient_u64")]
    pub log_id: u64,
    /// Matches in this response.
    #[serde(default, deserialize_with = "lenient_u64")]
    pub result_num: u64,
    /// Matches by falling score.
    #[serde(default)]
    pub result: Vec<SearchHit>,
    /// Whether there are more matches behind this window.
    #[serde(default, deserialize_with = "lenient_bool")]
    pub has_more: bool,
    /// A success has none.
    #[serde(default, skip_serializing)]
    pub error_code: NoErrorCode,
}

/// In place of the code of an error: a body with a code, even one that cannot be parsed, is no
/// success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoErrorCode;

/// One match of a search.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchHit {
    /// Sign of the stored image.
    pub cont_sign: String,
    /// Confidence of the match, in [0, 1].
    #[serde(deserialize_with = "lenient_f64")]
    pub score: f64,
    /// Brief of the stored image.
    #[serde(default)]
    pub brief: String,
}

/// Parses the response to a call: a `T`, or the error in the body. The HTTP status is not relevant.
///
/// # Errors
///
/// The vendor's own error, or `VendorProtocol` for a body that is neither.
pub fn read_response<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    // A response is long only where it succeeds, so that is tried first.
    if let Ok(response) = serde_json::from_slice(body) {
        return Ok(response);
    }
    // Neither the body is quoted, nor serde's message, which may quote it.
    let rejection: ApiError = serde_json::from_slice(body).map_err(|_| {
        Error::new(
            Kind::VendorProtocol,
            "the vendor's response does not match its API",
        )
    })?;
    let message: String = rejection
        .error_msg
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_ERROR_MESSAGE)
        .collect();
    let error = Error::vendor(rejection.error_code, &message, rejection.log_id);
    Err(match rejection.cont_sign {
        Some(sign) => error.with_cont_sign(sign.trim()),
        None => error,
    })
}

// === impl TokenGrant ===

impl fmt::Debug for TokenGrant {
    /// Writes the ttl of the token and nothing of its text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenGrant")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

// === impl NoErrorCode ===

impl<'de> Deserialize<'de> for NoErrorCode {
    /// Never succeeds: it is called only where there is a code.
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("the code of an error"))
    }
}

/// A scalar that responses write with or without quotes.
enum Scalar {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

// === impl Scalar ===

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Scalar::Unsigned(value) => value.to_string(),
            Scalar::Signed(value) => value.to_string(),
            Scalar::Float(value) => value.to_string(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Text(text) => text.trim().to_ascii_lowercase(),
        }
    }

    fn parse<T: FromStr, E: serde::de::Error>(self) -> Result<T, E> {
        self.into_text()
            .parse()
            .map_err(|_| E::custom("not the expected kind of value"))
    }
}

/// Not `#[serde(untagged)]`: that copies each value and formats an error for each variant before
/// the right one, six times the work of a search response.
impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a boolean or a string")
            }

            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar::Unsigned(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Signed(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(value))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }
        }

        reader.deserialize_any(ScalarVisitor)
    }
}

fn lenient_u64<'de, D: Deserializer<'de>>(reader: D) -> Result<u64, D::Error> {
    let scalar = Scalar::deserialize(reader)?;
    if let Scalar::Unsigned(value) = scalar {
        return Ok(value);
    }
    scalar.parse()
}

fn lenient_i64<'de, D: Deserializer<'de>>(reader: D) -> Result<i64, D::Error> {
    Scalar::deserialize(reader)?.parse()
}

fn lenient_f64<'de, D: Deserializer<'de>>(reader: D) -> Result<f64, D::Error> {
    let scalar = Scalar::deserialize(reader)?;
    if let Scalar::Float(value) = scalar {
        return Ok(value);
    }
    scalar.parse()
}

fn lenient_bool<'de, D: Deserializer<'de>>(reader: D) -> Result<bool, D::Error> {
    Scalar::deserialize(reader)?.parse()
}

fn lenient_option_u64<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<u64>, D::Error> {
    let scalar = Option::<Scalar>::deserialize(reader)?;
    // An error without a readable log id is still the error.
    Ok(scalar.and_then(|scalar| scalar.into_text().parse().ok()))
}
