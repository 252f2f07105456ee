//! The connection to a gateway: address, TLS, key, timeout.
//!
//! The key is sent as `authorization: Bearer …` and marked sensitive, so that no layer below prints
//! it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::failure::{Failure, last_cause, unreachable};
use super::tls::Tls;
use crate::proto::v1::same_image_service_client::SameImageServiceClient;

/// Maximum time to establish a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// HTTP/2 keepalive: PING a connection after this time without traffic. Without it an import would
/// wait forever behind an expired NAT entry.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// Close the connection if a PING has no response within this time.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// A client that sends the key with every call.
pub(super) type Client = SameImageServiceClient<AuthChannel>;
/// A channel that sends the key with every call.
pub(super) type AuthChannel = InterceptedService<Channel, Bearer>;

/// Flags of the connection to a gateway.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Address of the gateway's gRPC API: http://HOST:PORT, or https:// for TLS.
    #[arg(
        long,
        env = "SAMEGATE_ENDPOINT",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL"
    )]
    pub(super) endpoint: String,
    /// API key of the tenant; the variable keeps it out of the process list.
    #[arg(
        long,
        env = "SAMEGATE_API_KEY",
        hide_env_values = true,
        value_name = "KEY",
        value_parser = secret
    )]
    api_key: Option<SecretString>,
    /// File with the API key; overrides --api-key.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    #[command(flatten)]
    tls: Tls,
    /// Timeout of one call, such as 500ms, 30s, 2m.
    #[arg(long, default_value = "30s", value_parser = duration, value_name = "TIME")]
    timeout: Duration,
    /// Print one JSON object per line, also for failures.
    #[arg(long)]
    pub(super) json: bool,
}

/// Flags of the gateway and the library in it.
#[derive(Args, Clone, Debug)]
pub struct LibraryTarget {
    #[command(flatten)]
    pub(super) connection: Connection,
    /// Library to use [default: the tenant's first].
    #[arg(
        long,
        short,
        env = "SAMEGATE_LIBRARY",
        default_value = "",
        hide_default_value = true,
        value_name = "NAME",
        help_heading = "Connection"
    )]
    pub(super) library: String,
}

/// Adds the key to each call.
#[derive(Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

// === impl Connection ===

impl Connection {
    /// Connects, and returns a client of the gateway's service.
    pub(super) async fn client(&self) -> Result<Client, Failure> {
        Ok(SameImageServiceClient::new(self.channel().await?))
    }

    /// Connects, and returns a channel for any client.
    pub(super) async fn channel(&self) -> Result<AuthChannel, Failure> {
        let bearer = Bearer(self.authorization()?);
        let channel = self.endpoint()?.connect().await;
        let channel = channel.map_err(|error| unreachable(&self.endpoint, &error))?;
        Ok(InterceptedService::new(channel, bearer))
    }

    /// Wraps a message into a request with the timeout.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    fn endpoint(&self) -> Result<Endpoint, Failure> {
        let invalid = |message: String| {
            Failure::local(format!("--endpoint: {message}"))
                .with_advice("give http://HOST:PORT or https://HOST:PORT")
        };
        let (address, is_tls) = match self.endpoint.split_once("://") {
            None => (format!("http://{}", self.endpoint), false),
            Some(("http", _)) => (self.endpoint.clone(), false),
            Some(("https", _)) => (self.endpoint.clone(), true),
            Some((scheme, _)) => return Err(invalid(format!("`{scheme}` is not supported"))),
        };
        let mut endpoint = Endpoint::from_shared(address)
            .map_err(|_| invalid(format!("`{}` is not a URL", self.endpoint)))?;
        if is_tls {
            endpoint = endpoint.tls_config(self.tls.config()?).map_err(|error| {
                Failure::local(format!("cannot use TLS: {}", last_cause(&error)))
                    .with_advice("check the files of --ca-file, --client-cert and --client-key")
            })?;
        } else if let Some(flag) = self.tls.given() {
            let message = format!("{flag} needs an --endpoint with https://");
            return Err(Failure::local(message));
        }
        Ok(endpoint
            .connect_timeout(CONNECT_TIMEOUT.min(self.timeout))
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT))
    }

    fn authorization(&self) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let key: SecretString = match (&self.api_key_file, &self.api_key) {
            (Some(file), _) => std::fs::read_to_string(file)
                .map_err(|error| {
                    Failure::local(format!("cannot read `{}`: {error}", file.display()))
                })?
                .into(),
            (None, Some(key)) => key.clone(),
            (None, None) => return Ok(None),
        };
        let bearer = format!("Bearer {}", key.expose_secret().trim());
        let mut value = MetadataValue::try_from(bearer).map_err(|_| {
            Failure::local("the API key has characters that are not allowed in a header")
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

// === impl Bearer ===

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(authorization) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", authorization.clone());
        }
        Ok(request)
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "clap requires a value parser to return a Result"
)]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

/// Parses `500ms`, `30s`, `2m`, or a number of seconds without a unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits
        .parse()
        .map_err(|_| "a whole number with ms, s or m, as in `30s`".to_owned())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        unit => Err(format!("unknown unit `{unit}`: use ms, s or m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "1h", "1.5s", "-1s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
