//! The image of a request: bytes, a file, a URL, a stored image, or what a function returns.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::error::{Error, LoadError};

/// Maximum size of an image: protobuf's of a message, less its other fields.
const MAX_BYTES: u64 = (1 << 31) - 1024;

type Load = dyn Fn() -> BoxFuture<'static, Result<Image, LoadError>> + Send + Sync;

/// An image of a request. Cheap to clone.
///
/// ```
/// use samegate_client::Image;
///
/// let of_bytes = Image::from(vec![0xff, 0xd8]);
/// let of_file = Image::file("photo.jpg");
/// let at_url = Image::url("https://example.com/photo.jpg");
/// let stored = Image::sign("1234,5678");
/// ```
#[derive(Clone)]
pub struct Image(Source);

#[derive(Clone)]
enum Source {
    Content(Bytes),
    File(PathBuf),
    Url(String),
    Sign(String),
    Function(Arc<Load>),
}

/// An image as it is sent.
pub(crate) enum Loaded {
    Content(Bytes),
    Url(String),
    Sign(String),
}

// === impl Image ===

impl Image {
    /// Names a regular file of less than 2 GiB, which is read each time that it is sent.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Image(Source::File(path.into()))
    }

    /// Names an image that the gateway fetches: http or https, up to 1024 bytes.
    pub fn url(url: impl Into<String>) -> Self {
        Image(Source::Url(url.into()))
    }

    /// Names a stored image by its sign. Additions do not accept it.
    pub fn sign(cont_sign: impl Into<String>) -> Self {
        Image(Source::Sign(cont_sign.into()))
    }

    /// Names an image that a function returns each time that it is sent, for example from an object
    /// store: so a bulk load holds only those few in memory that are on their way.
    ///
    /// ```
    /// use samegate_client::Image;
    ///
    /// # async fn download(_: u64) -> std::io::Result<Vec<u8>> { Ok(Vec::new()) }
    /// let image = Image::load_with(|| async { Ok(download(4711).await?.into()) });
    /// ```
    pub fn load_with<F, Fut>(load: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Image, LoadError>> + Send + 'static,
    {
        Image(Source::Function(Arc::new(move || load().boxed())))
    }

    /// Reads a file, or calls the function.
    ///
    /// # Errors
    ///
    /// `FILE_UNREADABLE` for a file that cannot be read, `LOAD_FAILED` when the function fails,
    /// `INVALID_ITEM` for an image that no message can hold.
    pub(crate) async fn load(&self) -> Result<Loaded, Error> {
        let mut source = self.0.clone();
        loop {
            source = match source {
                Source::Content(content) => {
                    check_size(content.len() as u64)?;
                    return Ok(Loaded::Content(content));
                }
                Source::Url(url) => return Ok(Loaded::Url(url)),
                Source::Sign(sign) => return Ok(Loaded::Sign(sign)),
                Source::File(path) => return Ok(Loaded::Content(read(&path).await?)),
                Source::Function(load) => load().await.map_err(Error::of_load)?.0,
            };
        }
    }
}

impl From<Bytes> for Image {
    fn from(content: Bytes) -> Self {
        Image(Source::Content(content))
    }
}

impl From<Vec<u8>> for Image {
    fn from(content: Vec<u8>) -> Self {
        Bytes::from(content).into()
    }
}

impl From<PathBuf> for Image {
    fn from(path: PathBuf) -> Self {
        Image::file(path)
    }
}

impl From<&Path> for Image {
    fn from(path: &Path) -> Self {
        Image::file(path)
    }
}

/// Never prints the bytes of an image, nor the query of a URL, which may be a credential.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Content(content) => write!(f, "Image({} bytes)", content.len()),
            Source::File(path) => write!(f, "Image({})", path.display()),
            Source::Url(url) => {
                let end = url.find(['?', '#']).unwrap_or(url.len());
                write!(f, "Image({})", &url[..end])
            }
            Source::Sign(sign) => write!(f, "Image({sign})"),
            Source::Function(_) => f.write_str("Image(function)"),
        }
    }
}

/// Reads a file, where it blocks no call.
async fn read(path: &Path) -> Result<Bytes, Error> {
    let file = path.to_owned();
    #[expect(
        clippy::disallowed_methods,
        reason = "it waits for a disk; a run reads 4 files at once"
    )]
    let read = tokio::task::spawn_blocking(move || read_file(&file)).await;
    read.unwrap_or_else(|error| Err(Error::of_file(path, error.into())))
}

fn read_file(path: &Path) -> Result<Bytes, Error> {
    let of_file = |error| Error::of_file(path, error);
    // Before it is opened: a pipe without a writer would block this thread for ever.
    let metadata = std::fs::metadata(path).map_err(of_file)?;
    if !metadata.is_file() {
        return Err(of_file(io::Error::other("not a regular file")));
    }
    check_size(metadata.len())?;
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // It may have grown.
    let mut file = File::open(path).map_err(of_file)?.take(MAX_BYTES + 1);
    file.read_to_end(&mut content).map_err(of_file)?;
    check_size(content.len() as u64)?;
    Ok(content.into())
}

fn check_size(bytes: u64) -> Result<(), Error> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let message = format!("an image of {bytes} bytes; max {MAX_BYTES}");
    Err(Error::local("INVALID_ITEM", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_an_image_are_not_printed() {
        let image = Image::from(b"secret picture".to_vec());

        assert_eq!(format!("{image:?}"), "Image(14 bytes)");
        let signed = Image::url("https://h/a.jpg?signature=canary");
        assert_eq!(format!("{signed:?}"), "Image(https://h/a.jpg)");
    }

    #[tokio::test]
    async fn what_is_no_regular_file_or_fits_no_message_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        // Sparse: it needs no space.
        File::create(&large).unwrap().set_len(1 << 33).unwrap();

        let device = read(Path::new("/dev/zero")).await.unwrap_err();
        let large = read(&large).await.unwrap_err();

        assert_eq!(device.reason(), "FILE_UNREADABLE");
        assert_eq!(large.reason(), "INVALID_ITEM");
    }
}
