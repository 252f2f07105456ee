//! The connection to a gateway: address, TLS, key, timeout.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use samegate_client::{Builder, Client, Error};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::failure::Failure;
use super::tls::Tls;

/// Lines for the user: what the client sends again, and why.
pub(super) type Retries = UnboundedReceiver<String>;

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

// === impl Connection ===

impl Connection {
    /// Connects, without a library.
    pub(super) async fn client(&self) -> Result<Client, Failure> {
        Ok(self.builder()?.connect().await?)
    }

    /// Returns the settings of a client. A call that fails is not sent again: people see the failure
    /// at once, and scripts decide.
    fn builder(&self) -> Result<Builder, Failure> {
        let mut builder = Client::builder(&self.endpoint)
            .timeout(self.timeout)
            .call_attempts(1);
        if let Some(key) = self.key()? {
            builder = builder.api_key(key.expose_secret());
        }
        if self.endpoint.starts_with("https://") {
            builder = builder.tls(self.tls.files());
        } else if let Some(flag) = self.tls.given() {
            let message = format!("{flag} needs an --endpoint with https://");
            return Err(Failure::local(message));
        }
        Ok(builder)
    }

    fn key(&self) -> Result<Option<SecretString>, Failure> {
        let Some(file) = &self.api_key_file else {
            return Ok(self.api_key.clone());
        };
        let key = std::fs::read_to_string(file).map_err(|error| {
            Failure::local(format!("cannot read `{}`: {error}", file.display()))
        })?;
        Ok(Some(key.into()))
    }
}

// === impl LibraryTarget ===

impl LibraryTarget {
    /// Connects; requests are for the library.
    pub(super) async fn client(&self) -> Result<Client, Failure> {
        Ok(self.builder()?.connect().await?)
    }

    /// Connects for streams, which fail after this many in a row without a result.
    pub(super) async fn stream_client(&self, attempts: u32) -> Result<(Client, Retries), Failure> {
        let (lines, retries) = unbounded_channel();
        let hook = move |error: &Error, wait: Duration| {
            let seconds = wait.as_secs_f64();
            // The receiver is gone at the end of the command only.
            drop(lines.send(format!("{}; retry in {seconds:.1} s", error.message())));
        };
        let builder = self.builder()?.stream_attempts(attempts);
        Ok((builder.on_retry(hook).connect().await?, retries))
    }

    /// Returns the settings of a client whose requests are for the library.
    pub(super) fn builder(&self) -> Result<Builder, Failure> {
        Ok(self.connection.builder()?.library(&self.library))
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
