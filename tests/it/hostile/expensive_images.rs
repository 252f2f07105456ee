//! Images that are small as files and expensive to decode: they delay no other tenant, and the
//! memory for decoding is bounded, whatever library they are for.

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageBuffer, Rgb};
use samegate::proto::v1;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use sha2::{Digest, Sha256};
use tonic::transport::Channel;
use tonic::{Request, Status};

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
