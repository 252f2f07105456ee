//! The image of a request: bytes, a file, a URL, a stored image, or what a function returns.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::error::{Error, LoadError};

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
    /// Names a file, which is read each time that it is sent.
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
    /// `FILE_UNREADABLE` for a file that cannot be read, `LOAD_FAILED` when the function fails.
    pub(crate) async fn load(&self) -> Result<Loaded, Error> {
        let mut source = self.0.clone();
        loop {
            source = match source {
                Source::Content(content) => return Ok(Loaded::Content(content)),
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

/// Never prints the bytes of an image.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Content(content) => write!(f, "Image({} bytes)", content.len()),
            Source::File(path) => write!(f, "Image({})", path.display()),
            Source::Url(url) => write!(f, "Image({url})"),
            Source::Sign(sign) => write!(f, "Image({sign})"),
            Source::Function(_) => f.write_str("Image(function)"),
        }
    }
}

/// Reads a file.
pub(crate) async fn read(path: &Path) -> Result<Bytes, Error> {
    let read = tokio::fs::read(path).await;
    read.map(Bytes::from)
        .map_err(|error| Error::of_file(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_an_image_are_not_printed() {
        let image = Image::from(b"secret picture".to_vec());

        assert_eq!(format!("{image:?}"), "Image(14 bytes)");
    }
}
