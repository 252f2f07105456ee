//! Pictures that differ by their size only, so that the vendor can tell whether one arrived whole.

/// Makes the picture of a size from 8 kB, a BMP with pixels without a pattern: a gateway may check
/// the header.
pub fn of_size(size: usize) -> Vec<u8> {
    const HEAD: usize = 54;
    // Rows of whole words need no padding; what is left over of the size follows the last row.
    let width = ((size - HEAD) / 3).isqrt() / 4 * 4;
    let height = (size - HEAD) / (3 * width);
    let mut picture = Vec::with_capacity(size);
    picture.extend_from_slice(b"BM");
    let rows = 3 * width * height;
    for word in [
        size,
        0,
        HEAD,
        40,
        width,
        height,
        24 << 16 | 1,
        0,
        rows,
        2835,
        2835,
        0,
        0,
    ] {
        picture.extend_from_slice(&(word as u32).to_le_bytes());
    }
    let mut state = size as u64 | 1 << 32;
    picture.extend(
        std::iter::repeat_with(|| {
            // xorshift64* (Vigna 2016).
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8
        })
        .take(size - HEAD),
    );
    picture
}
