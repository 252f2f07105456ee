//! A library that a running gateway serves, by its admin port: reads and sends pages of images.
//!
//! A request that fails because of the connection, a restart of the gateway or an outage behind it is
//! sent again for two minutes: reading changes nothing, and a page that arrives twice is stored once.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::cli::failure::{Failure, last_cause};
use crate::library::image_page::{
    CAPACITY_HEADER, ImagePage, Insertion, LAST_PAGE, LIBRARY_HEADER, NEXT_HEADER, TOTAL_HEADER,
};

/// Maximum time to establish a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time of a request; the gateway's own is a minute.
const TIMEOUT: Duration = Duration::from_secs(70);
/// How long a request that fails is sent again: a restart of a gateway with a large library, or an
/// election in a cluster.
pub(super) const RETRY_TIME: Duration = Duration::from_secs(120);
/// Pause before that.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A library of a running gateway.
pub(super) struct ServedLibrary {
    /// As it was given.
    pub(super) name: String,
    url: Url,
    client: Client,
}

/// A failed request.
struct Rejected {
    failure: Failure,
    may_help: bool,
}

#[derive(Deserialize)]
struct Inserted {
    images: Vec<Insertion>,
}

// === impl ServedLibrary ===

impl ServedLibrary {
    /// Names a library by `http://HOST:PORT/NAME`, the admin port of its gateway and its name there.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "http");
        let named = url.and_then(|mut url| {
            let name = url.path().trim_matches('/').to_owned();
            url.set_path(&format!("/libraries/{name}/images"));
            (!name.is_empty() && !name.contains('/')).then_some(url)
        });
        let url = named.ok_or_else(|| {
            Failure::local(format!("`{text}` names no library of a gateway"))
                .with_advice("give http://HOST:PORT/NAME, with the admin port")
        })?;
        // The admin port is on this machine or in its network, never behind a proxy.
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| Failure::local(last_cause(&error)))?;
        Ok(ServedLibrary {
            name: text.to_owned(),
            url,
            client,
        })
    }

    /// Reads identity and size, and no image. Is sent again for `retry_time`: not at all as long as
    /// the address may be wrong.
    pub(super) async fn describe(&self, retry_time: Duration) -> Result<ImagePage, Failure> {
        self.read(&[("sign", "")], retry_time).await
    }

    /// Reads a page of images.
    pub(super) async fn page(&self, after: &str, limit: usize) -> Result<ImagePage, Failure> {
        let parameters = [("after", after), ("limit", &limit.to_string())];
        self.read(&parameters, RETRY_TIME).await
    }

    /// Reads the images with these signs.
    pub(super) async fn images_of(&self, signs: &[String]) -> Result<ImagePage, Failure> {
        let signs: Vec<_> = signs.iter().map(|sign| ("sign", sign.as_str())).collect();
        self.read(&signs, RETRY_TIME).await
    }

    /// Sends a page; returns what became of each image.
    pub(super) async fn insert(
        &self,
        page: &Bytes,
        replace: bool,
    ) -> Result<Vec<Insertion>, Failure> {
        let response = self
            .send(
                || {
                    let request = self.request(Method::POST, &[("replace", &replace.to_string())]);
                    request.body(page.clone())
                },
                RETRY_TIME,
            )
            .await?;
        let inserted: Result<Inserted, _> = serde_json::from_slice(&response.1);
        let inserted = inserted.map_err(|_| self.unknown("its response is no list of images"))?;
        Ok(inserted.images)
    }

    async fn read(
        &self,
        parameters: &[(&str, &str)],
        retry_time: Duration,
    ) -> Result<ImagePage, Failure> {
        let (headers, images) = self
            .send(|| self.request(Method::GET, parameters), retry_time)
            .await?;
        let header = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let missing = |name: &str| self.unknown(&format!("its response has no `{name}`"));
        let number = |name: &str| {
            let number = header(name).and_then(|value| value.parse().ok());
            number.ok_or_else(|| missing(name))
        };
        let next = header(NEXT_HEADER).ok_or_else(|| missing(NEXT_HEADER))?;
        Ok(ImagePage {
            images,
            next: Some(next).filter(|next| next != LAST_PAGE),
            library: header(LIBRARY_HEADER).unwrap_or_default(),
            total: number(TOTAL_HEADER)?,
            capacity: number(CAPACITY_HEADER)?,
        })
    }

    fn request(&self, method: Method, parameters: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(parameters);
        self.client.request(method, url)
    }

    async fn send(
        &self,
        request: impl Fn() -> RequestBuilder,
        retry_time: Duration,
    ) -> Result<(http::HeaderMap, Bytes), Failure> {
        let end = Instant::now() + retry_time;
        loop {
            match self.attempt(request()).await {
                Ok(response) => return Ok(response),
                Err(rejected) if !rejected.may_help || Instant::now() >= end => {
                    return Err(rejected.failure);
                }
                Err(_) => sleep(RETRY_INTERVAL).await,
            }
        }
    }

    async fn attempt(&self, request: RequestBuilder) -> Result<(http::HeaderMap, Bytes), Rejected> {
        let broken = |error: reqwest::Error| Rejected {
            failure: Failure::local(format!("{}: {}", self.name, last_cause(&error)))
                .with_advice("is `samegate serve` running? is it its admin port?"),
            may_help: true,
        };
        let mut response = request.send().await.map_err(broken)?;
        if response.status() == StatusCode::OK {
            let headers = std::mem::take(response.headers_mut());
            return Ok((headers, response.bytes().await.map_err(broken)?));
        }
        Err(self.rejected(response).await)
    }

    async fn rejected(&self, response: Response) -> Rejected {
        let status = response.status();
        let message = response.text().await.unwrap_or_default();
        let message = message.trim().lines().next().unwrap_or_default().to_owned();
        let waits = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        Rejected {
            failure: Failure::local(format!("{}: {status}: {message}", self.name)),
            may_help: waits.contains(&status),
        }
    }

    fn unknown(&self, problem: &str) -> Failure {
        Failure::local(format!("{}: {problem}", self.name))
            .with_advice("is it the admin port of a gateway of this version?")
    }
}
