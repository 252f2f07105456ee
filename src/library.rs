//! The contract of an image library, which every backend keeps.
//!
//! A library gets checked requests and owns everything behind them: storage, or a vendor with its
//! access tokens and its rate limit. Rules that every backend keeps, and that one suite of tests
//! checks for each:
//!
//! - content decides identity: the same bytes get the same sign, and adding
//!   them again changes nothing and returns `existed`;
//! - a change is durable when its response is returned, and visible to the next
//!   call as far as the backend promises it (the vendor needs hours for
//!   deletions);
//! - a call that cannot be done before `call.deadline` fails with
//!   `DeadlineExceeded`, and dropping the future frees its resources at once;
//! - errors are classified, and hold no secret and no image bytes.
//!
//! Backends are not re-exported here: they use this file, so it uses none of them.

pub mod embedded;
mod fair_queue;
pub mod image_page;
pub mod instrumented;
pub mod opensearch;
mod outcome;
pub mod rest;
mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::call::{Call, Tenant};
use crate::domain::{
    Add, Added, Capability, Compare, Comparison, ContSign, Delete, DeleteByFilter, Deleted,
    DeletedByFilter, DuplicateEvent, FindDuplicates, Get, ImageLimits, LibraryStats, List, Listing,
    Record, Search, SearchResults, TagCount, Update, Updated,
};
use crate::error::{Error, Kind, Result};
use crate::library::image_page::{ImagePage, Insertion};

pub use self::state::{BreakerState, ClassState, ClusterState, CpuState, CredentialState, State};

/// A backup while it is made, in chunks. It is complete if it ends without an error.
pub type BackupStream = BoxStream<'static, Result<Bytes>>;

/// The groups of same images that a join finds, with its progress. The join ends with the stream.
pub type DuplicateStream = BoxStream<'static, Result<DuplicateEvent>>;

/// One library of images.
#[async_trait]
pub trait Library: Send + Sync + fmt::Debug {
    /// Adds an image; returns `existed` for one that is stored already.
    async fn add(&self, call: &Call, request: Add) -> Result<Added>;

    /// Finds the images that are the same as the query, best first.
    async fn search(&self, call: &Call, query: Search) -> Result<SearchResults>;

    /// Compares two images; stores nothing.
    async fn compare(&self, _call: &Call, _request: Compare) -> Result<Comparison> {
        Err(unsupported("compare images"))
    }

    /// Changes the brief and/or tags of a stored image.
    async fn update(&self, call: &Call, request: Update) -> Result<Updated>;

    /// Deletes images; each sign has its own outcome, so a missing one does not fail the call.
    async fn delete(&self, call: &Call, request: Delete) -> Result<Deleted>;

    /// Deletes all images that a filter admits, in steps: after an error, the images of the steps so
    /// far are deleted.
    ///
    /// # Errors
    ///
    /// `CountMismatch`, and nothing is deleted, when the filter does not admit the expected number.
    async fn delete_by_filter(
        &self,
        _call: &Call,
        _request: DeleteByFilter,
    ) -> Result<DeletedByFilter> {
        Err(unsupported("delete images by a filter"))
    }

