//! The manifest: one JSON object per line, each naming one image by path, URL or sign.
//!
//! All invalid lines are reported before anything is sent.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::file_finder::FileFinder;
use super::plan::{Item, Location, Plan};
use super::source;
use crate::cli::failure::Failure;
use crate::cli::image::fit_brief;

/// Maximum number of errors that are shown.
const MAX_SHOWN_ERRORS: usize = 10;

/// One line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestLine {
    path: Option<String>,
    url: Option<String>,
    brief: Option<String>,
    #[serde(default)]
    tags: Vec<u32>,
    key: Option<String>,
    cont_sign: Option<String>,
    // Other fields of an exported line: facts of the image, which the file has too.
    #[serde(rename = "width")]
    _width: Option<IgnoredAny>,
    #[serde(rename = "height")]
    _height: Option<IgnoredAny>,
    #[serde(rename = "size_bytes")]
    _size_bytes: Option<IgnoredAny>,
    #[serde(rename = "add_time")]
    _add_time: Option<IgnoredAny>,
}

/// Reads a manifest; `tags` apply to lines without tags, and `finder` finds the files of images that
/// are named by sign. An image without a file is unusable.
///
/// # Errors
///
/// When the file cannot be read, or has invalid lines: all in one failure.
pub(super) fn read(
    path: &Path,
    tags: &[u32],
    mut finder: Option<FileFinder>,
) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::local(format!(
            "cannot read the manifest `{}`: {error}",
            path.display()
        ))
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));

    let mut plan = Plan::default();
    let mut errors = Vec::new();
    let mut lines_by_key = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let number = index + 1;
        let item = match parse(line, folder, tags, finder.as_mut()) {
            Ok(item) => item,
            Err(LineError::NoFile(sign)) => {
                let failure = Failure::local("no file with this content is in --files");
                plan.unusable.push((sign, failure));
                continue;
            }
            Err(LineError::Failed(failure)) => return Err(failure),
            Err(LineError::Invalid(error)) => {
                errors.push(format!("line {number}: {error}"));
                continue;
            }
        };
        if let Some(first) = lines_by_key.insert(item.key.clone(), number) {
            errors.push(format!(
                "line {number}: key `{}` is already used in line {first}",
                item.key
            ));
            continue;
        }
        plan.push(item);
    }
    if errors.is_empty() {
        return Ok(plan);
    }
    Err(invalid(path, &errors))
}

/// Why a line names no image to send.
enum LineError {
    Invalid(String),
    /// No file has the content of this sign.
    NoFile(String),
    /// The files cannot be read.
    Failed(Failure),
}

fn parse(
    line: &str,
    folder: &Path,
    tags: &[u32],
    finder: Option<&mut FileFinder>,
) -> Result<Item, LineError> {
    let line: ManifestLine = serde_json::from_str(line).map_err(|error| {
        // The parser sees one line, so its line number would be wrong.
        LineError::Invalid(error.to_string().replace(" at line 1 column", " at column"))
    })?;
    let (location, name) = match (line.path, line.url, line.cont_sign) {
        (Some(path), None, _) => (Location::File(folder.join(&path)), path),
        (None, Some(url), _) => (Location::Url(url.clone()), url),
        (None, None, Some(sign)) => {
            let path = find(&sign, finder)?;
            let name = source::text_of(&path);
            (Location::File(path), name)
        }
        _ => {
            let error = "give either `path` or `url`".to_owned();
            return Err(LineError::Invalid(error));
        }
    };
    let tags = if line.tags.is_empty() {
        tags.to_vec()
    } else {
        line.tags
    };
    Ok(Item {
        brief: line.brief.unwrap_or_else(|| fit_brief(&name)),
        key: line.key.unwrap_or(name).into(),
        location,
        tags,
    })
}

