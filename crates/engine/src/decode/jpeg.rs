//! Decodes JPEG files (ITU-T T.81, Huffman coding, 8 bits, sequential and progressive).
//!
//! Pixels are those of libjpeg, with which browsers and most other programs decode: the same
//! inverse DCT, upsampling, colour conversion and tolerance of stray bytes. Unlike libjpeg, which
//! fills missing pixels with grey and only warns, a file without all of its rows is rejected.
//!
//! Order of events: `segments` finds the marker segments; `frame` and `huffman` read headers and
//! tables; `scan` decodes the coefficients; `component` holds them, or only the samples that `idct`
//! makes of them; `output` scales the components to one size and converts colours.

mod bits;
mod blocks;
mod colour;
mod component;
mod frame;
mod huffman;
mod idct;
mod output;
mod scan;
mod segments;
mod upsample;

use image::RgbImage;

use self::component::Component;
use self::frame::Frame;
use self::huffman::Tables;
use self::segments::{Segment, Segments};
use super::error::{DecodeError, broken};

pub(super) use self::frame::header;

/// Maximum number of scans. Each costs a pass over all blocks of its components, however few bytes it
/// has.
const MAX_SCANS: usize = 100;
/// Scans that an image of any size may have. Progressive files have about ten; the scripts of libjpeg
/// (`jpeg_simple_progression`) have up to 24, six for each of four components.
const USUAL_SCANS: usize = 24;
/// Pixels of all scans beyond [`USUAL_SCANS`] together: those of the usual scans of 4096 x 4096 pixels.
/// Images of up to 4 megapixels may have [`MAX_SCANS`].
const MAX_SCANNED_PIXELS: usize = USUAL_SCANS << 24;

/// A decoded file.
pub(super) struct Jpeg<'a> {
    /// The pixels as they are stored.
    pub(super) pixels: RgbImage,
    /// Whether the pixels have half of the sides of the file, rounded up.
    pub(super) is_halved: bool,
    /// The first EXIF block: the TIFF file in it.
    pub(super) exif: Option<&'a [u8]>,
}

/// What was read of a file up to some segment.
#[derive(Default)]
struct Decoder<'a> {
    exif: Option<&'a [u8]>,
    has_jfif: bool,
    /// The colour transform that an Adobe segment declares.
    adobe: Option<u8>,
    quantisation: [Option<[u16; 64]>; 4],
    huffman: Tables,
    restart_interval: u32,
    frame: Option<Frame>,
    components: Vec<Component>,
    scans: usize,
    /// The longer side that is needed of the image, in pixels.
    needed_side: u32,
}

/// Decodes a file; at half of its sides, rounded up, where these are enough for a longer side of
/// `needed_side` pixels: that takes less time, and loses no more than a box filter.
pub(super) fn decode(file: &[u8], needed_side: u32) -> Result<Jpeg<'_>, DecodeError> {
    let mut decoder = Decoder {
        needed_side,
        ..Decoder::default()
    };
    let mut segments = Segments::new(file);
    loop {
        let Some(segment) = segments.next()? else {
            // Without the end marker only a file whose coefficients are all final is complete.
            decoder.check(Component::is_final)?;
            break;
        };
        if segment.marker == segments::END_OF_IMAGE {
            decoder.check(Component::has_samples)?;
            break;
        }
        decoder.read(&segment, &mut segments)?;
        // What follows the only scan of a sequential file is not part of the image.
        if decoder.is_finished() {
            break;
        }
    }
    decoder.finish()
}

fn max_scans(frame: &Frame) -> usize {
    let pixels = frame.width as usize * frame.height as usize;
    (MAX_SCANNED_PIXELS / pixels.max(1)).clamp(USUAL_SCANS, MAX_SCANS)
}

// === impl Decoder ===

