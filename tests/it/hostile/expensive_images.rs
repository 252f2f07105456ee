//! Images that are small as files and expensive to decode: they delay no other tenant, and the
//! memory for decoding is bounded, whatever library they are for.

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{GrayImage, ImageBuffer, Luma, Rgb};
use samegate::proto::v1;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use sha2::{Digest, Sha256};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::support::gateway::Gateway;
use crate::support::images::small_png;
use crate::support::probe::{get, metric, until};
use crate::support::process::Process;

/// Makes a PNG of the maximum sides with 16 bits per channel, whose file is small.
fn expensive_png() -> Bytes {
    let image = ImageBuffer::from_pixel(4096, 4096, Rgb([30_000_u16, 40_000, 50_000]));
    let mut file = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Up);
    image.write_with_encoder(encoder).unwrap();
    assert!(file.len() < 1 << 20, "{} bytes", file.len());
    file.into()
}

/// Makes a PNG that has the same 16 rows of noise again and again: small as a file, and large as a JPEG.
fn repeated_noise() -> Bytes {
    let noise = |x: u32, y: u32| (x * 1024 + y % 16 + 1).wrapping_mul(2_654_435_761) >> 24;
    let image = GrayImage::from_fn(1024, 1024, |x, y| {
        Luma([u8::try_from(noise(x, y)).unwrap()])
    });
    let mut file = Vec::new();
    let (compression, filter) = (CompressionType::Best, FilterType::NoFilter);
    let encoder = PngEncoder::new_with_quality(&mut file, compression, filter);
    image.write_with_encoder(encoder).unwrap();
    assert!(file.len() < 56 << 10, "{} bytes", file.len());
    file.into()
}

/// Two tenants, each with an embedded library of its own below `folder`.
fn two_tenants(folder: &std::path::Path) -> String {
    let part = |tenant: &str| {
        let digest = Sha256::digest(tenant);
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let data = folder.join(tenant);
        format!(
            "[libraries.{tenant}]\nbackend = \"embedded\"\ndata_dir = {data:?}\n\
             [tenants.{tenant}]\nlibraries = [\"{tenant}\"]\napi_keys = [\"sha256:{hash}\"]\n"
        )
    };
    part("attacker") + &part("neighbour")
}

async fn search(
    mut client: SameImageServiceClient<Channel>,
    tenant: &'static str,
    image: Bytes,
) -> Result<(), Status> {
    let source = Some(v1::search_images_request::Source::Content(image));
    let mut request = Request::new(v1::SearchImagesRequest {
        source,
        ..Default::default()
    });
    // Long enough that no search is rejected for its deadline.
    request.set_timeout(std::time::Duration::from_mins(5));
    let metadata = request.metadata_mut();
    metadata.insert("x-api-key", tenant.parse().unwrap());
    client.search_images(request).await.map(drop)
}

#[tokio::test]
async fn a_queue_of_expensive_searches_does_not_delay_another_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let config = two_tenants(folder.path());
    let gateway = Gateway::in_folder(folder, &config).await;
    let (client, image) = (gateway.client().await, expensive_png());
    let cores = std::thread::available_parallelism().unwrap().get();
    let attack: Vec<_> = (0..10 * cores)
        .map(|_| tokio::spawn(search(client.clone(), "attacker", image.clone())))
        .collect();
    let waiting = async || {
        let name = "samegate_cpu_pool_waiting{class=\"search\"}";
        metric(gateway.addresses.admin, name).await.unwrap()
    };
    let queued = 8 * cores;
    until("the attack is queued", async || {
        waiting().await >= queued as f64
    })
    .await;

    search(client, "neighbour", small_png(1)).await.unwrap();

    // One job of each core may have ended before.
    let left = waiting().await;
    assert!(
        left >= (6 * cores) as f64,
        "{left} of {} are left",
        10 * cores
    );
    let (_, state) = get(gateway.addresses.admin, "/state").await;
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert!(
        state["cpu"]["search"]["running"].as_u64().unwrap() >= 1,
        "{state}"
    );
    attack.iter().for_each(tokio::task::JoinHandle::abort);
    until("the cancelled searches leave the queue", async || {
        waiting().await == 0.0
    })
    .await;
}

/// Memory of a process without any image, at the maximum.
const OVERHEAD_MIB: u64 = 100;

#[tokio::test]
async fn all_libraries_together_decode_within_the_configured_memory() {
    let folder = tempfile::tempdir().unwrap();
    let limits = "[limits]\nmax_decoded_bytes = \"256MiB\"\n";
    let process = Process::start(&(two_tenants(folder.path()) + limits)).await;
    let process = process.ready().await;
    let (client, image) = (process.client().await, expensive_png());
    let searches = ["attacker", "neighbour", "attacker", "neighbour"]
        .map(|tenant| tokio::spawn(search(client.clone(), tenant, image.clone())));

    for search in searches {
        search.await.unwrap().unwrap();
    }

    // Two at a time would need 300 MiB besides.
    let peak = process.peak_memory_mib();
    assert!(peak < 256 + OVERHEAD_MIB, "{peak} MiB");
}

#[tokio::test]
async fn the_preview_of_an_addition_counts_as_bytes_in_flight() {
    let add = async |preview_side: u32| {
        let folder = tempfile::tempdir().unwrap();
        // A tenant may have 200 KiB.
        let limits = "[limits]\nmax_message_bytes = \"64KiB\"\nmax_bytes_in_flight = \"1MiB\"\n\
             max_tenant_percent = 20\n";
        let tenants = two_tenants(folder.path());
        let library = "backend = \"embedded\"\n";
        let previews = format!("{library}preview_side = {preview_side}\n");
        let config = format!("{limits}{}", tenants.replace(library, &previews));
        let gateway = Gateway::in_folder(folder, &config).await;
        let source = Some(v1::add_image_request::Source::Content(repeated_noise()));
        let mut request = Request::new(v1::AddImageRequest {
            source,
            ..Default::default()
        });
        let key = "neighbour".parse().unwrap();
        request.metadata_mut().insert("x-api-key", key);
        gateway.client().await.add_image(request).await
    };

    let rejected = add(1024).await.unwrap_err();
    assert_eq!(rejected.code(), Code::ResourceExhausted, "{rejected:?}");
    assert!(rejected.message().contains("bytes"), "{rejected:?}");
    add(0).await.unwrap();
}
