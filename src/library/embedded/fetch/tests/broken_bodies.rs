//! A host whose responses break off is asked twice at most.

use std::collections::VecDeque;

use super::*;
use crate::admission::{CallPermit, Class, InFlightBudget};

/// A web server that declares the length of an image and sends a part of it to each client.
struct Host {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Host {
    /// Sends these numbers of bytes, one for each request; after the last it only waits.
    async fn sending(image: &[u8], parts: &[usize]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, image) = (Arc::<Mutex<Vec<String>>>::default(), image.to_vec());
        let (seen, mut parts) = (Arc::clone(&heads), VecDeque::from(parts.to_vec()));
        tokio::spawn(async move {
            while let Some(part) = parts.pop_front() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", image.len());
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(&image[..part]).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        Host { address, heads }
    }

    async fn fetch(&self, call: &Call) -> Result<ImageFile> {
        let fetcher = Fetcher::new(AddressScope::Any).unwrap();
        let url = ImageUrl::new(
            format!("http://{}/a.bmp", self.address),
            ImageLimits::VENDOR,
        )
        .unwrap();
        fetcher.fetch(call, &url).await
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Builds a black bitmap.
fn bitmap() -> Vec<u8> {
    let mut file = b"BM".to_vec();
    file.resize(14, 0);
    for number in [40_u32, 64, 64] {
        file.extend(number.to_le_bytes());
    }
    file.resize(20_000, 0);
    file
}

fn charged_call(budget: &InFlightBudget) -> Call {
    let permit = budget.try_acquire(Class::Single, "t", 0).unwrap();
    Call {
        permit: CallPermit::new(permit),
        ..call("t")
    }
}

#[tokio::test]
async fn an_image_that_breaks_off_is_fetched_again_and_charged_once() {
    let image = bitmap();
    let host = Host::sending(&image, &[15_000, image.len()]).await;
    let budget = InFlightBudget::new(1, 1 << 20);
    let call = charged_call(&budget);

    let fetched = host.fetch(&call).await.unwrap();

    assert_eq!(fetched.bytes()[..], image[..]);
    assert_eq!(budget.bytes(), image.len());
    for head in host.heads() {
        assert!(
            head.contains(&format!("user-agent: {USER_AGENT}\r\n")),
            "{head}"
        );
    }
}

#[tokio::test]
async fn an_image_that_breaks_off_again_is_an_error() {
    let image = bitmap();
    let host = Host::sending(&image, &[0, 15_000, image.len()]).await;
    let budget = InFlightBudget::new(1, 1 << 20);

    let failed = host.fetch(&charged_call(&budget)).await.unwrap_err();

    assert_eq!(failed.kind(), Kind::UrlUnreachable);
    assert_eq!(
        failed.message(),
        "the response of the image's host broke off"
    );
    assert_eq!(host.heads().len(), 2);
}

#[tokio::test]
async fn a_second_attempt_ends_at_the_deadline_of_the_first() {
    let host = Host::sending(&bitmap(), &[15_000]).await;
    let mut call = call("t");
    call.deadline = Instant::now() + Duration::from_millis(500);

    let failed = host.fetch(&call).await.unwrap_err();

    assert_eq!(failed.kind(), Kind::UrlTimeout);
}
