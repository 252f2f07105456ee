//! The first directory of a TIFF file (TIFF 6.0, section 2); an EXIF block is such a file too.

use image::metadata::Orientation;

/// The entries of a directory.
pub(super) struct Directory<'a> {
    file: &'a [u8],
    entries: &'a [[u8; 12]],
    is_little_endian: bool,
}

/// Reads the orientation of an EXIF block or a TIFF file. One that is damaged or has none is not
/// rotated, since viewers show it.
pub(super) fn orientation(file: &[u8]) -> Orientation {
    const ORIENTATION: u16 = 274;
    let number = Directory::first(file).and_then(|directory| directory.number(ORIENTATION));
    let number = number.and_then(|number| u8::try_from(number).ok());
    let orientation = number.and_then(Orientation::from_exif);
    orientation.unwrap_or(Orientation::NoTransforms)
}

// === impl Directory ===

impl<'a> Directory<'a> {
    pub(super) fn first(file: &'a [u8]) -> Option<Self> {
        let is_little_endian = match file.first_chunk()? {
            b"II\x2a\0" => true,
            b"MM\0\x2a" => false,
            _ => return None,
        };
        let mut directory = Directory {
            file,
            entries: &[],
            is_little_endian,
        };
        let start = directory.u32_at(4)? as usize;
        let count = directory.u16_at(start)?;
        let (entries, _) = file.get(start + 2..)?.as_chunks();
        // A directory that is cut off has the entries that are there.
        directory.entries = &entries[..entries.len().min(count.into())];
        Some(directory)
    }

    /// Returns whether a field is there more than once: readers differ in which one counts.
    pub(super) fn has_duplicates(&self) -> bool {
        let mut tags: Vec<_> = self.entries.iter().map(|entry| self.u16(entry)).collect();
        tags.sort_unstable();
        tags.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Returns whether a field is there, of any type.
    pub(super) fn has(&self, tag: u16) -> bool {
        self.entries
            .iter()
            .any(|entry| self.u16(entry) == Some(tag))
    }

    /// Returns the first number of an entry of type SHORT or LONG.
    pub(super) fn number(&self, tag: u16) -> Option<u32> {
        const SHORT: u16 = 3;
        const LONG: u16 = 4;
        let entry = self
            .entries
            .iter()
            .find(|entry| self.u16(*entry) == Some(tag))?;
        let count = self.u32(&entry[4..])?;
        match (self.u16(&entry[2..])?, count) {
            (_, 0) => None,
            (SHORT, 1 | 2) => self.u16(&entry[8..]).map(u32::from),
            (LONG, 1) => self.u32(&entry[8..]),
            // Numbers that do not fit into an entry are elsewhere.
            (SHORT, _) => self.u16_at(self.u32(&entry[8..])? as usize).map(u32::from),
            (LONG, _) => self.u32_at(self.u32(&entry[8..])? as usize),
            _ => None,
        }
    }

    fn u16_at(&self, at: usize) -> Option<u16> {
        self.file.get(at..).and_then(|rest| self.u16(rest))
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        self.file.get(at..).and_then(|rest| self.u32(rest))
    }

    fn u16(&self, bytes: &[u8]) -> Option<u16> {
        let bytes = *bytes.first_chunk()?;
        Some(if self.is_little_endian {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        })
    }

    fn u32(&self, bytes: &[u8]) -> Option<u32> {
        let bytes = *bytes.first_chunk()?;
        Some(if self.is_little_endian {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    }
}
