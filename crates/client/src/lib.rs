//! A client of [samegate](https://github.com/samegate/samegate): finds the images of a library that
//! are wholly or partly the same as another image.
//!
//! [`Client`] has a method for each of the gateway's, with credentials, TLS, deadlines, retries and a
//! typed [`Error`]. Bulk loads, bulk searches and searches for duplicates go on after broken
//! connections, drains and killed gateways. Requests and responses are the messages of the contract,
//! in [`v1`]: what a request does not set has the contract's default.
//!
//! ```
//! use std::path::Path;
//!
//! use samegate_client::v1::{AddImageRequest, SearchImagesRequest};
//! use samegate_client::{Client, Image};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # // A gateway with an embedded library, and a picture.
//! # let folder = tempfile::tempdir()?;
//! # let free = Some("127.0.0.1:0".parse()?);
//! # let data = Some(folder.path().join("data"));
//! # let overrides = samegate::config::Overrides { data, grpc: free, rest: free, admin: free };
//! # let config = samegate::config::load(None, &Default::default(), &overrides).expect("defaults");
//! # let app = samegate::app::App::bind(&config).await.map_err(|error| error.to_string())?;
//! # let address = app.addresses().grpc.to_string();
//! # tokio::spawn(app.run(std::future::pending()));
//! # let poster = folder.path().join("poster.png");
//! # let pixel = |x: u32, y: u32| image::Rgb([(x ^ y) as u8, (x * y / 16) as u8, (x + 2 * y) as u8]);
//! # image::RgbImage::from_fn(300, 200, pixel).save(&poster)?;
//! # let key = "";
//! let samegate = Client::builder(address).api_key(key).connect().await?;
//! let options = AddImageRequest { brief: "poster 7".into(), ..Default::default() };
//! let added = samegate.add(Image::file(&poster), options).await?;
//!
//! let options = SearchImagesRequest { limit: 10, ..Default::default() };
//! for found in samegate.search(Image::file(&poster), options).await?.matches {
//!     println!("{:.1} %  {}", found.score * 100.0, found.brief);
//! #   assert_eq!(found.cont_sign, added.cont_sign);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Retries
//!
//! `RESOURCE_EXHAUSTED` of the gateway was not carried out, so every call is sent again; without a
//! reason it is gRPC's own, and only idempotent calls are. `UNAVAILABLE` may have been carried out:
//! idempotent calls are sent again, which are reads, searches, comparisons and updates, and others
//! only where there was no connection at all. The client waits for as long as the gateway says, and
//! at least for an exponential backoff from 0.2 s to 5 s; not beyond the deadline of the call.
//!
//! # Cost
//!
//! A client is one HTTP/2 connection, which clones share.

mod backoff;
mod bearer;
mod builder;
mod bulk;
mod call;
mod client;
mod duplicates;
mod error;
mod image;
mod listing;
mod settings;
mod tls;

pub use tonic::Code;
pub use tonic_health::pb::health_check_response::ServingStatus;

pub use self::backoff::retry_delay;
pub use self::builder::Builder;
pub use self::bulk::{Added, Found, Item, Outcome, Outcomes};
pub use self::client::Client;
pub use self::duplicates::Duplicates;
pub use self::error::{Error, LoadError, Violation, code_name};
pub use self::image::Image;
pub use self::listing::Images;
pub use self::tls::Tls;

/// Messages and generated client of the package `samegate.v1`, documented in the proto file.
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated"
)]
#[allow(missing_docs, reason = "the contract documents what needs it")]
pub mod v1 {
    tonic::include_proto!("samegate.v1");
}
