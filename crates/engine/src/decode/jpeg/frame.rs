//! The headers of frame and scan (T.81 sections B.2.2 and B.2.3).

use super::segments::{self, Segment, Segments};
use crate::decode::error::{DecodeError, broken};

/// What a frame header says.
pub(in crate::decode) struct Frame {
    pub(in crate::decode) width: u32,
    pub(in crate::decode) height: u32,
    /// Sides of the decoded image: those of the file, or half of them, rounded up.
    pub(super) decoded: (u32, u32),
    pub(super) is_halved: bool,
    pub(in crate::decode) is_progressive: bool,
    pub(in crate::decode) components: Vec<ComponentHeader>,
    /// The largest sampling factors.
    pub(super) max_h: usize,
    pub(super) max_v: usize,
}

/// A component of a frame.
pub(in crate::decode) struct ComponentHeader {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Number of its quantisation table.
    pub(super) table: u8,
    /// Sides of the samples that are made of a block: 8, or 4.
    pub(super) block: usize,
    /// Sides in samples.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Blocks of a row and rows of blocks, up to the end of the last MCU.
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// What a scan header says; a sequential scan has the whole spectrum and no approximation.
pub(super) struct ScanHeader {
    pub(super) parts: Vec<ScanPart>,
    /// First and last coefficient in zigzag order.
    pub(super) from: usize,
    pub(super) to: usize,
    /// The bit positions of the approximation before this scan (0: none) and after it.
    pub(super) high: u8,
    pub(super) low: u8,
}

/// A component of a scan, with the numbers of its Huffman tables.
pub(super) struct ScanPart {
    pub(super) component: usize,
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// Reads the frame header of a file.
pub(in crate::decode) fn header(file: &[u8]) -> Result<Frame, DecodeError> {
    let mut segments = Segments::new(file);
    while let Some(segment) = segments.next()? {
        match segment.marker {
            marker if segments::is_frame(marker) => return Frame::parse(&segment),
            segments::START_OF_SCAN | segments::END_OF_IMAGE => break,
            segments::HUFFMAN | segments::QUANTISATION | segments::RESTART_INTERVAL => {}
            marker => segments::check_skipped(marker)?,
        }
    }
    Err(DecodeError::Truncated)
}

// === impl Frame ===

impl Frame {
    pub(super) fn parse(segment: &Segment) -> Result<Self, DecodeError> {
        let is_progressive = match segment.marker {
            0xc0 | 0xc1 => false,
            0xc2 => true,
            0xc9..=0xcf => return Err(broken("arithmetic coding is not supported")),
            0xc3 => return Err(broken("lossless coding is not supported")),
            _ => return Err(broken("hierarchical coding is not supported")),
        };
        let Some((&[bits, h1, h0, w1, w0, count], components)) = segment.body.split_first_chunk()
        else {
            return Err(DecodeError::Truncated);
        };
        if bits != 8 {
            return Err(broken("its samples do not have 8 bits"));
        }
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        // A segment after the scan (T.81 section B.2.5) can have it, which no viewer reads.
        if height == 0 {
            return Err(broken("its header has no height"));
        }
        if width == 0 {
            return Err(broken("its width is 0"));
        }
        if !matches!(count, 1 | 3 | 4) || components.len() != 3 * usize::from(count) {
            return Err(broken("it does not have 1, 3 or 4 components"));
        }
        let mut frame = Frame {
            width: width.into(),
            height: height.into(),
            decoded: (width.into(), height.into()),
            is_halved: false,
            is_progressive,
            components: Vec::new(),
            max_h: 1,
            max_v: 1,
        };
        let (components, _) = components.as_chunks::<3>();
        for &[_, sampling, table] in components {
            let (h, v) = (usize::from(sampling >> 4), usize::from(sampling & 15));
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) || table > 3 {
                return Err(broken("a component has impossible parameters"));
            }
            frame.max_h = frame.max_h.max(h);
            frame.max_v = frame.max_v.max(v);
        }
        for component in components {
            let component = frame.component(*component);
            if !frame.max_h.is_multiple_of(component.h) || !frame.max_v.is_multiple_of(component.v)
            {
                return Err(broken(
                    "a sample of a component does not cover whole pixels",
                ));
            }
            frame.components.push(component);
        }
        Ok(frame)
    }

