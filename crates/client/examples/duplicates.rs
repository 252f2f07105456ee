//! Prints the groups of same pictures, and the cursor for the next run.
//!
//! Usage: `duplicates HOST:PORT [CURSOR]`
#![allow(clippy::print_stdout, reason = "what the example prints")]

use std::env;

use samegate_client::v1::FindDuplicatesRequest;
use samegate_client::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = env::args().skip(1);
    let target = arguments.next().unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "the key of this program")]
    let key = env::var("SAMEGATE_API_KEY").unwrap_or_default();
    let samegate = Client::builder(target).api_key(key).connect().await?;

    let mut duplicates = samegate.find_duplicates(FindDuplicatesRequest {
        min_score: 0.8,
        cursor: arguments.next().unwrap_or_default(),
        ..Default::default()
    });
    while let Some(group) = duplicates.next().await? {
        let pixels = group.images.iter().map(|image| image.width * image.height);
        let largest = pixels.zip(&group.images).max_by_key(|(pixels, _)| *pixels);
        if let Some((_, image)) = largest {
            let (count, sign) = (group.images.len(), &image.cont_sign);
            println!("{count} pictures; the largest is {sign} {}", image.brief);
        }
        for pair in &group.pairs {
            println!("  {:.1}%  {}  {}", pair.score * 100.0, pair.a, pair.b);
        }
    }
    let (compared, cursor) = (duplicates.compared(), duplicates.cursor());
    println!("compared {compared}; next time from {cursor}");
    Ok(())
}
