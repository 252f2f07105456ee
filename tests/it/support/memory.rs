//! A library in memory: it finds exact copies only and checks no rule of the domain.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use samegate::call::Call;
use samegate::domain::{
    Add, Added, ContSign, Delete, DeleteTarget, Deleted, ImageSource, Match, Search, SearchResults,
    TagLogic, Update, UpdateTarget, Updated,
};
use samegate::error::{Error, Kind, Result};
use samegate::library::Library;

/// Number of every response; above 2^53, as the vendor's are.
pub const LOG_ID: u64 = 1_820_640_012_355_862_497;

/// The library.
#[derive(Debug, Default)]
pub struct MemoryLibrary {
    records: Mutex<BTreeMap<String, Record>>,
    failure: Option<(Kind, &'static str)>,
}

#[derive(Clone, Debug)]
struct Record {
    brief: String,
    tags: Vec<u16>,
}

/// Returns the sign of an image's bytes, or of its URL.
pub fn sign_of(content: &[u8]) -> String {
    let digest = blake3::hash(content);
    let (first, second) = digest.as_bytes().split_at(4);
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap());
    format!("{},{}", number(first), number(second))
}

impl MemoryLibrary {
    /// Makes a library whose calls fail with `kind`: all of them, or those for one sign.
    pub fn failing(kind: Kind, sign: &'static str) -> Self {
        MemoryLibrary {
            failure: Some((kind, sign)),
            ..MemoryLibrary::default()
        }
    }

    fn check(&self, sign: &str) -> Result<()> {
        match self.failure {
            Some((kind, only)) if only.is_empty() || only == sign => {
                Err(Error::new(kind, "on purpose"))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Library for MemoryLibrary {
    async fn add(&self, _call: &Call, request: Add) -> Result<Added> {
        let sign = sign(&request.source);
        self.check(&sign)?;
        let mut records = self.records.lock().unwrap();
        let existed = records.contains_key(&sign);
        records.entry(sign.clone()).or_insert(Record {
            brief: request.brief.into_string(),
            tags: request.tags.as_slice().to_vec(),
        });
        Ok(Added {
            cont_sign: ContSign::new(&sign).unwrap(),
            existed,
            log_id: LOG_ID,
        })
    }

    /// Matches every stored image: the same one with score 1, others with 0.5.
    async fn search(&self, _call: &Call, query: Search) -> Result<SearchResults> {
        let sign = sign(&query.source);
        self.check(&sign)?;
        let records = self.records.lock().unwrap();
        let tagged = records
            .iter()
            .filter(|(_, record)| has_tags(record, &query));
        let mut matches: Vec<_> = tagged
            .map(|(stored, record)| Match {
                cont_sign: ContSign::new(stored).unwrap(),
                score: if *stored == sign { 1.0 } else { 0.5 },
                brief: record.brief.clone(),
                tags: record.tags.clone(),
                geometry: None,
                agreement: None,
                coverage: None,
            })
            .collect();
        matches.sort_by(|a, b| b.score.total_cmp(&a.score));
        let all = matches.len();
        let (offset, limit) = (query.offset as usize, query.limit as usize);
        Ok(SearchResults {
            matches: matches.into_iter().skip(offset).take(limit).collect(),
            has_more: offset + limit < all,
            log_id: LOG_ID,
        })
    }

    async fn update(&self, _call: &Call, request: Update) -> Result<Updated> {
        let sign = match &request.target {
            UpdateTarget::Source(source) => sign(source),
            UpdateTarget::Sign(sign) => sign.to_string(),
        };
        self.check(&sign)?;
        let mut records = self.records.lock().unwrap();
        let record = records.get_mut(&sign).ok_or_else(absent)?;
        if let Some(brief) = request.brief {
            record.brief = brief.into_string();
        }
        if let Some(tags) = request.tags {
            record.tags = tags.as_slice().to_vec();
        }
        Ok(Updated { log_id: LOG_ID })
    }

    async fn delete(&self, _call: &Call, request: Delete) -> Result<Deleted> {
        let signs = match request.target {
            DeleteTarget::Source(source) => vec![sign(&source)],
            DeleteTarget::Signs(signs) => signs.iter().map(ContSign::to_string).collect(),
        };
        let mut records = self.records.lock().unwrap();
        let outcomes = signs.iter().map(|sign| {
            self.check(sign)?;
            records.remove(sign).map(drop).ok_or_else(absent)
        });
        Ok(Deleted {
            outcomes: outcomes.collect(),
            log_ids: vec![LOG_ID],
        })
    }
}

fn sign(source: &ImageSource) -> String {
    match source {
        ImageSource::Content(image) => sign_of(image.bytes()),
        ImageSource::Url(url) => sign_of(url.as_url().as_str().as_bytes()),
    }
}

fn has_tags(record: &Record, query: &Search) -> bool {
    let mut tags = query.tags.as_slice().iter();
    match query.tag_logic {
        TagLogic::And => tags.all(|tag| record.tags.contains(tag)),
        TagLogic::Or if tags.len() == 0 => true,
        TagLogic::Or => tags.any(|tag| record.tags.contains(tag)),
    }
}

fn absent() -> Error {
    Error::new(Kind::ImageNotFound, "not stored")
}
