//! The HTTP part of L*: posts bodies that are ready.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;

use crate::{Result, kernel, picture};

/// Posts the form of a picture, or of a deletion for size 0, and prints the CPU time of a call.
pub async fn run(
    vendor: &str,
    token: &str,
    size: usize,
    concurrency: usize,
    time: Duration,
) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let (operation, body) = match size {
        0 => ("delete", Bytes::from_static(b"cont_sign=1%2C2")),
        _ => {
            let text = kernel::encode(&picture::of_size(size), &kernel::table());
            (
                "add",
                [b"image=".as_slice(), &text, b"&brief=b"].concat().into(),
            )
        }
    };
    let path = "rest/2.0/realtime_search/same_hq";
    let uri: http::Uri = format!("{vendor}/{path}/{operation}?access_token={token}").parse()?;
    let (begin, before) = (Instant::now(), kernel::cpu_us()?);
    let mut callers = JoinSet::new();
    for _ in 0..concurrency {
        let (client, uri, body) = (client.clone(), uri.clone(), body.clone());
        callers.spawn(async move {
            let mut calls = 0;
            while begin.elapsed() < time {
                let request = Request::post(uri.clone())
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(Full::new(body.clone()))?;
                let response = client.request(request).await?.into_body().collect().await?;
                let response = response.to_bytes();
                // The status is 200 in any case.
                if response.windows(10).any(|part| part == b"error_code") {
                    return Err(String::from_utf8_lossy(&response).into());
                }
                calls += 1;
            }
            Result::Ok(calls)
        });
    }
    let mut calls = 0;
    while let Some(caller) = callers.join_next().await {
        calls += caller??;
    }
    kernel::print(calls, kernel::cpu_us()? - before);
    Ok(())
}
