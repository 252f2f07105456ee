//! `samegate list`, `get` and `library`: the contents of an embedded library.

use std::path::{Path, PathBuf};

use clap::Args;
use samegate_client::Client;
use serde_json::{Value, json};

use super::client::LibraryTarget;
use super::exit::Exit;
use super::failure::Failure;
use super::filter::Filter;
use super::output::{self, Output};
use crate::error::Kind;
use crate::proto::v1;

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  samegate list
  samegate list --newest --limit 20
  samegate list --tag 7 --tag 8 --any-tag --since 7d
  samegate list --brief invoice --since 2026-01-01 --before 2026-02-01
  samegate list --json | jq -r .cont_sign";

pub(super) const GET_EXAMPLES: &str = "\
Examples:
  samegate get 1122334455,66778899
  samegate get 1122334455,66778899 --thumbnail small.jpg
  samegate get 1122334455,66778899 --preview large.jpg";

/// Maximum page size in the contract (`ListImagesRequest.page_size`).
pub(super) const PAGE_SIZE: u32 = 1000;

/// Flags of `samegate list`.
#[derive(Args, Debug)]
pub struct List {
    /// Maximum number of images to list [default: all].
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// List the last added image first.
    #[arg(long)]
    newest: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// Flags of `samegate get`.
#[derive(Args, Debug)]
pub struct Get {
    /// Sign of the image.
    #[arg(value_name = "SIGN")]
    sign: String,
    /// Write the image's thumbnail, a JPEG, to this file.
    #[arg(long, value_name = "OUT")]
    thumbnail: Option<PathBuf>,
    /// Write the image's preview, a larger JPEG, to this file.
    #[arg(long, value_name = "OUT")]
    preview: Option<PathBuf>,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// Lists the library page by page, so that memory use does not grow with it.
pub(super) async fn list(args: List, output: &mut Output) -> Result<Exit, Failure> {
    let client = args.target.client().await?;
    let mut remaining = args.limit.unwrap_or(usize::MAX);
    let mut page_token = String::new();
    let mut is_first = true;
    let order = if args.newest {
        v1::ListOrder::NewestFirst
    } else {
        v1::ListOrder::OldestFirst
    };
    while remaining > 0 && !output.has_failed() {
        let request = v1::ListImagesRequest {
            page_size: u32::try_from(remaining).map_or(PAGE_SIZE, |left| left.min(PAGE_SIZE)),
            page_token,
            filter: Some(args.filter.message()),
            order: order.into(),
            ..Default::default()
        };
        let page = client.page(request).await?;
        remaining = remaining.saturating_sub(page.images.len());
        if args.target.connection.json {
            for image in &page.images {
                output.json(&to_json(image));
            }
        } else {
            show_page(&page.images, is_first, output);
        }
        is_first = false;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(Exit::Done)
}

/// Shows one record.
pub(super) async fn get(args: Get, output: &mut Output) -> Result<Exit, Failure> {
    let client = args.target.client().await?;
    let image = if args.preview.is_some() {
        client.get_with_preview(args.sign).await?
    } else {
        client.get(args.sign).await?
    };

    if let Some(path) = args.thumbnail {
        write_jpeg(&path, &image.thumbnail_jpeg)?;
    }
    if let Some(path) = args.preview {
        if image.preview_jpeg.is_empty() {
            return Err(Failure::local("the library has no preview of this image"));
        }
        write_jpeg(&path, &image.preview_jpeg)?;
    }
    if args.target.connection.json {
        output.json(&to_json(&image));
        return Ok(Exit::Done);
    }
    show_fields(
        [
            ("sign", image.cont_sign.clone()),
            ("brief", image.brief.clone()),
            ("tags", output::tags(&image.tags)),
            ("pixels", format!("{} x {}", image.width, image.height)),
            ("size", output::bytes(image.size_bytes)),
            ("added", added(&image)),
        ],
        output,
    );
    Ok(Exit::Done)
}

fn write_jpeg(path: &Path, jpeg: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, jpeg)
        .map_err(|error| Failure::local(format!("cannot write `{}`: {error}", path.display())))
}

/// Reads a record with its thumbnail; `None` if no such image is stored.
pub(super) async fn find(sign: &str, client: &Client) -> Result<Option<v1::Image>, Failure> {
    match client.get(sign).await.map_err(Failure::from) {
        Ok(image) => Ok(Some(image)),
        Err(failure) if failure.kind() == Some(Kind::ImageNotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Shows the size and capacity of the library.
pub(super) async fn library(target: LibraryTarget, output: &mut Output) -> Result<Exit, Failure> {
    let library = target.client().await?.info().await?;

    if target.connection.json {
        output.json(&json!({
            "library": library.library,
            "id": library.id,
            "image_count": library.image_count,
            "image_capacity": library.image_capacity,
            "size_bytes": library.size_bytes,
        }));
        return Ok(Exit::Done);
    }
    show_fields(
        [
            ("library", library.library),
            ("id", library.id),
            ("images", library.image_count.to_string()),
            ("capacity", library.image_capacity.to_string()),
            ("size", output::bytes(library.size_bytes)),
        ],
        output,
    );
    Ok(Exit::Done)
}

fn show_fields<const N: usize>(fields: [(&str, String); N], output: &mut Output) {
    let rows = fields.map(|(name, value)| vec![name.to_owned(), value]);
    output.line(&output::table(&rows));
}

fn show_page(images: &[v1::Image], with_header: bool, output: &mut Output) {
    let mut rows = Vec::with_capacity(images.len() + 1);
    if with_header {
        let header = ["SIGN", "PIXELS", "SIZE", "ADDED", "TAGS", "BRIEF"];
        rows.push(header.map(str::to_owned).to_vec());
    }
    for image in images {
        rows.push(vec![
            image.cont_sign.clone(),
            format!("{}x{}", image.width, image.height),
            output::bytes(image.size_bytes),
            added(image),
            output::tags(&image.tags),
            image.brief.clone(),
        ]);
    }
    if !rows.is_empty() {
        output.line(&output::table(&rows));
    }
}

pub(super) fn to_json(image: &v1::Image) -> Value {
    json!({
        "cont_sign": image.cont_sign,
        "brief": image.brief,
        "tags": image.tags,
        "width": image.width,
        "height": image.height,
        "size_bytes": image.size_bytes,
        "add_time": added(image),
    })
}

/// Returns when the image was added, as RFC 3339 in UTC; empty when unknown.
pub(super) fn added(image: &v1::Image) -> String {
    image
        .add_time
        .as_ref()
        .map_or_else(String::new, ToString::to_string)
}