    /// Returns what the library can do beside the operations that every backend has.
    fn capabilities(&self) -> &'static [Capability] {
        &[]
    }

    /// Returns the limits of an image. An embedded library takes files of up to `max_bytes`, others
    /// have the vendor's limits.
    fn image_limits(&self, _max_bytes: usize) -> ImageLimits {
        ImageLimits::VENDOR
    }

    /// Returns the minimum score of a match for calls that give none, in [0, 1].
    fn min_score(&self) -> f64 {
        0.0
    }

    /// Returns the size of the library.
    async fn stats(&self, _call: &Call) -> Result<LibraryStats> {
        Err(unsupported("return its size"))
    }

    /// Returns one page of the library's records.
    async fn list(&self, _call: &Call, _request: List) -> Result<Listing> {
        Err(unsupported("list its images"))
    }

    /// Returns every tag of the library, ascending, with the number of its images.
    async fn tags(&self, _call: &Call) -> Result<Vec<TagCount>> {
        Err(unsupported("list its tags"))
    }

    /// Reads one record with its thumbnail; with its preview where the request asks for it and the
    /// library has one.
    async fn get(&self, _call: &Call, _request: Get) -> Result<Record> {
        Err(unsupported("return a stored image"))
    }

    /// Starts to compare the images of the library with each other.
    ///
    /// # Errors
    ///
    /// `Overloaded` while another join of the library runs.
    async fn find_duplicates(
        &self,
        _call: &Call,
        _request: FindDuplicates,
    ) -> Result<DuplicateStream> {
        Err(unsupported("compare its images with each other"))
    }

    /// Fetches everything that the first call would have to wait for.
    async fn warm_up(&self) -> Result<()> {
        Ok(())
    }

    /// Ends the cool-downs of its credentials; returns the number of credentials that were in one.
    fn reset_cooldowns(&self) -> usize {
        0
    }

    /// Starts a backup of the whole library; dropping the stream ends it.
    ///
    /// # Errors
    ///
    /// `Overloaded` while another backup of the library runs.
    fn backup(&self) -> Result<BackupStream> {
        Err(unsupported("back up its images"))
    }

    /// Reads everything that the library stores of up to `limit` images, the oldest first; `after` is
    /// [`ImagePage::next`] of the page before, and empty for the first page.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for the `after` of another library.
    async fn whole_images(&self, _call: &Call, _after: &str, _limit: usize) -> Result<ImagePage> {
        Err(unsupported("copy its images"))
    }

    /// Reads everything that the library stores of the images with these signs; those that are not
    /// stored are left out.
    async fn whole_images_of(&self, _call: &Call, _signs: &[ContSign]) -> Result<ImagePage> {
        Err(unsupported("copy its images"))
    }

    /// Adds the images of a page of another library; `replace` sets brief and tags of those that are
    /// stored already. Returns what became of each, in the order of the page. After an error some
    /// may be added; the page can be sent again.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for a damaged page and for features of another codebook; then nothing is
    /// added.
    async fn insert_images(
        &self,
        _call: &Call,
        _images: Bytes,
        _replace: bool,
    ) -> Result<Vec<Insertion>> {
        Err(unsupported("take copies of images"))
    }

    /// Returns whether its own storage fails persistently; [`Library::warm_up`] tries it again.
    fn is_storage_failing(&self) -> bool {
        false
    }

    /// Returns the state for operators, without waiting.
    fn state(&self) -> State {
        State::default()
    }
}

/// Every library of the gateway, by name.
#[derive(Clone, Debug, Default)]
pub struct Libraries(Arc<BTreeMap<String, Arc<dyn Library>>>);

// === impl Libraries ===

impl Libraries {
    /// Collects opened libraries.
    pub fn new(libraries: impl IntoIterator<Item = (String, Arc<dyn Library>)>) -> Self {
        Libraries(Arc::new(libraries.into_iter().collect()))
    }

    /// Returns every library with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<dyn Library>)> {
        self.0
            .iter()
            .map(|(name, library)| (name.as_str(), library))
    }

    /// Returns the libraries of a tenant with their names, the default first.
    pub fn of<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<dyn Library>)> {
        let names = tenant.libraries.iter();
        names.filter_map(|name| Some((name.as_str(), self.0.get(name)?)))
    }

    /// Finds a library of a tenant; an empty name selects the tenant's first one.
    ///
    /// # Errors
    ///
    /// `LibraryNotFound`, the same for a library that does not exist and for one of another tenant.
    pub fn resolve<'a>(
        &'a self,
        tenant: &'a Tenant,
        name: &'a str,
    ) -> Result<(&'a str, &'a Arc<dyn Library>)> {
        let name = match (name, tenant.libraries.first()) {
            ("", Some(first)) => first,
            (name, _) => name,
        };
        let allowed = tenant.libraries.iter().any(|library| library == name);
        let library = self.0.get(name).filter(|_| allowed);
        library.map(|library| (name, library)).ok_or_else(|| {
            let shown: String = name.chars().take(64).collect();
            Error::new(
                Kind::LibraryNotFound,
                format!("no library `{shown}` for this caller"),
            )
        })
    }
}

/// Checks that a caller may change images.
///
/// # Errors
///
/// `ReadOnlyKey` for the caller that a read key proves.
pub fn check_change(tenant: &Tenant) -> Result<()> {
    if tenant.read_only {
        let message = "this key may search and list, and change no image";
        return Err(Error::new(Kind::ReadOnlyKey, message));
    }
    Ok(())
}

pub(crate) fn unsupported(action: &str) -> Error {
    let message = format!("the vendor's API cannot {action}; only an embedded library can");
    Error::new(Kind::OperationUnsupported, message)
}
