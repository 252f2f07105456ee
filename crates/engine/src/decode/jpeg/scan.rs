//! Decodes one scan: the MCUs in sequence, and what is lost of them (T.81 sections A.2 and E.2).

use super::bits::BitReader;
use super::blocks::{self, Band};
use super::component::Component;
use super::frame::{Frame, ScanHeader};
use super::huffman::{Table, Tables};
use super::idct::Block;
use crate::decode::error::DecodeError;

/// What a scan has of each block.
#[derive(Clone, Copy)]
enum Coding {
    Sequential,
    DcFirst,
    DcRefine,
    AcFirst,
    AcRefine,
}

/// A component of the scan.
struct Part<'a> {
    component: usize,
    /// Blocks of an MCU.
    h: usize,
    v: usize,
    dc: &'a Table,
    ac: &'a Table,
    prediction: i32,
}

struct Scan<'a> {
    bits: BitReader<'a>,
    coding: Coding,
    parts: Vec<Part<'a>>,
    band: Band,
    /// MCUs between two restart markers, 0 for no markers; how many are left; the next marker.
    interval: u32,
    left: u32,
    marker: u8,
}

/// Decodes the scan whose bytes follow; returns the index after the last one that was read.
pub(super) fn decode(
    header: &ScanHeader,
    frame: &Frame,
    components: &mut [Component],
    tables: &Tables,
    interval: u32,
    bytes: &[u8],
) -> Result<usize, DecodeError> {
    let mut scan = Scan::new(header, frame, tables, interval, bytes)?;
    let (columns, rows) = match &header.parts[..] {
        // The blocks of one component; those that only fill an MCU are left out.
        [part] => {
            let component = &frame.components[part.component];
            let block = component.block;
            (
                component.width.div_ceil(block),
                component.height.div_ceil(block),
            )
        }
        _ => (frame.mcu_columns(), frame.mcu_rows()),
    };
    let mut lost = 0;
    for row in 0..rows {
        lost += scan.decode_row(row, columns, frame.is_progressive, components)?;
    }
    // A row is missing when the last MCU is, or as many as a row has: a damaged interval, after
    // which decoding continues at a restart marker, is shown by every viewer.
    if scan.bits.is_exhausted() || lost > columns {
        return Err(DecodeError::Truncated);
    }
    for part in &header.parts {
        components[part.component].end_scan(header);
    }
    Ok(scan.bits.position())
}

// === impl Coding ===

impl Coding {
    fn of(header: &ScanHeader, frame: &Frame) -> Self {
        match (frame.is_progressive, header.from, header.high) {
            (false, ..) => Coding::Sequential,
            (true, 0, 0) => Coding::DcFirst,
            (true, 0, _) => Coding::DcRefine,
            (true, _, 0) => Coding::AcFirst,
            (true, ..) => Coding::AcRefine,
        }
    }
}

// === impl Scan ===

impl<'a> Scan<'a> {
    fn new(
        header: &ScanHeader,
        frame: &Frame,
        tables: &'a Tables,
        interval: u32,
        bytes: &'a [u8],
    ) -> Result<Self, DecodeError> {
        let coding = Coding::of(header, frame);
        let has_dc = matches!(coding, Coding::Sequential | Coding::DcFirst);
        let has_ac = !matches!(coding, Coding::DcFirst | Coding::DcRefine);
        let is_interleaved = header.parts.len() > 1;
        let mut parts = Vec::new();
        for part in &header.parts {
            let component = &frame.components[part.component];
            parts.push(Part {
                component: part.component,
                h: if is_interleaved { component.h } else { 1 },
                v: if is_interleaved { component.v } else { 1 },
                // A table that the scan does not use need not be defined: the first one is.
                dc: tables.dc(if has_dc { part.dc } else { 0 })?,
                ac: tables.ac(if has_ac { part.ac } else { 0 })?,
                prediction: 0,
            });
        }
        Ok(Scan {
            bits: BitReader::new(bytes),
            coding,
            parts,
            band: Band {
                from: header.from,
                to: header.to,
                low: header.low,
                zero_blocks: 0,
            },
            interval,
            left: interval,
            marker: 0xd0,
        })
    }

    /// Decodes a row of MCUs; returns how many were lost.
    fn decode_row(
        &mut self,
        row: usize,
        columns: usize,
        is_progressive: bool,
        components: &mut [Component],
    ) -> Result<usize, DecodeError> {
        let mut lost = 0;
        for column in 0..columns {
            self.restart_if_due();
            if !self.bits.is_exhausted()
                && let Err(error) = self.decode_mcu(row, column, is_progressive, components)
                && !self.bits.is_exhausted()
            {
                // Decoding can continue only at a restart marker.
                if self.interval == 0 {
                    return Err(error);
                }
                self.bits.exhaust();
            }
            lost += usize::from(self.bits.is_exhausted());
        }
        if !is_progressive {
            for part in &self.parts {
                components[part.component].finish_rows(row * part.v, part.v);
            }
        }
        Ok(lost)
    }

    fn decode_mcu(
        &mut self,
        row: usize,
        column: usize,
        is_progressive: bool,
        components: &mut [Component],
    ) -> Result<(), DecodeError> {
        for part in &mut self.parts {
            let first = if is_progressive { row * part.v } else { 0 };
            for line in 0..part.v {
                let blocks = components[part.component].row(first + line);
                for block in &mut blocks[column * part.h..][..part.h] {
                    part.decode(self.coding, &mut self.bits, &mut self.band, block)?;
                }
            }
        }
        Ok(())
    }

    fn restart_if_due(&mut self) {
        if self.interval == 0 {
            return;
        }
        if self.left == 0 {
            self.bits.restart(self.marker);
            self.marker = 0xd0 | (self.marker + 1) & 7;
            self.left = self.interval;
            self.band.zero_blocks = 0;
            for part in &mut self.parts {
                part.prediction = 0;
            }
        }
        self.left -= 1;
    }
}

// === impl Part ===

impl Part<'_> {
    #[inline]
    fn decode(
        &mut self,
        coding: Coding,
        bits: &mut BitReader,
        band: &mut Band,
        block: &mut Block,
    ) -> Result<(), DecodeError> {
        match coding {
            Coding::Sequential => {
                blocks::sequential(bits, self.dc, self.ac, &mut self.prediction, block)
            }
            Coding::DcFirst => {
                blocks::dc_first(bits, self.dc, &mut self.prediction, band.low, block)
            }
            Coding::DcRefine => {
                blocks::dc_refine(bits, band.low, block);
                Ok(())
            }
            Coding::AcFirst => blocks::ac_first(bits, self.ac, band, block),
            Coding::AcRefine => blocks::ac_refine(bits, self.ac, band, block),
        }
    }
}