fn find(sign: &str, finder: Option<&mut FileFinder>) -> Result<PathBuf, LineError> {
    let Some(finder) = finder else {
        let error = "give --files for an image that is named by `cont_sign`".to_owned();
        return Err(LineError::Invalid(error));
    };
    let found = finder.find(sign).map_err(LineError::Failed)?;
    found.ok_or_else(|| LineError::NoFile(sign.to_owned()))
}

fn invalid(path: &Path, errors: &[String]) -> Failure {
    let mut message = format!("the manifest `{}` is invalid", path.display());
    for error in errors.iter().take(MAX_SHOWN_ERRORS) {
        message.push_str(&format!("\n  {error}"));
    }
    if errors.len() > MAX_SHOWN_ERRORS {
        message.push_str(&format!("\n  and {} more", errors.len() - MAX_SHOWN_ERRORS));
    }
    Failure::local(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_of(text: &str) -> Result<Plan, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.jsonl");
        std::fs::write(&path, text).unwrap();
        read(&path, &[9], None).map_err(|failure| failure.to_string())
    }

    #[test]
    fn missing_fields_of_a_line_default_to_the_path_and_the_flags() {
        let plan = plan_of(
            "{\"path\":\"sub/a.jpg\"}\n\n\
             {\"url\":\"http://h/b.png\",\"brief\":\"b\",\"tags\":[1,2],\"key\":\"k\"}\n",
        )
        .unwrap();

        let [first, second] = &plan.items[..] else {
            panic!("{} items", plan.items.len())
        };
        assert_eq!((&*first.key, &*first.brief), ("sub/a.jpg", "sub/a.jpg"));
        assert_eq!(first.tags, [9]);
        assert!(matches!(&first.location, Location::File(path) if path.ends_with("sub/a.jpg")));
        assert_eq!((&*second.key, &*second.brief), ("k", "b"));
        assert_eq!(second.tags, [1, 2]);
        assert!(matches!(&second.location, Location::Url(url) if url == "http://h/b.png"));
    }

    #[test]
    fn an_exported_line_finds_its_file_by_content() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("sub/renamed.jpg"), "").unwrap();
        let manifest = folder.path().join("m.jsonl");
        // The first 64 bits of the published BLAKE3 test vector for the empty input.
        let sign = format!("{},{}", 0xaf13_49b9_u32, 0xf5f9_a1a6_u32);
        let facts =
            "\"width\":3,\"height\":4,\"size_bytes\":0,\"add_time\":\"2026-01-01T00:00:00Z\"";
        let lines = [&*sign, "1,2"].map(|sign| {
            format!("{{\"cont_sign\":\"{sign}\",\"brief\":\"b\",\"tags\":[1],{facts}}}\n")
        });
        std::fs::write(&manifest, lines.concat()).unwrap();

        let finder = FileFinder::new(folder.path(), false);
        let plan = read(&manifest, &[], Some(finder)).unwrap();

        let [item] = &plan.items[..] else {
            panic!("{} items", plan.items.len())
        };
        assert_eq!((&*item.brief, &item.tags[..]), ("b", &[1][..]));
        assert!(
            matches!(&item.location, Location::File(path) if path.ends_with("sub/renamed.jpg"))
        );
        assert_eq!(plan.unusable.len(), 1, "no file is 1,2");
        assert_eq!(plan.unusable[0].0, "1,2");
        let without_files = read(&manifest, &[], None).unwrap_err().to_string();
        assert!(without_files.contains("--files"), "{without_files}");
    }

    #[test]
    fn every_invalid_line_is_reported() {
        let error = plan_of(
            "{\"path\":\"a\",\"url\":\"http://h/a\"}\n{}\n{\"path\":\"a\",\"breif\":\"x\"}\n\
             {\"path\":\"b\"}\n{\"path\":\"b\"}\n",
        )
        .unwrap_err();

        for line in [
            "line 1: give",
            "line 2: give",
            "line 3: unknown field",
            "line 5: key `b`",
        ] {
            assert!(error.contains(line), "{line} in {error}");
        }
        assert!(!error.contains("line 4:"), "{error}");
    }
}
