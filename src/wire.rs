//! The same_hq REST contract: paths, field names, bodies.
//!
//! The REST API writes these types and the rest backend reads them, so the format is defined once;
//! tests read recorded responses of the vendor, so that both do not share one misunderstanding.
//! Reading is lenient where the vendor's responses vary (numbers as strings, a boolean as a string,
//! unknown fields); writing is strict.

mod operation;

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
}

/// Response to `update` and `delete`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogResponse {
    /// Number of the operation in the service's logs.
    #[serde(deserialize_with = "lenient_u64")]
    pub log_id: u64,
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
}

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
    // An error body always has a code, and a success body never has one.
    if let Ok(rejection) = serde_json::from_slice::<ApiError>(body) {
        let message: String = rejection
            .error_msg
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_ERROR_MESSAGE)
            .collect();
        let error = Error::vendor(rejection.error_code, &message, rejection.log_id);
        return Err(match rejection.cont_sign {
            Some(sign) => error.with_cont_sign(sign.trim()),
            None => error,
        });
    }
    // Neither the body is quoted, nor serde's message, which may quote it.
    let unreadable = || {
        Error::new(
            Kind::VendorProtocol,
            "the vendor's response does not match its API",
        )
    };
    match serde_json::from_slice::<CodeProbe>(body) {
        // A rejection whose code cannot be parsed must not count as a success.
        Ok(CodeProbe { error_code: true }) | Err(_) => Err(unreadable()),
        Ok(CodeProbe { error_code: false }) => {
            serde_json::from_slice(body).map_err(|_| unreadable())
        }
    }
}

/// Detects an error code in a body, whether it can be parsed or not; `null` is one that cannot.
#[derive(Deserialize)]
struct CodeProbe {
    #[serde(default, deserialize_with = "present")]
    error_code: bool,
}

/// Returns true for a field with any value.
fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(reader).map(|_| true)
}

// === impl TokenGrant ===

impl std::fmt::Debug for TokenGrant {
    /// Writes the ttl of the token and nothing of its text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenGrant")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// A scalar that responses write with or without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

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
}

fn lenient<'de, D: Deserializer<'de>, T: std::str::FromStr>(reader: D) -> Result<T, D::Error> {
    let text = Scalar::deserialize(reader)?.into_text();
    text.parse()
        .map_err(|_| serde::de::Error::custom("not the expected kind of value"))
}

fn lenient_u64<'de, D: Deserializer<'de>>(reader: D) -> Result<u64, D::Error> {
    lenient(reader)
}

fn lenient_i64<'de, D: Deserializer<'de>>(reader: D) -> Result<i64, D::Error> {
    lenient(reader)
}

fn lenient_f64<'de, D: Deserializer<'de>>(reader: D) -> Result<f64, D::Error> {
    lenient(reader)
}

fn lenient_bool<'de, D: Deserializer<'de>>(reader: D) -> Result<bool, D::Error> {
    lenient(reader)
}

fn lenient_option_u64<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<u64>, D::Error> {
    let scalar = Option::<Scalar>::deserialize(reader)?;
    // An error without a readable log id is still the error.
    Ok(scalar.and_then(|scalar| scalar.into_text().parse().ok()))
}
