//! Images on their way from one library to another: a small backup, which its checksum protects.
//!
//! Unlike a restore, which keeps features of other versions for those, this needs features that this
//! version can compare: the other library could neither index nor find the image.

use crate::engine::WholeImage;
use crate::features::{Features, FeaturesError};
use crate::identity::{LibraryId, Sign};
use crate::store::now_ms;

use super::backup::{BackupError, BackupInfo, BackupReader, Entry, write_entries};

/// Why images cannot be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// They are no whole and undamaged backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The features of an image were extracted by another version.
    #[error(
        "the features of image {sign} cannot be used: {reason}; features cannot be converted, so \
         delete the image where it is copied from and add its file again"
    )]
    Features {
        /// The image.
        sign: Sign,
        /// Which version or codebook they are of.
        reason: String,
    },
    /// There are more images than a page may have.
    #[error("{images} images; max {max}")]
    TooMany {
        /// Their number.
        images: u64,
        /// The maximum number of images of a page.
        max: usize,
    },
    /// An image has more tags than a library stores, or a tag 0.
    #[error("the tags of image {sign} are invalid")]
    Tags {
        /// The image.
        sign: Sign,
    },
}

/// Writes images as a backup, with the identity of the library that they are of.
///
/// # Errors
///
/// [`CopyError`] when an image cannot be copied.
pub fn write_images(library: LibraryId, images: Vec<WholeImage>) -> Result<Vec<u8>, CopyError> {
    let count = images.len() as u64;
    let mut entries = Vec::with_capacity(images.len());
    for (id, image) in (0..).zip(images) {
        check_features(&image)?;
        let record = image.record().ok_or(CopyError::Tags { sign: image.sign })?;
        let (features, thumbnail) = (image.image.features, image.image.thumbnail);
        let preview = image.preview;
        entries.push(Ok(Entry {
            id,
            record: record.with_values(id, [&features, &thumbnail, &preview]),
            features,
            thumbnail,
            preview,
        }));
    }
    let info = BackupInfo {
        library,
        images: count,
        created_at_ms: now_ms(),
        size_bytes: 0,
    };
    let mut bytes = Vec::new();
    let entries = entries.into_iter();
    write_entries(info, count, entries, &mut bytes, &mut |_, _| {})?;
    Ok(bytes)
}

/// Reads up to `max_images` images that [`write_images`] has written, and the identity of their
/// library.
///
/// # Errors
///
/// [`CopyError`] when the bytes are damaged, or features of another version, and for more images.
pub fn read_images(
    bytes: &[u8],
    max_images: usize,
) -> Result<(LibraryId, Vec<WholeImage>), CopyError> {
    let mut backup = BackupReader::open(bytes)?;
    let (images, max) = (backup.info.images, max_images);
    if images > max as u64 {
        return Err(CopyError::TooMany { images, max });
    }
    let mut images = Vec::new();
    while let Some(entry) = backup.next()? {
        let values = [entry.features, entry.thumbnail, entry.preview];
        let image = WholeImage::of_parts(entry.record, values);
        check_features(&image)?;
        images.push(image);
    }
    Ok((backup.info.library, images))
}

fn check_features(image: &WholeImage) -> Result<(), CopyError> {
    let reason = match Features::decode(&image.image.features) {
        Ok(_) => return Ok(()),
        Err(FeaturesError::Damaged) if image.image.features.is_empty() => "it has none".to_owned(),
        Err(error) => error.to_string(),
    };
    let sign = image.sign;
    Err(CopyError::Features { sign, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ContentHash;
    use crate::prepare::PreparedImage;

    fn image(seed: u8) -> WholeImage {
        let bytes = crate::draw::png(&crate::draw::image(seed.into(), 160, 120));
        let prepared = PreparedImage::new(&bytes, 4096).unwrap();
        WholeImage {
            sign: ContentHash::of(&bytes).first_sign(),
            image: prepared.into(),
            // The first one has none.
            preview: vec![seed; 1000 * usize::from(seed - 1)],
            brief: format!("poster {seed}"),
            tags: vec![u16::from(seed) + 1],
            added_at_ms: 1_795_829_790_123,
        }
    }

    #[test]
    fn images_read_back_as_they_were_written() {
        let (library, images) = (LibraryId::from_raw(7), [image(1), image(2)]);

        let page = write_images(library, images.to_vec()).unwrap();
        let read = read_images(&page, 2).unwrap();

        assert_eq!(read, (library, images.to_vec()));
        let rejected = read_images(&page, 1).unwrap_err();
        assert_eq!(rejected.to_string(), "2 images; max 1");
    }

    #[test]
    fn features_of_another_codebook_and_damaged_bytes_are_rejected() {
        let mut other = image(1);
        // The id of the codebook.
        other.image.features[4] ^= 1;
        let rejected = write_images(LibraryId::from_raw(7), vec![other]).unwrap_err();
        assert!(rejected.to_string().contains("codebook"), "{rejected}");

        let page = write_images(LibraryId::from_raw(7), vec![image(1)]).unwrap();
        let mut backup = BackupReader::open(&*page).unwrap();
        let mut entry = backup.next().unwrap().unwrap();
        entry.features[4] ^= 1;
        entry.record = entry.record.clone().with_values(0, entry.values());
        let mut other = Vec::new();
        write_entries(
            backup.info,
            1,
            [Ok(entry)].into_iter(),
            &mut other,
            &mut |_, _| {},
        )
        .unwrap();
        let rejected = read_images(&other, 9).unwrap_err();
        assert!(rejected.to_string().contains("codebook"), "{rejected}");

        for cut in (0..page.len()).step_by(31) {
            assert!(read_images(&page[..cut], 9).is_err(), "{cut}");
        }
        for at in (0..page.len()).step_by(97) {
            let mut flipped = page.clone();
            flipped[at] ^= 1;
            assert!(read_images(&flipped, 9).is_err(), "{at}");
        }
    }
}
