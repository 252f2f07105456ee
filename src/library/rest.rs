//! The backend of a library at a same_hq server, usually the vendor's.
//!
//! The fields of an operation are encoded as a form (`encode`, with the field names of `service`),
//! and `upstream` sends it: credential, token, rate limit, circuit breaker, request, response, and
//! retries where they help. `convert` makes a result of the response. Nothing here knows the APIs
//! of the gateway.

pub(in crate::library) mod attempt;
pub(in crate::library) mod circuit_breaker;
mod client;
mod convert;
mod cooldown;
mod credential;
mod delete;
pub mod encode;
mod parse;
mod rate_limiter;
pub(in crate::library) mod retry;
mod service;
mod token;
mod transport_failure;
mod upstream;

use std::fmt;

use async_trait::async_trait;
use futures_util::future::{FutureExt, select_ok};
use tokio::time::Instant;

use self::attempt::AttemptRecorder;
use self::client::{Client, endpoint};
use self::credential::Credential;
use self::encode::Form;
use self::service::Dialect;
use self::token::TokenCache;
use self::upstream::Upstream;
use crate::call::Call;
use crate::config;
use crate::domain::{
    Add, Added, Delete, Deleted, Effort, ImageRef, ImageSource, MAX_REPORTED_MATCHES, OnMatch,
    Search, SearchOptions, SearchResults, TagLogic, Tags, Update, Updated,
};
use crate::error::{Error, Kind, Result};
use crate::library::{Library, State, unsupported};
use crate::replicas::Redis;
use crate::telemetry::Metrics;
use crate::wire::{AddResponse, LogResponse, Operation, SearchHit, SearchResponse};

/// Matches that are checked for an image that is in the library: it is among the best ones.
const BEST_MATCHES: u32 = 10;

/// A library at a same_hq server.
pub struct RestBackend {
    upstream: Upstream,
    dialect: Dialect,
    min_score: f64,
}

// === impl RestBackend ===

impl RestBackend {
    /// Sets up the library; the first call sends the first request. Requests are counted in
    /// `metrics` under `name`. With Redis, replicas share the rate limit.
    ///
    /// # Errors
    ///
    /// `VendorSetup` for a `base_url` that is no web address or for missing credentials, `Internal`
    /// when TLS cannot be set up.
    pub fn new(
        config: &config::Rest,
        name: &str,
        metrics: &Metrics,
        redis: Option<&Redis>,
    ) -> Result<Self> {
        let set_up = |message| Err(Error::new(Kind::VendorSetup, message));
        if config.credentials.is_empty() {
            return set_up("`credentials` of this library holds no pair of keys");
        }
        if !matches!(config.base_url.scheme(), "http" | "https") {
            return set_up("`base_url` of this library is no http or https address");
        }
        let client = Client::new(config.timeout)?;
        let tokens = TokenCache::new();
        let credentials = config
            .credentials
            .iter()
            .map(|keys| {
                let attempts = AttemptRecorder::new(name, metrics.clone());
                Credential::new(config, keys, &client, &tokens, attempts, redis)
            })
            .collect::<Result<_>>()?;
        let dialect = Dialect::of(config.service);
        let urls = Operation::ALL.map(|operation| {
            let path = format!("{}/{}", dialect.path, operation.name());
            endpoint(&config.base_url, &path)
        });
        Ok(RestBackend {
            upstream: Upstream::new(client, credentials, urls),
            dialect,
            min_score: config.min_score,
        })
    }

    /// Returns whether the image is stored with this sign and brief, as an add of it leaves the
    /// library. A failure counts as no. The retry budget pays for the search.
    async fn holds(&self, call: &Call, source: &ImageSource, sign: &str, brief: &str) -> bool {
        let window = [("pn", "0".to_owned()), ("rn", BEST_MATCHES.to_string())];
        let Ok(form) = Form::of(source, window.into()) else {
            return false;
        };
        let is_it = |hit: &SearchHit| hit.cont_sign == sign && hit.brief == brief;
        self.upstream
            .best_effort_call::<SearchResponse>(call, Operation::Search, form)
            .await
            .is_some_and(|response| response.result.iter().any(is_it))
    }

    async fn find(
        &self,
        call: &Call,
        source: &ImageSource,
        options: &SearchOptions,
    ) -> Result<SearchResults> {
        let mut fields = self
            .dialect
            .filter(options.tags.as_slice(), options.tag_logic)?;
        fields.push(("pn", options.offset.to_string()));
        fields.push(("rn", options.limit.to_string()));
        let form = Form::of(source, fields)?;
        let response = self.upstream.call(call, Operation::Search, form).await?;
        convert::page(response, options.limit as usize, options.min_score)
    }

