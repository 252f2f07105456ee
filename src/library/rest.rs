//! A library at a same_hq server, as a rule the vendor's.
//!
//! One operation, in order: its fields are written into a form (`encode`, with
//! the words of `service`), a valid token is taken (`token`), the form is
//! posted (`client`), and the answer is read by `wire`. When the vendor refuses
//! the token, it is renewed once and the call repeated once. Every other
//! repeat is the business of whoever calls. Nothing here knows the doors.

mod client;
mod delete;
pub mod encode;
mod service;
mod token;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use http::StatusCode;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use self::client::{Answer, Client, within};
use self::service::{Dialect, Field};
use self::token::{Token, Tokens};
use crate::config;
use crate::domain::{
    Add, Added, Call, ContSign, Delete, Deleted, ImageSource, Match, Page, Query, Target, Update,
    Updated,
};
use crate::error::{Error, Kind, Result, Violation};
use crate::library::Library;
use crate::wire::{
    AddAnswer, ApiError, LogAnswer, SearchAnswer, SearchHit, TOKEN_PATH, TokenGrant, TokenRefusal,
    read_answer,
};

/// A library at a same_hq server.
pub struct Rest {
    client: Client,
    tokens: Tokens,
    dialect: Dialect,
    add: Url,
    search: Url,
    update: Url,
    delete: Url,
}

// === impl Rest ===

impl Rest {
    /// Prepares the library; nothing is sent before the first call.
    ///
    /// # Errors
    ///
    /// `VendorSetup` for a `base_url` that is no web address or for missing
    /// credentials, `Internal` when TLS cannot be set up.
    pub fn connect(config: &config::Rest) -> Result<Rest> {
        let setup = |message| Error::new(Kind::VendorSetup, message);
        let Some(credential) = config.credentials.first().cloned() else {
            return Err(setup("`credentials` of this library holds no pair of keys"));
        };
        if !matches!(config.base_url.scheme(), "http" | "https") {
            return Err(setup(
                "`base_url` of this library is no http or https address",
            ));
        }
        let client = Client::new(config.timeout)?;
        let tokens = {
            let (client, credential) = (client.clone(), credential.clone());
            let url = below(&config.base_url, TOKEN_PATH);
            let form = token_form(&credential)?;
            let longest = config.timeout;
            let fetch = move || {
                let (client, url, form) = (client.clone(), url.clone(), form.clone());
                async move {
                    let answer = client.post(url, form, Instant::now() + longest).await?;
                    read_grant(&answer)
                }
                .boxed()
            };
            Tokens::new(&credential, Box::new(fetch))
        };
        let dialect = Dialect::of(config.service);
        let operation = |name| below(&config.base_url, &format!("{}/{name}", dialect.path));
        Ok(Rest {
            client,
            tokens,
            dialect,
            add: operation("add"),
            search: operation("search"),
            update: operation("update"),
            delete: operation("delete"),
        })
    }

    /// Sends one call, once more if its token is refused.
    async fn call<T: DeserializeOwned>(&self, call: &Call, url: &Url, form: Bytes) -> Result<T> {
        let token = within(call.deadline, self.tokens.usable()).await?;
        let refusal = match self.send(call, url, &token, form.clone()).await {
            Err(error) if error.kind() == Kind::VendorToken => error,
            outcome => return outcome,
        };
        match within(call.deadline, self.tokens.renew(token)).await? {
            Some(token) => self.send(call, url, &token, form).await,
            None => Err(refusal),
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        call: &Call,
        url: &Url,
        token: &Token,
        form: Bytes,
    ) -> Result<T> {
        let mut url = url.clone();
        url.query_pairs_mut()
            .append_pair("access_token", token.expose());
        let answer = self.client.post(url, form, call.deadline).await?;
        read(&answer).map_err(|error| without_token(error, token))
    }
}

#[async_trait]
impl Library for Rest {
    async fn add(&self, call: &Call, request: Add) -> Result<Added> {
        let mut fields = vec![("brief", request.brief.into_string())];
        if !request.tags.as_slice().is_empty() {
            fields.extend(self.dialect.stored(request.tags.as_slice())?);
        }
        let form = form(&request.source, fields)?;
        match self.call::<AddAnswer>(call, &self.add, form).await {
            Ok(answer) => Ok(Added {
                cont_sign: sign(&answer.cont_sign)?,
                existed: false,
                log_id: answer.log_id,
            }),
            Err(error) if error.kind() == Kind::ImageAlreadyExists => existed(error),
            Err(error) => Err(error),
        }
    }

    async fn search(&self, call: &Call, query: Query) -> Result<Page> {
        let mut fields = self
            .dialect
            .filter(query.tags.as_slice(), query.tag_logic)?;
        fields.push(("pn", query.offset.to_string()));
        fields.push(("rn", query.limit.to_string()));
        let form = form(&query.source, fields)?;
        let answer: SearchAnswer = self.call(call, &self.search, form).await?;
        page(answer, query.min_score)
    }

