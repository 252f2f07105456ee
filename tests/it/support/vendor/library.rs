//! The images of the fake vendor, and the four operations.
//!
//! Content decides identity: a sign is a hash of the bytes of the file. Two files are the same
//! image when they have the same size and their reductions to 64 × 64 pixels differ by up to 12 of
//! 255 on average, which is true for the generated test images when only their encoding differs.

use std::io::Cursor;

use bytes::Bytes;
use image::{ImageFormat, ImageReader, imageops};
use serde_json::{Value, json};

use super::form::{Form, Image};
use super::journal::Operation;

/// One stored image.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The file.
    pub image: Bytes,
    /// Its sign.
    pub cont_sign: String,
    /// Text stored with it.
    pub brief: String,
    /// Tags stored with it.
    pub tags: Vec<u16>,
    sketch: Sketch,
}

/// What a batch deletion with unknown signs does. The documentation does not say, so a client has
/// to support each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchDelete {
    /// Deletes the known ones; 216680 when there is none.
    #[default]
    WhatExists,
    /// Deletes nothing and returns 216680 when any is unknown.
    AllOrNothing,
    /// Deletes the known ones and always succeeds.
    AlwaysSucceeds,
}

/// All images in the order of adding.
#[derive(Debug, Default)]
pub(super) struct Library {
    pub(super) images: Vec<Stored>,
    pub(super) batch_delete: BatchDelete,
}

/// A rejection: code, message, and the stored image's sign with 216681.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) code: i64,
    pub(super) message: &'static str,
    pub(super) cont_sign: Option<String>,
    /// Set if it is a violation of the format.
    pub(super) violation: Option<String>,
}

/// An image reduced for comparison.
#[derive(Clone, Debug, PartialEq)]
struct Sketch {
    size: (u32, u32),
    pixels: Vec<u8>,
}

/// A checked image of a request.
struct RequestImage {
    image: Bytes,
    sketch: Sketch,
}

type Response<T = Value> = Result<T, Rejection>;

/// Minimum and maximum side of an image in pixels.
const SIDES: (u32, u32) = (50, 4096);
/// Width and height of a [`Sketch`].
const REDUCED: u32 = 64;
/// Maximum difference of the same image, on average per channel.
const MAX_DIFFERENCE: u64 = 12;
/// Maximum number of matches.
const MAX_MATCHES: usize = 1000;
const MAX_SIGNS: usize = 100;
const MAX_BRIEF: usize = 256;
const MAX_URL: usize = 1024;

// === impl Library ===

impl Library {
    /// Performs the operation of a call; `fetch` reads the image of a `url`.
    pub(super) fn serve(
        &mut self,
        operation: Operation,
        form: &Form,
        fetch: impl Fn(&str) -> Option<Bytes>,
    ) -> Response {
        let query_image = image(form, fetch)?.map(check).transpose()?;
        match operation {
            Operation::Add => self.add(query_image, form),
            Operation::Search => self.search(query_image, form),
            Operation::Update => self.update(query_image, form),
            Operation::Delete => self.delete(query_image, form),
            Operation::Token => Err(reject(3, "Unsupported openapi method")),
        }
    }

    fn add(&mut self, query_image: Option<RequestImage>, form: &Form) -> Response {
        let RequestImage { image, sketch } = query_image.ok_or_else(not_enough)?;
        let brief = brief(form)?.ok_or_else(|| reject(216_101, "param brief not exist"))?;
        let tags = tags(form)?.unwrap_or_default();
        let cont_sign = sign(&image);
        if self.find(&cont_sign).is_some() {
            let known = reject(216_681, "item has existed");
            return Err(Rejection {
                cont_sign: Some(cont_sign),
                ..known
            });
        }
        let response = json!({ "cont_sign": cont_sign });
        self.images.push(Stored {
            image,
            cont_sign,
            brief,
            tags,
            sketch,
        });
        Ok(response)
    }

    fn search(&self, query_image: Option<RequestImage>, form: &Form) -> Response {
        let query_image = query_image.ok_or_else(not_enough)?;
        let required = tags(form)?.unwrap_or_default();
        let any = match form.field("tag_logic") {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => return Err(reject(216_100, "invalid param")),
        };
        let start = number(form, "pn", 0, 0..=999)?;
        let count = number(form, "rn", 300, 1..=1000)?;

        let carries = |stored: &Stored| {
            let mut hits = required.iter().map(|tag| stored.tags.contains(tag));
            required.is_empty()
                || if any {
                    hits.any(|hit| hit)
                } else {
                    hits.all(|hit| hit)
                }
        };
        let mut matches: Vec<_> = self
            .images
            .iter()
            .filter(|stored| carries(stored) && stored.sketch.same(&query_image.sketch))
            .map(|stored| {
                (
                    if stored.image == query_image.image {
                        1.0
                    } else {
                        0.99
                    },
                    stored,
                )
            })
            .collect();
        // A stable sort: equal scores keep the order of adding.
        matches.sort_by(|(a, _), (b, _)| f64::total_cmp(b, a));
        matches.truncate(MAX_MATCHES);

        let (start, end) = (start.min(matches.len()), (start + count).min(matches.len()));
        let result: Vec<_> = matches[start..end]
            .iter()
            .map(|(score, stored)| json!({ "cont_sign": stored.cont_sign, "score": score, "brief": stored.brief }))
            .collect();
        Ok(json!({ "result_num": result.len(), "result": result, "has_more": end < matches.len() }))
    }

