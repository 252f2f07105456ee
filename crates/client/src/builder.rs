//! The settings of a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::bearer::{Bearer, KeyFunction};
use crate::client::Client;
use crate::error::{Error, last_cause};
use crate::settings::Settings;
use crate::tls::Tls;

/// Maximum deadline of a unary call.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// Maximum time to establish a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Sends a PING after this time without traffic while a call runs, so that a stream does not wait
/// forever behind an expired NAT entry.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// Closes the connection if a PING has no response within this time.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The settings of a [`Client`].
///
/// ```no_run
/// use std::time::Duration;
/// use samegate_client::Client;
///
/// # async fn example(key: String) -> Result<(), samegate_client::Error> {
/// let samegate = Client::builder("https://gateway.example.com:50051")
///     .api_key(key)
///     .library("cats")
///     .timeout(Duration::from_secs(5))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    target: String,
    key: Key,
    tls: Option<Tls>,
    settings: Settings,
}

#[derive(Clone)]
enum Key {
    None,
    Fixed(String),
    Function(Arc<KeyFunction>),
}

// === impl Client ===

impl Client {
    /// Begins the settings of a client of `target`: `HOST:PORT`, or `http://…` and `https://…`.
    pub fn builder(target: impl Into<String>) -> Builder {
        Builder::new(target.into())
    }
}

// === impl Builder ===

impl Builder {
    fn new(target: String) -> Self {
        Builder {
            target,
            key: Key::None,
            tls: None,
            settings: Settings::default(),
        }
    }

    /// Sets the API key or JWT; an empty one is none. Default: none.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.key = Key::Fixed(key.into());
        self
    }

    /// Sets a function that returns the present key or JWT; an empty one is none. It is called for
    /// every attempt of a call, and must not block.
    pub fn api_key_with(mut self, key: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.key = Key::Function(Arc::new(key));
        self
    }

    /// Sets TLS. Default: for `https://`, TLS with the authorities of the system.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets the library of requests that name none. Default: the tenant's first one.
    pub fn library(mut self, library: impl Into<String>) -> Self {
        self.settings.library = library.into();
        self
    }

    /// Sets the deadline of each unary call, its retries included: up to a day; 30 s by default.
    /// Streams have none.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets how often a unary call is sent while it fails for a transient reason: 4 times by
    /// default, 1 for no retries.
    pub fn call_attempts(mut self, attempts: u32) -> Self {
        self.settings.call_attempts = attempts;
        self
    }

    /// Sets after how many streams in a row without a result a bulk load, a bulk search or a search
    /// for duplicates fails: 12 by default, which wait 53 to 105 s; at least 1.
    pub fn stream_attempts(mut self, attempts: u32) -> Self {
        self.settings.stream_attempts = attempts.max(1);
        self
    }

    /// Sets a function that is called before each wait for a retry of a call or stream, with the
    /// error and the time to wait: for logs and metrics. It must not block.
    pub fn on_retry(mut self, hook: impl Fn(&Error, Duration) + Send + Sync + 'static) -> Self {
        self.settings.on_retry = Some(Arc::new(hook));
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// `UNAVAILABLE` when there is no connection within 5 s; `INVALID_TARGET`, `INVALID_KEY`,
    /// `INVALID_TLS` or `FILE_UNREADABLE` for settings that cannot be used.
    pub async fn connect(self) -> Result<Client, Error> {
        let channel = self.endpoint()?.connect().await;
        let channel = channel.map_err(|error| Error::unreachable(&self.target, &error))?;
        self.client(channel)
    }

    /// Makes a client that connects with its first call. Must be called in a tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`Builder::connect`], but for `UNAVAILABLE`.
    pub fn connect_lazy(self) -> Result<Client, Error> {
        let channel = self.endpoint()?.connect_lazy();
        self.client(channel)
    }

    fn client(self, channel: Channel) -> Result<Client, Error> {
        let bearer = match self.key {
            Key::None => Bearer::None,
            Key::Fixed(key) => {
                Bearer::key(&key).map_err(|message| Error::local("INVALID_KEY", message))?
            }
            Key::Function(key) => Bearer::Function(key),
        };
        Ok(Client::new(channel, bearer, self.settings))
    }

    fn endpoint(&self) -> Result<Endpoint, Error> {
        let (address, is_tls) = self.address()?;
        let mut endpoint = Endpoint::from_shared(address)
            .map_err(|_| invalid(format!("`{}` is not a URL", self.target)))?;
        if is_tls {
            let config = self.tls.clone().unwrap_or_default().config()?;
            endpoint = endpoint.tls_config(config).map_err(|error| {
                let message = format!("cannot use TLS: {}", last_cause(&error));
                Error::local("INVALID_TLS", message)
            })?;
        }
        Ok(endpoint
            .connect_timeout(CONNECT_TIMEOUT.min(self.settings.timeout))
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT))
    }

    /// Returns the URL of the target, and whether it is one with TLS.
    fn address(&self) -> Result<(String, bool), Error> {
        let is_tls = self.tls.is_some();
        match self.target.split_once("://") {
            None if is_tls => Ok((format!("https://{}", self.target), true)),
            None => Ok((format!("http://{}", self.target), false)),
            Some(("http", _)) if is_tls => Err(invalid("TLS needs https://".to_owned())),
            Some(("http", _)) => Ok((self.target.clone(), false)),
            Some(("https", _)) => Ok((self.target.clone(), true)),
            Some((scheme, _)) => Err(invalid(format!("`{scheme}` is not supported"))),
        }
    }
}

fn invalid(message: String) -> Error {
    Error::local("INVALID_TARGET", message)
}

// === impl Key ===

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Key::None => "None",
            Key::Fixed(_) => "Fixed",
            Key::Function(_) => "Function",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_follows_from_tls_and_a_contradiction_is_an_error() {
        let address = |target: &str, tls: Option<Tls>| {
            let mut builder = Builder::new(target.to_owned());
            builder.tls = tls;
            builder.address()
        };

        let (plain, _) = address("h:1", None).unwrap();
        let (secure, _) = address("h:1", Some(Tls::new())).unwrap();
        assert_eq!((&*plain, &*secure), ("http://h:1", "https://h:1"));
        assert!(address("https://h:1", None).unwrap().1);
        for (target, tls) in [("http://h:1", Some(Tls::new())), ("dns:///h:1", None)] {
            let error = address(target, tls).unwrap_err();
            assert_eq!(error.reason(), "INVALID_TARGET");
        }
    }

    #[test]
    fn debug_does_not_show_a_key() {
        let builder = Builder::new("h:1".to_owned()).api_key("canary-4711");

        assert!(!format!("{builder:?}").contains("canary"));
    }
}