    /// Adds the image, whatever the library has.
    async fn add_allowed(&self, call: &Call, request: Add) -> Result<Added> {
        let brief = request.brief.into_string();
        let mut fields = vec![("brief", brief.clone())];
        if !request.tags.as_slice().is_empty() {
            fields.extend(self.dialect.stored(request.tags.as_slice())?);
        }
        let form = Form::of(&request.source, fields)?;
        let outcome = self
            .upstream
            .perform::<AddResponse>(call, Operation::Add, form)
            .await;
        let mut added = convert::added(outcome.response)?;
        // An earlier attempt of this call may have added it.
        if added.existed && outcome.in_doubt {
            let sign = added.cont_sign.as_str();
            added.existed = !self.holds(call, &request.source, sign, &brief).await;
        }
        Ok(added)
    }
}

#[async_trait]
impl Library for RestBackend {
    /// Searches before it adds, if the request asks for matches. These are two operations of the
    /// vendor, between which another caller may add the same image.
    async fn add(&self, call: &Call, request: Add) -> Result<Added> {
        if request.on_match == OnMatch::Allow {
            return self.add_allowed(call, request).await;
        }
        let found = self
            .find(call, &request.source, &best_matches(request.match_score))
            .await?;
        if let Some(best) = found.matches.first()
            && request.on_match == OnMatch::Reject
        {
            return Ok(Added {
                cont_sign: best.cont_sign.clone(),
                existed: false,
                is_rejected: true,
                log_id: found.log_id,
                matches: found.matches,
            });
        }
        let mut added = self.add_allowed(call, request).await?;
        added.matches = found.matches;
        // An image that existed is no new one, and the search has found it too.
        if added.existed {
            added.matches.clear();
        }
        Ok(added)
    }

    async fn search(&self, call: &Call, query: Search) -> Result<SearchResults> {
        let source = match &query.source {
            ImageRef::Source(source) => source,
            ImageRef::Sign(_) => return Err(unsupported("search with a stored image")),
        };
        let is_more = |effort| effort != Effort::Fast;
        let choices = [
            ("profile", query.options.profile.is_some()),
            ("effort", query.options.effort.is_some_and(is_more)),
        ];
        if let Some((field, _)) = choices.into_iter().find(|(_, is_set)| *is_set) {
            let message = "only an embedded library has this choice; leave it out";
            return Err(Error::violation(field, Kind::InvalidParameter, message));
        }
        self.find(call, source, &query.options).await
    }

    async fn update(&self, call: &Call, request: Update) -> Result<Updated> {
        let mut fields = Vec::new();
        match request.brief {
            Some(brief) => fields.push(("brief", brief.into_string())),
            None if self.dialect.brief_on_update => {
                let message = "this service requires it in every update";
                return Err(Error::violation("brief", Kind::MissingParameter, message));
            }
            None => {}
        }
        if let Some(tags) = request.tags {
            fields.extend(self.dialect.stored(tags.as_slice())?);
        }
        let form = match request.target {
            ImageRef::Source(source) => Form::of(&source, fields)?,
            ImageRef::Sign(sign) => {
                fields.push(("cont_sign", sign.as_str().to_owned()));
                Form::new(None, &fields)?
            }
        };
        let response: LogResponse = self.upstream.call(call, Operation::Update, form).await?;
        Ok(Updated {
            log_id: response.log_id,
        })
    }

    async fn delete(&self, call: &Call, request: Delete) -> Result<Deleted> {
        delete::delete(&self.upstream, call, request.target).await
    }

    fn min_score(&self) -> f64 {
        self.min_score
    }

    /// Fetches access tokens; one is enough.
    async fn warm_up(&self) -> Result<()> {
        let credentials = self.upstream.credentials().iter();
        select_ok(credentials.map(|credential| credential.token.get().boxed()))
            .await
            .map(drop)
    }

    fn reset_cooldowns(&self) -> usize {
        let now = Instant::now();
        let credentials = self.upstream.credentials().iter();
        credentials
            .filter(|credential| credential.cooldowns.reset(now))
            .count()
    }

    fn state(&self) -> State {
        let credentials = self.upstream.credentials().iter().enumerate();
        State {
            backend: "rest",
            credentials: credentials
                .map(|(index, credential)| credential.state(index))
                .collect(),
            ..State::default()
        }
    }
}

/// Returns the options of the search before an addition.
fn best_matches(min_score: f64) -> SearchOptions {
    SearchOptions {
        tags: Tags::default(),
        tag_logic: TagLogic::And,
        offset: 0,
        limit: MAX_REPORTED_MATCHES,
        min_score,
        profile: None,
        effort: None,
    }
}

impl fmt::Debug for RestBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestBackend")
            .field("host", &self.upstream.host())
            .field("credentials", &self.upstream.credentials().len())
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}
