//! The contact sheet: one HTML file with the groups and their thumbnails, which needs no network.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use samegate_client::Client;

use super::groups::Group;
use crate::cli::failure::Failure;
use crate::cli::{output, records};
use crate::proto::v1;

/// Maximum number of images that are shown of a group.
const MAX_IMAGES: usize = 200;

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Duplicates</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; }
section { border-top: 1px solid #ccc; padding: 1em 0; }
div { display: flex; flex-wrap: wrap; gap: 1em; }
figure { margin: 0; width: 200px; }
img { max-width: 200px; max-height: 200px; border: 3px solid #c33; }
.keep img { border-color: #2a2; }
figcaption { overflow-wrap: anywhere; }
</style>
<h1>Duplicates</h1>
";

/// Writes the sheet; the thumbnails are read one by one, so memory does not grow with it.
pub(super) async fn write(path: &Path, groups: &[Group], client: &Client) -> Result<(), Failure> {
    let failure =
        |error: io::Error| Failure::local(format!("cannot write `{}`: {error}", path.display()));
    let mut file = BufWriter::new(File::create(path).map_err(failure)?);
    file.write_all(HEAD.as_bytes()).map_err(failure)?;
    for (number, group) in (1..).zip(groups) {
        let count = group.images.len();
        writeln!(
            file,
            "<section><h2>Group {number}: {count} images</h2><div>"
        )
        .map_err(failure)?;
        let scores = group.best_scores();
        for (position, image) in group.images.iter().enumerate().take(MAX_IMAGES) {
            let sign = image.cont_sign.as_str();
            // An image that was deleted meanwhile has no thumbnail.
            let stored = records::find(sign, client).await?;
            let thumbnail = stored.unwrap_or_default().thumbnail_jpeg;
            let score = scores.get(sign).copied().unwrap_or_default();
            let figure = figure(image, group.is_kept(position), score, &thumbnail);
            file.write_all(figure.as_bytes()).map_err(failure)?;
        }
        let left_out = count.saturating_sub(MAX_IMAGES);
        if left_out > 0 {
            writeln!(file, "<p>and {left_out} more</p>").map_err(failure)?;
        }
        file.write_all(b"</div></section>\n").map_err(failure)?;
    }
    file.flush().map_err(failure)
}

fn figure(image: &v1::Image, is_kept: bool, score: f64, thumbnail: &[u8]) -> String {
    let action = if is_kept { "keep" } else { "delete" };
    format!(
        "<figure class=\"{action}\"><img alt=\"\" src=\"data:image/jpeg;base64,{}\">\
         <figcaption><b>{action}</b> {}<br>{} × {}, {}, {:.1} %<br>{}</figcaption></figure>\n",
        STANDARD.encode(thumbnail),
        escaped(&image.brief),
        image.width,
        image.height,
        output::bytes(image.size_bytes),
        score * 100.0,
        escaped(&image.cont_sign),
    )
}

/// Escapes what HTML would read as markup.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            _ => safe.push(letter),
        }
    }
    safe
}
