//! Prints the libraries that a key may use, each with the number of its images; errors in one line.
//!
//! Usage: `libraries HOST:PORT`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what the example prints"
)]

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use samegate_client::{Client, Error};

async fn print_libraries(target: &str) -> Result<(), Error> {
    #[expect(clippy::disallowed_methods, reason = "the key of this program")]
    let key = env::var("SAMEGATE_API_KEY").unwrap_or_default();
    let samegate = Client::builder(target)
        .api_key(key)
        .timeout(Duration::from_secs(10))
        .connect()
        .await?;
    for library in samegate.libraries().await?.libraries {
        let images = library.image_count.map(|count| count.to_string());
        println!("{} {}", library.library, images.as_deref().unwrap_or("?"));
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let target = env::args().nth(1).unwrap_or_default();
    match print_libraries(&target).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
