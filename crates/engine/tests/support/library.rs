//! A library in a temporary directory, with calls that wait for their result.

#![allow(dead_code, reason = "no test crate uses all functions")]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]

use std::path::Path;
use std::sync::mpsc;

use same_image::{
    Added, Engine, ListQuery, NewRecord, Options, PreparedImage, Query, Record, RecordUpdate,
    Response, Sign, StoreError, TagFilter, TagLogic, Target, WriteError,
};
use tempfile::TempDir;

pub struct Library {
    pub engine: Engine,
    dir: TempDir,
}

impl Library {
    pub fn new() -> Self {
        Self::with_capacity(Options::default().capacity)
    }

    pub fn with_capacity(capacity: u64) -> Self {
        Self::with_options(Options {
            capacity,
            ..Options::default()
        })
    }

    pub fn with_previews(preview_side: u32) -> Self {
        Self::with_options(Options {
            preview_side,
            ..Options::default()
        })
    }

    fn with_options(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            engine: Engine::open(dir.path(), options).unwrap(),
            dir,
        }
    }

    /// Closes the engine and opens another one on the same directory.
    pub fn reopen(self) -> Self {
        let Self { engine, dir } = self;
        drop(engine);
        Self {
            engine: Engine::open(dir.path(), Options::default()).unwrap(),
            dir,
        }
    }

    /// Closes the engine, flips a bit of each occurrence of some bytes in the library file, and opens
    /// another engine.
    pub fn damaged(self, bytes: &[u8]) -> Self {
        let Self { engine, dir } = self;
        drop(engine);
        let file = dir.path().join("library.redb");
        let mut content = std::fs::read(&file).unwrap();
        let is_there = |at: &usize| content[*at..].starts_with(bytes);
        let places: Vec<usize> = (0..content.len()).filter(is_there).collect();
        assert!(!places.is_empty());
        for place in places {
            content[place + 4] ^= 1;
        }
        std::fs::write(&file, content).unwrap();
        Self {
            engine: Engine::open(dir.path(), Options::default()).unwrap(),
            dir,
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn add(&self, bytes: &[u8], brief: &str, tags: &[u16]) -> Result<Added, WriteError> {
        let image = self.engine.prepare(bytes).unwrap();
        let record = NewRecord {
            brief: brief.to_owned(),
            tags: tags.to_vec(),
        };
        add(&self.engine, image, record)
    }

    pub fn update(&self, target: Target, change: RecordUpdate) -> Result<Sign, WriteError> {
        let (done, response) = mpsc::channel();
        self.engine
            .update(target, change, move |updated| done.send(updated).unwrap());
        response.recv().unwrap()
    }

    pub fn delete(&self, targets: Vec<Target>) -> Result<Vec<Option<Sign>>, WriteError> {
        delete(&self.engine, targets)
    }

    pub fn search(&self, bytes: &[u8]) -> Response {
        let image = self.engine.prepare_query(bytes).unwrap();
        self.engine.search(&image, &Query::default()).unwrap()
    }

    /// Searches and returns only the signs of the matches.
    pub fn signs(&self, bytes: &[u8]) -> Vec<Sign> {
        self.signs_with(bytes, &[], TagLogic::And)
    }

    pub fn signs_with(&self, bytes: &[u8], tags: &[u16], logic: TagLogic) -> Vec<Sign> {
        let image = self.engine.prepare_query(bytes).unwrap();
        let filter = TagFilter {
            tags: tags.to_vec(),
            logic,
        };
        let response = self
            .engine
            .search(
                &image,
                &Query {
                    filter,
                    ..Query::default()
                },
            )
            .unwrap();
        response.matches.into_iter().map(|hit| hit.sign).collect()
    }
}

/// Lists the records of all images, oldest first.
pub fn list(engine: &Engine) -> Result<Vec<Record>, StoreError> {
    let query = ListQuery {
        limit: usize::MAX,
        ..ListQuery::default()
    };
    let page = engine.list(&query)?;
    Ok(page.images.into_iter().map(|image| image.record).collect())
}

pub fn add(engine: &Engine, image: PreparedImage, record: NewRecord) -> Result<Added, WriteError> {
    let (done, response) = mpsc::channel();
    engine.add(image, record, move |added| done.send(added).unwrap());
    response.recv().unwrap()
}

pub fn delete(engine: &Engine, targets: Vec<Target>) -> Result<Vec<Option<Sign>>, WriteError> {
    let (done, response) = mpsc::channel();
    engine.delete(targets, move |deleted| done.send(deleted).unwrap());
    response.recv().unwrap()
}
