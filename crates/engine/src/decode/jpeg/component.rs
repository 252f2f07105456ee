//! One component while it is decoded: coefficients, then samples.
//!
//! Of a sequential file only one row of MCUs is held as coefficients; a progressive one completes
//! them scan by scan.

use super::frame::{ComponentHeader, Frame, ScanHeader};
use super::idct::{self, Block};
use crate::decode::error::{DecodeError, broken};

/// The bit position of a coefficient that no scan had yet.
const UNKNOWN: u8 = u8::MAX;

pub(super) struct Component {
    /// Number of its quantisation table, and the table as it was at its first scan.
    table: u8,
    steps: Option<[u16; 64]>,
    /// Blocks of a row; rows of blocks.
    columns: usize,
    rows: usize,
    /// Sides of the samples of a block; those of the component in samples.
    block: usize,
    width: usize,
    height: usize,
    coefficients: Vec<Block>,
    samples: Vec<u8>,
    /// For each coefficient in zigzag order the lowest bit that is known.
    known: [u8; 64],
}

/// The samples of a component; rows and columns beyond its sides only fill the last MCUs.
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    pub(super) stride: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

// === impl Component ===

impl Component {
    pub(super) fn new(header: &ComponentHeader) -> Self {
        Component {
            table: header.table,
            steps: None,
            columns: header.columns,
            rows: header.rows,
            block: header.block,
            width: header.width,
            height: header.height,
            coefficients: Vec::new(),
            samples: Vec::new(),
            known: [UNKNOWN; 64],
        }
    }

    /// Prepares for a scan: at the first one the quantisation table is fixed and memory allocated.
    pub(super) fn start_scan(
        &mut self,
        frame: &Frame,
        tables: &[Option<[u16; 64]>; 4],
    ) -> Result<(), DecodeError> {
        if self.steps.is_some() {
            return Ok(());
        }
        let steps = tables[usize::from(self.table)];
        self.steps = Some(steps.ok_or_else(|| broken("a quantisation table is not defined"))?);
        if frame.is_progressive {
            self.coefficients = vec![[0; 64]; self.columns * self.rows];
        } else {
            self.coefficients = vec![[0; 64]; self.columns * (self.rows / frame.mcu_rows())];
            self.samples = vec![0; self.samples_of(self.rows)];
        }
        Ok(())
    }

    /// Returns a row of blocks: of a progressive file that of the image, else that of the MCUs.
    #[inline]
    pub(super) fn row(&mut self, row: usize) -> &mut [Block] {
        &mut self.coefficients[row * self.columns..][..self.columns]
    }

    /// Makes samples of the first `count` rows of blocks of the MCUs, which are those of the image
    /// from `row` on.
    pub(super) fn finish_rows(&mut self, row: usize, count: usize) {
        let samples_of_row = self.samples_of(1);
        let Some(steps) = &self.steps else { return };
        let blocks = &mut self.coefficients[..count * self.columns];
        let samples = &mut self.samples[row * samples_of_row..];
        for (blocks, samples) in blocks
            .chunks_exact_mut(self.columns)
            .zip(samples.chunks_exact_mut(samples_of_row))
        {
            idct::row(blocks, steps, self.block, samples);
            blocks.fill([0; 64]);
        }
    }

    /// Records which bits a scan made known.
    pub(super) fn end_scan(&mut self, scan: &ScanHeader) {
        self.known[scan.from..=scan.to].fill(scan.low);
    }

    /// Returns whether every sample has at least its mean.
    pub(super) fn has_samples(&self) -> bool {
        self.known[0] != UNKNOWN
    }

    /// Returns whether every coefficient has all of its bits.
    pub(super) fn is_final(&self) -> bool {
        self.known == [0; 64]
    }

    /// Ends decoding.
    pub(super) fn into_plane(mut self) -> Plane {
        let steps = self.steps.unwrap_or([1; 64]);
        // Of a sequential file the samples are there.
        if self.samples.is_empty() {
            self.samples = vec![0; self.samples_of(self.rows)];
            let samples_of_row = self.samples_of(1);
            for (blocks, samples) in self
                .coefficients
                .chunks_exact(self.columns)
                .zip(self.samples.chunks_exact_mut(samples_of_row))
            {
                idct::row(blocks, &steps, self.block, samples);
            }
        }
        Plane {
            samples: self.samples,
            stride: self.block * self.columns,
            width: self.width,
            height: self.height,
        }
    }

    /// Returns the number of samples of rows of blocks.
    fn samples_of(&self, rows: usize) -> usize {
        self.block * self.block * self.columns * rows
    }
}
