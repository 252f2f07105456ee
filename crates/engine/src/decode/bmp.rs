//! The headers of BMP files: Windows (`BITMAPINFOHEADER` and later), OS/2 1.x
//! (`BITMAPCOREHEADER`) and OS/2 2.x (`BITMAPINFOHEADER2`, of 16 to 64 bytes).

use std::borrow::Cow;

use super::bytes::bytes;
use super::error::{DecodeError, broken};

/// Length of the file header.
const FILE_HEADER: usize = 14;
/// Lengths of the header of OS/2 1.x and of the oldest one of Windows.
const CORE: usize = 12;
const INFO: usize = 40;
/// Length of the longest header of OS/2 2.x; shorter ones omit fields at the end, which are 0.
const OS2: usize = 64;

/// Reads width and height; a negative height means that the first row is the top one.
pub(super) fn sides(file: &[u8]) -> Result<(u32, u32), DecodeError> {
    if header_length(file)? == CORE {
        let side = |at| Ok::<_, DecodeError>(u16::from_le_bytes(bytes(file, at)?));
        return Ok((side(18)?.into(), side(20)?.into()));
    }
    let side = |at| Ok::<_, DecodeError>(i32::from_le_bytes(bytes(file, at)?));
    let width = u32::try_from(side(18)?).map_err(|_| broken("its width is negative"))?;
    Ok((width, side(22)?.unsigned_abs()))
}

/// Rewrites a header that every viewer reads, but not the decoder: that of OS/2 2.x as that of
/// Windows, and any number of planes as one.
pub(super) fn repaired(file: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let length = header_length(file)?;
    check_runs(file, length)?;
    let planes = if length == CORE { 22 } else { 26 };
    let is_os2 = (16..=OS2).contains(&length) && !matches!(length, INFO | 52 | 56);
    if !is_os2 && bytes(file, planes)? == [1, 0] {
        return Ok(Cow::Borrowed(file));
    }
    let mut repaired = file.to_vec();
    if is_os2 {
        let end = FILE_HEADER + length;
        let fields = file.get(FILE_HEADER..end).ok_or(DecodeError::Truncated)?;
        let mut header = [0; INFO];
        let kept = length.min(INFO);
        header[..kept].copy_from_slice(&fields[..kept]);
        header[..4].copy_from_slice(&[40, 0, 0, 0]);
        // Other numbers mean Huffman coding and runs of 24 bits there.
        if !matches!(header[16..20], [0..=2, 0, 0, 0]) {
            return Err(broken("a compression of OS/2 is not supported"));
        }
        let pixels = u32::from_le_bytes(bytes(file, 10)?) as usize;
        let pixels = u32::try_from((pixels + INFO).saturating_sub(length));
        let pixels = pixels.map_err(|_| DecodeError::Truncated)?;
        repaired.splice(FILE_HEADER..end, header);
        repaired[10..14].copy_from_slice(&pixels.to_le_bytes());
    }
    repaired[planes..planes + 2].copy_from_slice(&[1, 0]);
    Ok(Cow::Owned(repaired))
}

/// Checks that the runs of a compressed bitmap have all rows: the decoder makes missing ones black.
fn check_runs(file: &[u8], header_length: usize) -> Result<(), DecodeError> {
    // Values of the field `biCompression`, which the header of OS/2 1.x does not have.
    const RUNS_OF_8_BITS: u32 = 1;
    const RUNS_OF_4_BITS: u32 = 2;
    if header_length < INFO {
        return Ok(());
    }
    let pixels_per_byte = match u32::from_le_bytes(bytes(file, 30)?) {
        RUNS_OF_8_BITS => 1,
        RUNS_OF_4_BITS => 2,
        _ => return Ok(()),
    };
    let (_, height) = sides(file)?;
    let start = u32::from_le_bytes(bytes(file, 10)?) as usize;
    let mut runs = file.get(start..).ok_or(DecodeError::Truncated)?;
    let mut rows = 0_u32;
    loop {
        runs = match runs {
            [0, 0, rest @ ..] => {
                rows += 1;
                rest
            }
            [0, 1, ..] if rows.saturating_add(1) >= height => return Ok(()),
            [0, 2, _, up, rest @ ..] => {
                rows = rows.saturating_add((*up).into());
                rest
            }
            [0, count @ 3..=255, rest @ ..] => {
                let length = usize::from(*count).div_ceil(pixels_per_byte);
                rest.get(length.next_multiple_of(2)..).unwrap_or_default()
            }
            [1..=255, _, rest @ ..] => rest,
            // Without an end marker, or with one that comes too early.
            _ if rows >= height => return Ok(()),
            _ => return Err(DecodeError::Truncated),
        };
    }
}

fn header_length(file: &[u8]) -> Result<usize, DecodeError> {
    let length = u32::from_le_bytes(bytes(file, FILE_HEADER)?) as usize;
    match length {
        CORE | 16..=OS2 | 108 | 124 => Ok(length),
        _ => Err(broken("its header has an unknown length")),
    }
}