    fn component(&self, [id, sampling, table]: [u8; 3]) -> ComponentHeader {
        let (h, v) = (usize::from(sampling >> 4), usize::from(sampling & 15));
        ComponentHeader {
            id,
            h,
            v,
            table,
            block: 8,
            width: (self.width as usize * h).div_ceil(self.max_h),
            height: (self.height as usize * v).div_ceil(self.max_v),
            columns: self.mcu_columns() * h,
            rows: self.mcu_rows() * v,
        }
    }

    /// Makes it a frame that is decoded at half of its sides, as libjpeg does (`jdmaster.c`): a
    /// component that has half of the sides already keeps its samples.
    pub(super) fn halve(&mut self) {
        self.decoded = (self.width.div_ceil(2), self.height.div_ceil(2));
        self.is_halved = true;
        for component in &mut self.components {
            let (h, v) = (2 * component.h, 2 * component.v);
            if !self.max_h.is_multiple_of(h) || !self.max_v.is_multiple_of(v) {
                component.block = 4;
                component.width = component.width.div_ceil(2);
                component.height = component.height.div_ceil(2);
            }
        }
    }

    /// Returns how many pixels of the decoded image a sample of a component covers.
    pub(super) fn pixels(&self, component: &ComponentHeader) -> (usize, usize) {
        let scale = component.block / if self.is_halved { 4 } else { 8 };
        let (h, v) = (self.max_h / component.h, self.max_v / component.v);
        (h / scale, v / scale)
    }

    /// Returns the peak memory of decoding in bytes per pixel.
    pub(in crate::decode) fn bytes_per_pixel(&self) -> u64 {
        let samples = self.components.len() as u64;
        if self.is_progressive {
            // Coefficients, and the samples of the component that is made of them.
            (2 * samples + 1).max(3 + 3)
        } else {
            // Samples and RGB, or RGB and its rotated copy.
            (samples + 3).max(3 + 3)
        }
    }

    /// Returns the number of MCUs in a row, of a scan with all components.
    pub(super) fn mcu_columns(&self) -> usize {
        (self.width as usize).div_ceil(8 * self.max_h)
    }

    /// Returns the number of rows of MCUs, of a scan with all components.
    pub(super) fn mcu_rows(&self) -> usize {
        (self.height as usize).div_ceil(8 * self.max_v)
    }
}

// === impl ScanHeader ===

impl ScanHeader {
    pub(super) fn parse(body: &[u8], frame: &Frame) -> Result<Self, DecodeError> {
        let (&count, rest) = body.split_first().ok_or(DecodeError::Truncated)?;
        let parts = rest.split_at_checked(2 * usize::from(count));
        let (parts, spectrum) = parts.ok_or(DecodeError::Truncated)?;
        let mut header = ScanHeader {
            parts: Vec::new(),
            from: 0,
            to: 63,
            high: 0,
            low: 0,
        };
        for &[id, tables] in parts.as_chunks::<2>().0 {
            let component = (0..frame.components.len())
                // Two components may have the same id: each is used once.
                .find(|at| {
                    frame.components[*at].id == id
                        && header.parts.iter().all(|part| part.component != *at)
                })
                .ok_or_else(|| broken("a scan has an unknown component"))?;
            header.parts.push(ScanPart {
                component,
                dc: usize::from(tables >> 4),
                ac: usize::from(tables & 15),
            });
        }
        if header.parts.is_empty() {
            return Err(broken("a scan has no component"));
        }
        if frame.is_progressive {
            header.read_spectrum(spectrum)?;
        }
        Ok(header)
    }

    fn read_spectrum(&mut self, spectrum: &[u8]) -> Result<(), DecodeError> {
        let &[from, to, approximation] = spectrum.first_chunk().ok_or(DecodeError::Truncated)?;
        (self.from, self.to) = (from.into(), to.into());
        (self.high, self.low) = (approximation >> 4, approximation & 15);
        let is_dc = from == 0 && to == 0;
        let is_ac = from > 0 && from <= to && to < 64 && self.parts.len() == 1;
        let is_refined = self.high == 0 || self.high == self.low + 1;
        if !(is_dc || is_ac) || !is_refined || self.low > 13 {
            return Err(broken("a scan has impossible parameters"));
        }
        Ok(())
    }
}
