//! The manifest: one JSON object per line, each naming one image.
//!
//! All invalid lines are reported before anything is sent.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::plan::{Item, Location, Plan};
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
}

/// Reads a manifest; `tags` apply to lines without tags.
///
/// # Errors
///
/// When the file cannot be read, or has invalid lines: all in one failure.
pub(super) fn read(path: &Path, tags: &[u32]) -> Result<Plan, Failure> {
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
        let item = match parse(line, folder, tags) {
            Ok(item) => item,
            Err(error) => {
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

fn parse(line: &str, folder: &Path, tags: &[u32]) -> Result<Item, String> {
    let line: ManifestLine = serde_json::from_str(line).map_err(|error| {
        // The parser sees one line, so its line number would be wrong.
        error.to_string().replace(" at line 1 column", " at column")
    })?;
    let (location, name) = match (line.path, line.url) {
        (Some(path), None) => (Location::File(folder.join(&path)), path),
        (None, Some(url)) => (Location::Url(url.clone()), url),
        _ => return Err("give either `path` or `url`".to_owned()),
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
        read(&path, &[9]).map_err(|failure| failure.to_string())
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
