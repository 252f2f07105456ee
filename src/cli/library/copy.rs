//! `samegate library copy`: all images of one library to another, each with all that is stored of it.
//!
//! Order of events: compare the libraries → read a page of images from one gateway, send it to the
//! other, until the last page → check that no page was lost, and compare a sample of the images byte
//! for byte. Both libraries may change meanwhile, which is no failure. No image file is needed. An
//! image that is there already is not added again, so the command can be repeated: after a kill, and
//! to bring what was added meanwhile.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use clap::{Args, builder::RangedU64ValueParser};
use same_image::{WholeImage, read_images};
use serde_json::json;

use super::progress::Progress;
use super::served::{RETRY_TIME, ServedLibrary};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::error::{Kind, chain};
use crate::library::image_page::{ImagePage, Insertion, MAX_PAGE_IMAGES, MAX_PAGE_SIGNS};

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate library copy http://127.0.0.1:9090/photos http://127.0.0.1:9090/posters
  samegate library copy http://old:9090/default http://new:9090/posters --replace

FROM and TO are libraries of running gateways, embedded or in OpenSearch, by the
admin port and the name in the configuration; it can be one gateway with both. Both
serve meanwhile. TO must exist: `samegate library init` makes an index, and a
gateway makes an embedded library when it starts.

Sign, brief, tags, sides, size, time, hashes, features and thumbnail are kept, so
both find the same images; previews too, unless TO is in OpenSearch. An image that
TO has already is not added again; if it has another brief or tags there, they stay,
or with --replace become those of FROM. Deletions are not copied. A copy that was
interrupted is run again, or continued with --after. At the end 100 images are
compared byte for byte.

Exit status: 0 every image of FROM, with --after those behind POSITION, was added to
TO or was there; 1 failed, or images of TO have another brief or other tags.";

/// Maximum number of images that are compared at the end.
const SAMPLE: usize = 100;
/// Maximum number of signs that are shown.
const MAX_SHOWN: usize = 10;

/// Flags of `samegate library copy`.
#[derive(Args, Debug)]
pub struct Copy {
    /// Library to read: `http://HOST:PORT/NAME`, with the admin port.
    #[arg(value_name = "FROM")]
    from: String,
    /// Library to add the images to.
    #[arg(value_name = "TO")]
    to: String,
    /// Replace brief and tags of images that TO has with others.
    #[arg(long)]
    replace: bool,
    /// Continue at this position, which a copy that failed has named.
    #[arg(long, value_name = "POSITION", default_value = "")]
    after: String,
    /// Maximum number of images of a request.
    #[arg(long, value_name = "N", default_value = "256", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_PAGE_IMAGES as u64))]
    page_images: usize,
    /// Print an object for programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// What was done so far.
#[derive(Default)]
struct Copied {
    added: u64,
    unchanged: u64,
    replaced: u64,
    kept: u64,
    /// The first signs of those.
    kept_signs: Vec<String>,
    sample: HashMap<String, (WholeImage, Insertion)>,
}

/// Copies the images, and compares what is there then.
pub(super) async fn run(args: Copy, output: &mut Output) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let from = ServedLibrary::parse(&args.from)?;
    let to = ServedLibrary::parse(&args.to)?;
    let source = from.describe(Duration::ZERO).await?;
    check(&source, &to.describe(Duration::ZERO).await?)?;
    let mut copied = Copied::default();
    let mut progress = Progress::start("images", args.json, output);
    let mut after = args.after.clone();
    let last = loop {
        let page = copied
            .page(&args, (&from, &to), &after)
            .await
            .map_err(|failure| with_position(failure, &after))?;
        progress.update(copied.images(), source.total);
        match page.next {
            Some(next) => after = next,
            None => break page,
        }
    };
    drop(progress);
    if args.after.is_empty() {
        // At the last page: images that are added after it are none of this copy.
        copied.check_number(&from, source.total.min(last.total))?;
    }
    let compared = copied.compare(&from, &to).await?;
    let target = to.describe(RETRY_TIME).await?;
    if args.json {
        output.json(&json!({
            "added": copied.added,
            "unchanged": copied.unchanged,
            "replaced": copied.replaced,
            "kept": copied.kept,
            "kept_cont_signs": copied.kept_signs,
            "compared": compared,
            "from_image_count": last.total,
            "to_image_count": target.total,
            "seconds": begin.elapsed().as_secs_f64(),
        }));
    } else {
        show(
            &copied,
            compared,
            (&from, last.total),
            (&to, target.total),
            output,
        );
    }
    match copied.kept {
        0 => Ok(Exit::Done),
        _ => Ok(Exit::Failed),
    }
}

fn check(source: &ImagePage, target: &ImagePage) -> Result<(), Failure> {
    if source.library == target.library {
        return Err(Failure::local("FROM and TO are the same library"));
    }
    if target.capacity < source.total {
        let message = format!(
            "FROM has {} images, and TO takes up to {}",
            source.total, target.capacity
        );
        let failure = Failure::of_kind(Kind::LibraryFull, message);
        return Err(failure.with_advice("raise `capacity` of TO in the configuration"));
    }
    Ok(())
}

fn with_position(failure: Failure, after: &str) -> Failure {
    if after.is_empty() {
        return failure;
    }
    let failure = failure.with_metadata("position", after);
    failure.with_advice(format!("continue with --after {after}, or run it again"))
}

