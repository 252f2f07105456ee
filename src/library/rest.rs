//! A library at a same_hq server, as a rule the vendor's.
//!
//! An operation's fields are written into a form (`encode`, with the words of
//! `service`), and `call` sees it through: credential, token, turn, request,
//! answer, and repeats where they help. Nothing here knows the doors.

mod account;
mod attempt;
mod breaker;
mod call;
mod client;
mod cooling;
mod delete;
pub mod encode;
mod jitter;
mod reading;
mod retry;
mod service;
mod shaper;
mod token;

use std::fmt;

use async_trait::async_trait;
use futures_util::future::{FutureExt, select_ok};
use url::Url;

use self::account::Account;
use self::attempt::Attempts;
use self::call::Operation;
use self::client::Client;
use self::encode::Form;
use self::retry::Budget;
use self::service::{Dialect, Field};
use crate::call::Call;
use crate::config;
use crate::domain::{
    Add, Added, ContSign, Delete, Deleted, ImageSource, Match, Search, SearchResults, Update,
    UpdateTarget, Updated,
};
use crate::error::{Error, Kind, Result};
use crate::library::{Library, State};
use crate::replicas::Redis;
use crate::telemetry::Metrics;
use crate::wire::{AddResponse, LogResponse, SearchHit, SearchResponse};

/// Matches that are looked through for an image that is in the library: it
/// stands among the first.
const BEST_MATCHES: u32 = 10;

/// A library at a same_hq server.
pub struct Rest {
    client: Client,
    /// At least one.
    accounts: Vec<Account>,
    budget: Budget,
    dialect: Dialect,
    /// In the order of [`Operation::ALL`].
    urls: [Url; 4],
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
        Rest::observed(config, "", &Metrics::new(), None)
    }

    /// Prepares the library whose requests are counted under a name, and whose
    /// pace is that of all replicas that use `pace`.
    ///
    /// # Errors
    ///
    /// Those of [`Rest::connect`].
    pub fn observed(
        config: &config::Rest,
        name: &str,
        metrics: &Metrics,
        pace: Option<&Redis>,
    ) -> Result<Rest> {
        let setup = |message| Err(Error::new(Kind::VendorSetup, message));
        if config.credentials.is_empty() {
            return setup("`credentials` of this library holds no pair of keys");
        }
        if !matches!(config.base_url.scheme(), "http" | "https") {
            return setup("`base_url` of this library is no http or https address");
        }
        let client = Client::new(config.timeout)?;
        let accounts = config.credentials.iter().map(|credential| {
            let attempts = Attempts::new(name, metrics.clone());
            Account::new(config, credential, &client, attempts, pace)
        });
        let accounts = accounts.collect::<Result<_>>()?;
        let dialect = Dialect::of(config.service);
        let url = |operation: Operation| {
            let path = format!("{}/{}", dialect.path, operation.name());
            below(&config.base_url, &path)
        };
        Ok(Rest {
            client,
            accounts,
            budget: Budget::new(),
            dialect,
            urls: Operation::ALL.map(url),
        })
    }

    /// Whether an image of ours, stored with this sign, has this brief: then
    /// the library is as an add of it leaves it. Unknown counts as no; the
    /// question is paid for like a repeat.
    async fn holds(&self, call: &Call, source: &ImageSource, sign: &str, brief: &str) -> bool {
        let window = [("pn", "0".to_owned()), ("rn", BEST_MATCHES.to_string())];
        let Ok(form) = form(source, window.into()) else {
            return false;
        };
        let found = self.ask_aside::<SearchResponse>(call, Operation::Search, form);
        let is_it = |hit: &SearchHit| hit.cont_sign == sign && hit.brief == brief;
        found
            .await
            .is_some_and(|response| response.result.iter().any(is_it))
    }
}

#[async_trait]
impl Library for Rest {
    async fn add(&self, call: &Call, request: Add) -> Result<Added> {
        let brief = request.brief.into_string();
        let mut fields = vec![("brief", brief.clone())];
        if !request.tags.as_slice().is_empty() {
            fields.extend(self.dialect.stored(request.tags.as_slice())?);
        }
        let form = form(&request.source, fields)?;
        let outcome = self
            .perform::<AddResponse>(call, Operation::Add, form)
            .await;
        let mut added = match outcome.response {
            Ok(response) => Added {
                cont_sign: sign(&response.cont_sign)?,
                existed: false,
                log_id: response.log_id,
            },
            Err(error) if error.kind() == Kind::ImageAlreadyExists => existed(error)?,
            Err(error) => return Err(error),
        };
        // A repeat whose first attempt may have been the one that added it.
        if added.existed && outcome.in_doubt {
            let sign = added.cont_sign.as_str();
            added.existed = !self.holds(call, &request.source, sign, &brief).await;
        }
        Ok(added)
    }

    async fn search(&self, call: &Call, query: Search) -> Result<SearchResults> {
        let mut fields = self
            .dialect
            .filter(query.tags.as_slice(), query.tag_logic)?;
        fields.push(("pn", query.offset.to_string()));
        fields.push(("rn", query.limit.to_string()));
        let form = form(&query.source, fields)?;
        let response: SearchResponse = self.call(call, Operation::Search, form).await?;
        page(response, query.min_score)
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
            UpdateTarget::Source(source) => form(&source, fields)?,
            UpdateTarget::Sign(sign) => {
                fields.push(("cont_sign", sign.as_str().to_owned()));
                Form::new(None, &fields)?
            }
        };
        let response: LogResponse = self.call(call, Operation::Update, form).await?;
        let log_id = response.log_id;
        Ok(Updated { log_id })
    }

    async fn delete(&self, call: &Call, request: Delete) -> Result<Deleted> {
        self.delete_all(call, request.target).await
    }

    /// One credential that can be used is enough.
    async fn prepare(&self) -> Result<()> {
        let tokens = self.accounts.iter();
        let tokens = tokens.map(|account| account.tokens.usable().boxed());
        select_ok(tokens).await.map(drop)
    }

    fn state(&self) -> State {
        let accounts = self.accounts.iter().enumerate();
        State {
            backend: "rest",
            credentials: accounts
                .map(|(place, account)| account.state(place))
                .collect(),
            ..State::default()
        }
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest")
            .field("host", &self.urls[0].host_str())
            .field("credentials", &self.accounts.len())
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

fn form(source: &ImageSource, mut fields: Vec<Field>) -> Result<Form> {
    match source {
        ImageSource::Content(image) => Form::new(Some(image.bytes().clone()), &fields),
        ImageSource::Url(url) => {
            fields.push(("url", url.as_url().as_str().to_owned()));
            Form::new(None, &fields)
        }
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

fn page(response: SearchResponse, min_score: f64) -> Result<SearchResults> {
    let received = response.result.len();
    let mut matches = Vec::with_capacity(received);
    for hit in response.result {
        if hit.score.is_nan() {
            return Err(unusable("score"));
        }
        if hit.score >= min_score {
            matches.push(found(hit)?);
        }
    }
    // Scores fall, so behind a match that is too weak are only weaker ones.
    let has_more = response.has_more && matches.len() == received;
    Ok(SearchResults {
        matches,
        has_more,
        log_id: response.log_id,
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
    let message = format!("the vendor's response holds an unusable `{field}`");
    Error::new(Kind::VendorProtocol, message)
}
