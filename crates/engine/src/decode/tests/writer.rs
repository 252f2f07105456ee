//! Writes JPEG and BMP files of kinds that no encoder at hand writes. All show the quarters.

use super::QUARTERS;

/// A JPEG of flat blocks, with every part that can be unusual.
pub(super) struct Jpeg {
    /// Sampling factors of the components.
    pub(super) sampling: [(u8, u8); 3],
    pub(super) ids: [u8; 3],
    /// The components of each scan.
    pub(super) scans: Vec<Vec<usize>>,
    /// MCUs between restart markers, 0 for none.
    pub(super) interval: u16,
    /// Whether the components are red, green and blue.
    pub(super) is_rgb: bool,
    /// Segments after the start marker, and bytes between the tables and the frame.
    pub(super) head: Vec<u8>,
    pub(super) stray: Vec<u8>,
    pub(super) height: u16,
}

impl Default for Jpeg {
    fn default() -> Self {
        Jpeg {
            sampling: [(2, 2), (1, 1), (1, 1)],
            ids: [1, 2, 3],
            scans: vec![vec![0, 1, 2]],
            interval: 0,
            is_rgb: false,
            head: Vec::new(),
            stray: Vec::new(),
            height: 64,
        }
    }
}

pub(super) fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], &length[..], body].concat()
}

impl Jpeg {
    pub(super) fn file(&self) -> Vec<u8> {
        let mut file = vec![0xff, 0xd8];
        file.extend(&self.head);
        // The step of a DC coefficient is 8: its value is the mean sample.
        file.extend(segment(0xdb, &[&[0][..], &[8; 64]].concat()));
        // DC: sizes 0 to 8 in 4 bits each. AC: only the end of the block, in one bit.
        let mut dc = [0; 17];
        dc[4] = 9;
        file.extend(segment(
            0xc4,
            &[&dc[..], &[0, 1, 2, 3, 4, 5, 6, 7, 8]].concat(),
        ));
        let mut ac = [0; 17];
        (ac[0], ac[1]) = (0x10, 1);
        file.extend(segment(0xc4, &[&ac[..], &[0]].concat()));
        file.extend(&self.stray);
        let [high, low] = self.height.to_be_bytes();
        let mut frame = vec![8, high, low, 0, 96, 3];
        for ((h, v), id) in self.sampling.iter().zip(self.ids) {
            frame.extend([id, h << 4 | v, 0]);
        }
        file.extend(segment(0xc0, &frame));
        file.extend(segment(0xdd, &self.interval.to_be_bytes()));
        for scan in &self.scans {
            file.extend(self.scan(scan));
        }
        file.extend([0xff, 0xd9]);
        file
    }

    fn scan(&self, components: &[usize]) -> Vec<u8> {
        let mut header = vec![u8::try_from(components.len()).unwrap()];
        for component in components {
            header.extend([self.ids[*component], 0]);
        }
        header.extend([0, 63, 0]);
        let mut file = segment(0xda, &header);
        let (mut bits, mut means) = (Bits::default(), [0; 3]);
        let max = |factor: fn(&(u8, u8)) -> u8| self.sampling.iter().map(factor).max().unwrap();
        let (max_h, max_v) = (u32::from(max(|s| s.0)), u32::from(max(|s| s.1)));
        let (mut mcu, mut marker) = (0, 0xd0);
        // Blocks of one component have no MCUs, and their own number of columns.
        let (mcu_w, mcu_h) = match components {
            [only] => {
                let (h, v) = self.sampling[*only];
                (8 * max_h / u32::from(h), 8 * max_v / u32::from(v))
            }
            _ => (8 * max_h, 8 * max_v),
        };
        for top in (0..64).step_by(mcu_h as usize) {
            for left in (0..96).step_by(mcu_w as usize) {
                if self.interval != 0 && mcu != 0 && mcu % u32::from(self.interval) == 0 {
                    file.extend(std::mem::take(&mut bits).finish());
                    file.extend([0xff, marker]);
                    marker = 0xd0 | (marker + 1) & 7;
                    means = [0; 3];
                }
                mcu += 1;
                for component in components {
                    let (h, v) = self.sampling[*component];
                    let (across, down) = (8 * max_h / u32::from(h), 8 * max_v / u32::from(v));
                    for y in (top..top + mcu_h).step_by(down as usize) {
                        for x in (left..left + mcu_w).step_by(across as usize) {
                            let mean = self.sample(*component, x, y);
                            bits.block(mean - means[*component]);
                            means[*component] = mean;
                        }
                    }
                }
            }
        }
        file.extend(bits.finish());
        file
    }

    /// Returns a component at a position, less 128.
    #[expect(clippy::cast_possible_truncation, reason = "samples")]
    fn sample(&self, component: usize, x: u32, y: u32) -> i32 {
        let [r, g, b] = QUARTERS[usize::from(x >= 48) + 2 * usize::from(y >= 32)].map(f64::from);
        let samples = if self.is_rgb {
            [r, g, b].map(|sample| sample - 128.0)
        } else {
            [
                0.299 * r + 0.587 * g + 0.114 * b - 128.0,
                -0.168_736 * r - 0.331_264 * g + 0.5 * b,
                0.5 * r - 0.418_688 * g - 0.081_312 * b,
            ]
        };
        samples[component].round().min(127.0) as i32
    }
}

/// The bits of a scan.
#[derive(Default)]
struct Bits {
    bits: Vec<bool>,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        self.bits
            .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    /// Writes a block of a difference of means: size and value, then the end of the block.
    fn block(&mut self, difference: i32) {
        let size = 32 - difference.unsigned_abs().leading_zeros();
        let value = if difference < 0 {
            difference - 1
        } else {
            difference
        };
        self.push(size, 4);
        self.push(value.cast_unsigned(), size);
        self.push(0, 1);
    }

    /// Fills the last byte with ones, and stuffs zeros.
    fn finish(mut self) -> Vec<u8> {
        while !self.bits.len().is_multiple_of(8) {
            self.bits.push(true);
        }
        let mut bytes = Vec::new();
        for byte in self.bits.chunks(8) {
            let byte = byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
            bytes.push(byte);
            if byte == 0xff {
                bytes.push(0);
            }
        }
        bytes
    }
}

/// Writes a BMP of 24 or, with alpha, 32 bits with these fields after the length of the header.
pub(super) fn bmp(fields: &[u8], alpha: Option<u8>, is_top_down: bool) -> Vec<u8> {
    let header = u32::try_from(4 + fields.len()).unwrap();
    let mut file = b"BM\0\0\0\0\0\0\0\0".to_vec();
    file.extend((14 + header).to_le_bytes());
    file.extend(header.to_le_bytes());
    file.extend(fields);
    for row in 0..64_usize {
        let y = if is_top_down { row } else { 63 - row };
        for x in 0..96 {
            let [r, g, b] = QUARTERS[usize::from(x >= 48) + 2 * usize::from(y >= 32)];
            file.extend([b, g, r]);
            file.extend(alpha);
        }
    }
    file
}
