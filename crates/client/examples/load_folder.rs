//! Loads a folder of pictures; a second run sends only what the first one has not.
//!
//! Usage: `load_folder HOST:PORT FOLDER`
//!
//! The file `.loaded` in the folder lists what is stored: what the gateway has acknowledged, which is
//! on its disk then.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::{env, error::Error, process::ExitCode};

use samegate_client::v1::AddImagesOptions;
use samegate_client::{Client, Image, Item};

const SUFFIXES: [&str; 8] = ["jpg", "jpeg", "png", "bmp", "webp", "gif", "tif", "tiff"];

/// Finds the pictures in a folder and below it, by their paths in it.
fn find(root: &Path) -> io::Result<Vec<String>> {
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let suffix = path.extension().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                folders.push(path);
            } else if SUFFIXES.contains(&suffix.to_lowercase().as_str()) {
                let name = path.strip_prefix(root).unwrap_or(&path);
                found.push(name.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [target, folder] = &arguments[..] else {
        panic!("usage: load_folder HOST:PORT FOLDER");
    };
    #[expect(clippy::disallowed_methods, reason = "the key of this program")]
    let key = env::var("SAMEGATE_API_KEY").unwrap_or_default();
    let folder = Path::new(folder).to_owned();
    let journal = folder.join(".loaded");
    let text = fs::read_to_string(&journal).unwrap_or_default();
    let stored: HashSet<&str> = text.lines().collect();
    let mut files = find(&folder)?;
    files.retain(|name| !stored.contains(name.as_str()));
    let total = files.len();
    println!("{total} to send, {} stored by earlier runs", stored.len());

    let samegate = Client::builder(target).api_key(key).connect().await?;
    let mut journal = OpenOptions::new().create(true).append(true).open(journal)?;
    // The client reads a file when the gateway has room for it.
    let items = files
        .into_iter()
        .map(move |name| Item::new(Image::file(folder.join(&name))).brief(name));
    let mut outcomes = samegate.add_all(items, AddImagesOptions::default());
    let (mut done, mut failed) = (0, 0);
    while let Some(outcome) = outcomes.next().await? {
        done += 1;
        if let Err(error) = outcome.result {
            failed += 1;
            eprintln!("{}: {error}", outcome.item.brief);
        } else {
            writeln!(journal, "{}", outcome.item.brief)?;
        }
        if done % 100 == 0 || done == total {
            println!("{done} of {total}, {failed} failed");
        }
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}
