//! Asks the admin port of a running gateway for a backup of one of its libraries.

use std::io::Write;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url};

use super::progress::Progress;
use crate::cli::failure::{Failure, last_cause};

/// Maximum time to establish a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time without a byte; the gateway itself waits a minute for a client.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Writes the backup of a library to `out` while it arrives.
pub(super) async fn fetch_backup(
    admin: &str,
    library: &str,
    out: &mut impl Write,
    progress: &mut Progress<'_>,
) -> Result<(), Failure> {
    let mut response = request(admin, library).await?;
    let mut done = 0;
    while let Some(chunk) = response.chunk().await.map_err(|error| {
        Failure::local(format!("the backup ended early: {}", last_cause(&error)))
            .with_advice("see the gateway's log")
    })? {
        out.write_all(&chunk)
            .map_err(|error| Failure::local(format!("cannot write the backup: {error}")))?;
        done += chunk.len() as u64;
        progress.update(done, 0);
    }
    Ok(())
}

async fn request(admin: &str, library: &str) -> Result<Response, Failure> {
    let url = Url::parse(admin).ok().filter(|url| url.scheme() == "http");
    let mut url = url.ok_or_else(|| {
        Failure::local(format!("--admin: `{admin}` is not an address"))
            .with_advice("give http://HOST:PORT")
    })?;
    url.set_path(&format!("/libraries/{library}/backup"));
    // The admin port is on this machine or in its network, never behind a proxy.
    let client = Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(|error| Failure::local(last_cause(&error)))?;
    let response = client.post(url).send().await.map_err(|error| {
        Failure::local(format!("cannot reach {admin}: {}", last_cause(&error)))
            .with_advice("is `samegate serve` running? is --admin its admin port?")
    })?;
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    let status = response.status();
    let message = response.text().await.unwrap_or_default();
    let message = message.trim().lines().next().unwrap_or_default().to_owned();
    Err(Failure::local(format!(
        "the gateway responded {status}: {message}"
    )))
}