    async fn update(&self, call: &Call, request: Update) -> Result<Updated> {
        let mut fields = Vec::new();
        match request.brief {
            Some(brief) => fields.push(("brief", brief.into_string())),
            None if self.dialect.brief_on_update => {
                let message = "this service requires it in every update";
                let violation = Violation::new("brief", Kind::MissingParameter, message);
                return Err(Error::invalid(vec![violation]));
            }
            None => {}
        }
        if let Some(tags) = request.tags {
            fields.extend(self.dialect.stored(tags.as_slice())?);
        }
        let form = match request.target {
            Target::Source(source) => form(&source, fields)?,
            Target::Sign(sign) => {
                fields.push(("cont_sign", sign.as_str().to_owned()));
                encode::form(None, &fields)?
            }
        };
        let answer: LogAnswer = self.call(call, &self.update, form).await?;
        let log_id = answer.log_id;
        Ok(Updated { log_id })
    }

    async fn delete(&self, call: &Call, request: Delete) -> Result<Deleted> {
        self.delete_all(call, request.target).await
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest")
            .field("host", &self.add.host_str())
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

fn form(source: &ImageSource, mut fields: Vec<Field>) -> Result<Bytes> {
    match source {
        ImageSource::Content(picture) => encode::form(Some(picture.bytes()), &fields),
        ImageSource::Url(url) => {
            fields.push(("url", url.as_url().as_str().to_owned()));
            encode::form(None, &fields)
        }
    }
}

/// The keys travel in the body, as the vendor's Java and Node SDKs send them,
/// so that no log of addresses on the way gets to hold them.
fn token_form(credential: &config::Credential) -> Result<Bytes> {
    let fields = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", credential.api_key.clone()),
        (
            "client_secret",
            credential.secret_key.expose_secret().to_owned(),
        ),
    ];
    encode::form(None, &fields)
}

fn read_grant(answer: &Answer) -> Result<TokenGrant> {
    if answer.status == StatusCode::OK
        && let Ok(grant) = serde_json::from_slice(&answer.body)
    {
        return Ok(grant);
    }
    let Ok(refusal) = serde_json::from_slice::<TokenRefusal>(&answer.body) else {
        return read(answer).map_err(without_words);
    };
    if refusal.error != "invalid_client" {
        return Err(Error::new(
            Kind::VendorProtocol,
            "the token endpoint refused the request for another reason than its keys",
        ));
    }
    let setting = match refusal.error_description.as_str() {
        "unknown client id" => "`api_key`",
        _ => "`api_key` and `secret_key`",
    };
    let message = format!(
        "the vendor does not know this pair of keys: check {setting} of the library's `credentials`"
    );
    Err(Error::new(Kind::VendorSetup, message))
}

/// Reads an answer. The vendor's own answers have status 200 also when they
/// refuse; any other status speaks for whatever stands before it, unless the
/// body names one of the vendor's errors.
fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    let named = || serde_json::from_slice::<ApiError>(&answer.body).is_ok();
    if answer.status == StatusCode::OK || named() {
        return read_answer(&answer.body);
    }
    let kind = match answer.status {
        StatusCode::TOO_MANY_REQUESTS => Kind::VendorBusy,
        status if status.is_server_error() => Kind::VendorUnavailable,
        _ => Kind::VendorProtocol,
    };
    let message = format!(
        "the vendor answered with HTTP status {}",
        answer.status.as_u16()
    );
    Err(Error::new(kind, message))
}

/// Withholds words of the vendor that quote the token.
fn without_token(error: Error, token: &Token) -> Error {
    match error.message().contains(token.expose()) {
        true => without_words(error),
        false => error,
    }
}

/// Withholds the vendor's words; at the token endpoint they may quote keys.
fn without_words(error: Error) -> Error {
    match error.vendor_code() {
        Some(vendor) => Error::vendor(vendor.code, "(withheld: may hold secrets)", vendor.log_id),
        None => error,
    }
}

fn existed(error: Error) -> Result<Added> {
    let Some(text) = error.cont_sign() else {
        return Err(error);
    };
    Ok(Added {
        cont_sign: sign(text)?,
        existed: true,
        log_id: error
            .vendor_code()
            .and_then(|code| code.log_id)
            .unwrap_or(0),
    })
}

fn page(answer: SearchAnswer, min_score: f64) -> Result<Page> {
    let received = answer.result.len();
    let mut matches = Vec::with_capacity(received);
    for hit in answer.result {
        if hit.score.is_nan() {
            return Err(unusable("score"));
        }
        if hit.score >= min_score {
            matches.push(found(hit)?);
        }
    }
    // Scores fall, so behind a match that is too weak are only weaker ones.
    let has_more = answer.has_more && matches.len() == received;
    Ok(Page {
        matches,
        has_more,
        log_id: answer.log_id,
    })
}

fn found(hit: SearchHit) -> Result<Match> {
    Ok(Match {
        cont_sign: sign(&hit.cont_sign)?,
        score: hit.score.clamp(0.0, 1.0),
        brief: hit.brief,
        tags: Vec::new(),
        geometry: None,
    })
}

fn sign(text: &str) -> Result<ContSign> {
    ContSign::new(text).map_err(|_| unusable("cont_sign"))
}

fn unusable(field: &str) -> Error {
    let message = format!("the vendor's answer holds an unusable `{field}`");
    Error::new(Kind::VendorProtocol, message)
}