    fn update(&mut self, query_image: Option<RequestImage>, form: &Form) -> Response {
        let sign = match (query_image, form.field("cont_sign")) {
            (Some(query_image), _) => sign(&query_image.image),
            (None, Some(sign)) if sign.contains(';') => {
                return Err(reject(216_100, "invalid param"));
            }
            (None, Some(sign)) => sign.trim().to_owned(),
            (None, None) => return Err(not_enough()),
        };
        let (brief, tags) = (brief(form)?, tags(form)?);
        let at = self.find(&sign).ok_or_else(not_exist)?;
        let stored = &mut self.images[at];
        if let Some(brief) = brief {
            stored.brief = brief;
        }
        if let Some(tags) = tags {
            stored.tags = tags;
        }
        Ok(json!({}))
    }

    fn delete(&mut self, query_image: Option<RequestImage>, form: &Form) -> Response {
        let signs: Vec<String> = match (query_image, form.field("cont_sign")) {
            (Some(query_image), _) => vec![sign(&query_image.image)],
            (None, Some(text)) => text.split(';').map(|sign| sign.trim().to_owned()).collect(),
            (None, None) => return Err(not_enough()),
        };
        if signs.len() > MAX_SIGNS || signs.iter().any(String::is_empty) {
            return Err(reject(216_100, "invalid param"));
        }
        let known = signs
            .iter()
            .filter(|sign| self.find(sign).is_some())
            .count();
        let rejected = match self.batch_delete {
            BatchDelete::WhatExists => known == 0,
            BatchDelete::AllOrNothing => known < signs.len(),
            BatchDelete::AlwaysSucceeds => false,
        };
        if rejected {
            return Err(not_exist());
        }
        self.images
            .retain(|stored| !signs.contains(&stored.cont_sign));
        Ok(json!({}))
    }

    fn find(&self, sign: &str) -> Option<usize> {
        self.images
            .iter()
            .position(|stored| stored.cont_sign == sign)
    }
}

// === impl Sketch ===

impl Sketch {
    fn same(&self, other: &Sketch) -> bool {
        let pairs = self.pixels.iter().zip(&other.pixels);
        let difference: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        self.size == other.size && difference <= MAX_DIFFERENCE * self.pixels.len() as u64
    }
}

/// Returns the image of a request: `image` has priority over `url`.
fn image(form: &Form, fetch: impl Fn(&str) -> Option<Bytes>) -> Response<Option<Bytes>> {
    match (&form.image, form.field("url")) {
        (Image::Bytes(image), _) => Ok(Some(image.clone())),
        (Image::TooLong, _) => Err(reject(216_202, "image size error")),
        (Image::Undecodable, _) => Err(reject(216_203, "image size error")),
        (Image::Absent, None) => Ok(None),
        (Image::Absent, Some(url)) if url.is_empty() || url.len() > MAX_URL => {
            Err(reject(282_114, "url size error"))
        }
        (Image::Absent, Some(url))
            if !url.starts_with("http://") && !url.starts_with("https://") =>
        {
            Err(reject(282_111, "url format illegal"))
        }
        (Image::Absent, Some(url)) => {
            let image = fetch(url);
            image
                .map(Some)
                .ok_or_else(|| reject(282_113, "url response invalid"))
        }
    }
}

/// Checks and reduces an image.
fn check(image: Bytes) -> Response<RequestImage> {
    if image.is_empty() {
        return Err(reject(216_200, "empty image"));
    }
    let open = || ImageReader::new(Cursor::new(&image)).with_guessed_format();
    let reader = open().expect("reading from memory works");
    let known = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp];
    if !reader
        .format()
        .is_some_and(|format| known.contains(&format))
    {
        return Err(reject(216_201, "image format error"));
    }
    let broken = |_| reject(283_300, "image recognize error");
    let size = reader.into_dimensions().map_err(broken)?;
    if size.0.min(size.1) < SIDES.0 || size.0.max(size.1) > SIDES.1 {
        let mut rejection = reject(216_202, "image size error");
        rejection.violation = Some(format!("an image of {} x {} pixels", size.0, size.1));
        return Err(rejection);
    }
    let reader = open().expect("reading from memory works");
    let canvas = reader.decode().map_err(broken)?.into_rgb8();
    let pixels = imageops::thumbnail(&canvas, REDUCED, REDUCED).into_raw();
    let sketch = Sketch { size, pixels };
    Ok(RequestImage { image, sketch })
}

fn brief(form: &Form) -> Response<Option<String>> {
    let brief = form.field("brief");
    if brief.is_some_and(|brief| brief.len() > MAX_BRIEF) {
        return Err(reject(216_103, "brief too long"));
    }
    Ok(brief.map(str::to_owned))
}

/// Reads up to two tags of 1 to 65535; equal ones are valid, an empty field means none.
fn tags(form: &Form) -> Response<Option<Vec<u16>>> {
    let Some(text) = form.field("tags") else {
        return Ok(None);
    };
    if text.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let tags: Result<Vec<u16>, _> = text.split(',').map(str::parse).collect();
    tags.ok()
        .filter(|tags| tags.len() <= 2 && !tags.contains(&0))
        .map(Some)
        .ok_or_else(|| reject(216_100, "invalid param"))
}

fn number(
    form: &Form,
    name: &str,
    default: usize,
    range: std::ops::RangeInclusive<usize>,
) -> Response<usize> {
    let Some(text) = form.field(name) else {
        return Ok(default);
    };
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| reject(216_100, "invalid param"))
}

/// Returns two numbers from a hash of the content, joined by a comma.
fn sign(image: &[u8]) -> String {
    let hash = blake3::hash(image);
    let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
    let (left, right) = (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    );
    format!("{left},{right}")
}

fn not_enough() -> Rejection {
    reject(216_101, "not enough param")
}

fn not_exist() -> Rejection {
    reject(216_680, "item not exist")
}

pub(super) fn reject(code: i64, message: &'static str) -> Rejection {
    Rejection {
        code,
        message,
        cont_sign: None,
        violation: None,
    }
}
