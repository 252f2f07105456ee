//! Adds a picture and finds it by another one.
//!
//! Usage: `add_and_search HOST:PORT STORED QUERY`
#![allow(clippy::print_stdout, reason = "what the example prints")]

use std::env;
use std::path::Path;

use samegate_client::v1::{AddImageRequest, OnDuplicate, SearchImagesRequest};
use samegate_client::{Client, Error, Image};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [target, stored, query] = &arguments[..] else {
        panic!("usage: add_and_search HOST:PORT STORED QUERY");
    };
    #[expect(clippy::disallowed_methods, reason = "the key of this program")]
    let key = env::var("SAMEGATE_API_KEY").unwrap_or_default();
    let samegate = Client::builder(target).api_key(key).connect().await?;

    let name = Path::new(stored).file_name().unwrap_or_default();
    let mut options = AddImageRequest {
        brief: name.to_string_lossy().into_owned(),
        ..Default::default()
    };
    // It is no error then that the same bytes are stored already.
    options.set_on_duplicate(OnDuplicate::Accept);
    let added = samegate.add(Image::file(stored), options).await?;
    let when = if added.existed { "before" } else { "now" };
    println!("stored as {} {when}", added.cont_sign);

    let options = SearchImagesRequest {
        limit: 10,
        ..Default::default()
    };
    let found = samegate.search(Image::file(query), options).await?;
    for one in found.matches {
        let percent = one.score * 100.0;
        println!("{percent:.1}%  {}  {}", one.cont_sign, one.brief);
    }
    Ok(())
}