fn show(
    copied: &Copied,
    compared: usize,
    (from, from_total): (&ServedLibrary, u64),
    (to, to_total): (&ServedLibrary, u64),
    output: &mut Output,
) {
    output.line(&format!(
        "{} images added, {} were there, {} got brief and tags of FROM; {compared} compared byte for \
         byte",
        copied.added,
        copied.unchanged + copied.kept,
        copied.replaced,
    ));
    output.line(&format!("{}: {from_total} images", from.name));
    output.line(&format!("{}: {to_total} images", to.name));
    if copied.kept > 0 {
        output.note(&format!(
            "{} images have another brief or other tags in TO, which stay: {}{}\n  --replace sets \
             those of FROM",
            copied.kept,
            copied.kept_signs.join(" "),
            if copied.kept > MAX_SHOWN as u64 {
                " …"
            } else {
                ""
            },
        ));
    }
}

// === impl Copied ===

impl Copied {
    fn images(&self) -> u64 {
        self.added + self.unchanged + self.replaced + self.kept
    }

    /// Copies one page, and returns it.
    async fn page(
        &mut self,
        args: &Copy,
        (from, to): (&ServedLibrary, &ServedLibrary),
        after: &str,
    ) -> Result<ImagePage, Failure> {
        let page = from.page(after, args.page_images).await?;
        let images = decoded(from, &page)?;
        if images.is_empty() {
            return Ok(page);
        }
        let insertions = to.insert(&page.images, args.replace).await?;
        if insertions.len() != images.len() {
            let message = format!("{}: its response has not every image", to.name);
            return Err(Failure::local(message));
        }
        for (image, insertion) in images.into_iter().zip(insertions) {
            self.record(image, insertion);
        }
        Ok(page)
    }

    fn record(&mut self, image: WholeImage, insertion: Insertion) {
        let sign = image.sign.to_string();
        match insertion {
            Insertion::Added => self.added += 1,
            Insertion::Unchanged => self.unchanged += 1,
            Insertion::Replaced => self.replaced += 1,
            Insertion::Kept => {
                self.kept += 1;
                if self.kept_signs.len() < MAX_SHOWN {
                    self.kept_signs.push(sign);
                }
                return;
            }
        }
        // Each image is in the sample with the same probability (reservoir sampling).
        if self.sample.len() < SAMPLE {
            self.sample.insert(sign, (image, insertion));
            return;
        }
        let place = RandomState::new().hash_one(&sign) % self.images();
        let replaced = (0..).zip(self.sample.keys()).find(|(at, _)| *at == place);
        if let Some((_, replaced)) = replaced {
            let replaced = replaced.clone();
            self.sample.remove(&replaced);
            self.sample.insert(sign, (image, insertion));
        }
    }

    /// Checks that at least so many images were read. Images that were deleted meanwhile are more.
    fn check_number(&self, from: &ServedLibrary, expected: u64) -> Result<(), Failure> {
        if self.images() >= expected {
            return Ok(());
        }
        let message = format!(
            "{} has {expected} images, of which {} were read",
            from.name,
            self.images()
        );
        let advice = "were some added with an earlier time? run it again";
        Err(Failure::local(message).with_advice(advice))
    }

    /// Compares the sample with what the library has that it was copied to; returns its number of
    /// images. One that is deleted by now, or has another brief or tags, is compared with what it was
    /// copied from: users change both.
    async fn compare(&self, from: &ServedLibrary, to: &ServedLibrary) -> Result<usize, Failure> {
        let signs: Vec<String> = self.sample.keys().cloned().collect();
        let stored = images_of(to, &signs).await?;
        let others = self
            .sample
            .iter()
            .filter(|(sign, (sent, insertion))| !is_copy(sent, *insertion, stored.get(*sign)));
        let others: Vec<String> = others.map(|(sign, _)| sign.clone()).collect();
        for (sign, now) in images_of(from, &others).await? {
            let Some((sent, insertion)) = self.sample.get(&sign) else {
                continue;
            };
            let sent = WholeImage {
                brief: now.brief,
                tags: now.tags,
                ..sent.clone()
            };
            if !is_copy(&sent, *insertion, stored.get(&sign)) {
                let message = format!("{}: image {sign} is not what was copied", to.name);
                let advice = "was it changed or deleted there meanwhile? copy again";
                return Err(Failure::local(message).with_advice(advice));
            }
        }
        Ok(signs.len())
    }
}

/// Returns whether a stored image is the one that was sent.
fn is_copy(sent: &WholeImage, insertion: Insertion, stored: Option<&WholeImage>) -> bool {
    let Some(stored) = stored else {
        return false;
    };
    match insertion {
        // An index stores no previews.
        Insertion::Added if stored.preview.is_empty() => {
            let preview = Vec::new();
            *stored
                == WholeImage {
                    preview,
                    ..sent.clone()
                }
        }
        Insertion::Added => stored == sent,
        // Another time, and features of another version, belong to the image there.
        Insertion::Unchanged | Insertion::Replaced | Insertion::Kept => {
            stored.image.content == sent.image.content
                && (&stored.brief, &stored.tags) == (&sent.brief, &sent.tags)
        }
    }
}

/// Reads images by their signs; those that are not stored are left out.
async fn images_of(
    library: &ServedLibrary,
    signs: &[String],
) -> Result<HashMap<String, WholeImage>, Failure> {
    let mut images = HashMap::new();
    for signs in signs.chunks(MAX_PAGE_SIGNS) {
        let page = decoded(library, &library.images_of(signs).await?)?;
        images.extend(
            page.into_iter()
                .map(|image| (image.sign.to_string(), image)),
        );
    }
    Ok(images)
}

fn decoded(library: &ServedLibrary, page: &ImagePage) -> Result<Vec<WholeImage>, Failure> {
    let read = read_images(&page.images, MAX_PAGE_IMAGES)
        .map_err(|error| Failure::local(format!("{}: {}", library.name, chain(&error))))?;
    Ok(read.1)
}