impl<'a> Decoder<'a> {
    /// Reads a segment, and after a scan header the scan.
    fn read(
        &mut self,
        segment: &Segment<'a>,
        segments: &mut Segments<'a>,
    ) -> Result<(), DecodeError> {
        match segment.marker {
            segments::QUANTISATION => self.read_quantisation(segment.body),
            segments::HUFFMAN => self.huffman.read(segment.body),
            segments::RESTART_INTERVAL => {
                let interval = segment.body.first_chunk().ok_or(DecodeError::Truncated)?;
                self.restart_interval = u16::from_be_bytes(*interval).into();
                Ok(())
            }
            segments::APP0 => {
                self.has_jfif |= segment.body.starts_with(b"JFIF\0");
                Ok(())
            }
            segments::APP1 => {
                let exif = segment.body.strip_prefix(b"Exif\0\0");
                self.exif = self.exif.or(exif);
                Ok(())
            }
            segments::APP14 => {
                if let Some(adobe) = segment.body.strip_prefix(b"Adobe") {
                    self.adobe = adobe.get(6).copied();
                }
                Ok(())
            }
            segments::START_OF_SCAN => self.read_scan(segment.body, segments),
            marker if segments::is_frame(marker) => {
                if self.frame.is_some() {
                    return Err(broken("it has two frames"));
                }
                let mut frame = Frame::parse(segment)?;
                if frame.width.max(frame.height) / 2 >= self.needed_side {
                    frame.halve();
                }
                self.components = frame.components.iter().map(Component::new).collect();
                self.frame = Some(frame);
                Ok(())
            }
            marker => segments::check_skipped(marker),
        }
    }

    fn read_quantisation(&mut self, mut body: &[u8]) -> Result<(), DecodeError> {
        while let Some((&head, rest)) = body.split_first() {
            let (is_wide, number) = (head >> 4 != 0, usize::from(head & 15));
            let table = self.quantisation.get_mut(number);
            let table = table.ok_or_else(|| broken("it has more than 4 quantisation tables"))?;
            let bytes = if is_wide { 128 } else { 64 };
            let (steps, rest) = rest.split_at_checked(bytes).ok_or(DecodeError::Truncated)?;
            let mut natural = [0; 64];
            for (step, at) in steps.chunks(bytes / 64).zip(blocks::NATURAL_ORDER) {
                natural[at] = step
                    .iter()
                    .fold(0, |step, byte| (step << 8) | u16::from(*byte));
            }
            *table = Some(natural);
            body = rest;
        }
        Ok(())
    }

    fn read_scan(&mut self, body: &[u8], segments: &mut Segments<'a>) -> Result<(), DecodeError> {
        let frame = self.frame.as_ref();
        let frame = frame.ok_or_else(|| broken("it has a scan before its frame"))?;
        self.scans += 1;
        let max_scans = max_scans(frame);
        if self.scans > max_scans {
            return Err(broken(&format!("it has more than {max_scans} scans")));
        }
        let header = frame::ScanHeader::parse(body, frame)?;
        for part in &header.parts {
            let component = &mut self.components[part.component];
            component.start_scan(frame, &self.quantisation)?;
        }
        self.huffman.complete()?;
        let end = scan::decode(
            &header,
            frame,
            &mut self.components,
            &self.huffman,
            self.restart_interval,
            segments.rest(),
        )?;
        segments.skip(end);
        Ok(())
    }

    /// Returns whether no later segment can change the image.
    fn is_finished(&self) -> bool {
        self.frame
            .as_ref()
            .is_some_and(|frame| !frame.is_progressive)
            && self.components.iter().all(Component::is_final)
    }

    fn check(&self, is_complete: impl Fn(&Component) -> bool) -> Result<(), DecodeError> {
        if self.components.is_empty() || !self.components.iter().all(is_complete) {
            return Err(DecodeError::Truncated);
        }
        Ok(())
    }

    fn finish(self) -> Result<Jpeg<'a>, DecodeError> {
        let frame = self.frame.ok_or(DecodeError::Truncated)?;
        let transform = colour::Transform::of(&frame, self.has_jfif, self.adobe);
        let is_inverted = self.adobe.is_some();
        let planes = self.components.into_iter().map(Component::into_plane);
        let pixels = output::compose(&frame, planes.collect(), transform, is_inverted);
        Ok(Jpeg {
            pixels,
            is_halved: frame.is_halved,
            exif: self.exif,
        })
    }
}
