//! A posting: the 8 bytes that record one feature of one image, in memtables and segment files.
//!
//! ```text
//! offset  bytes  content (little endian)
//! 0       4      image: its number in the memtable or segment
//! 4       3      bits 4 to 15 of each half of the signature, the first half lowest
//! 7       1      run: bits 0 to 3 of each half of the signature, the first half lowest
//! ```
//!
//! The postings of a cell are in the order of their runs, so that a search reads only some runs of
//! a cell: features that are the same agree in most of these bits, others by chance. The other bits
//! make the votes of a search precise enough to select candidates; the candidates themselves are
//! compared by their complete features, which the store has. Postings are bytes in memory too, so
//! that a mapped file is searched without conversion.

/// Size of a posting in bytes.
pub(crate) const POSTING: usize = 8;

/// An encoded posting.
pub(crate) type Posting = [u8; POSTING];

/// Bits of a signature that a posting has.
pub(crate) const CODE_BITS: u32 = 32;

/// Returns the bits of a signature that a posting has; the highest 8 are its run.
#[inline(always)]
pub(crate) fn code(signature: u64) -> u32 {
    let half = |half: u64| (half & 0xF, half >> 4 & 0xFFF);
    let ((run_a, rest_a), (run_b, rest_b)) = (half(signature), half(signature >> 32));
    ((run_a | run_b << 4) << 24 | rest_a | rest_b << 12) as u32
}

/// Returns the run of a [`code`].
pub(crate) fn run_of(code: u32) -> u8 {
    (code >> 24) as u8
}

/// Encodes a posting.
pub(crate) fn encode(signature: u64, image: u32) -> Posting {
    (u64::from(code(signature)) << 32 | u64::from(image)).to_le_bytes()
}

/// Returns the number of bits in which the codes differ, 0 to [`CODE_BITS`].
#[inline(always)]
pub(crate) fn hamming(posting: &Posting, code: u32) -> u32 {
    let [.., a, b, c, d] = *posting;
    (u32::from_le_bytes([a, b, c, d]) ^ code).count_ones()
}

/// Returns the number of the image.
pub(crate) fn image(posting: &Posting) -> u32 {
    let [a, b, c, d, ..] = *posting;
    u32::from_le_bytes([a, b, c, d])
}

/// Returns the run to which the posting belongs.
#[inline(always)]
pub(crate) fn run(posting: &Posting) -> u8 {
    posting[POSTING - 1]
}

/// Returns the posting with another image number.
pub(crate) fn renumbered(posting: &Posting, image: u32) -> Posting {
    let mut bytes = *posting;
    bytes[..4].copy_from_slice(&image.to_le_bytes());
    bytes
}

/// Returns where in the postings of a cell a run probably starts: the bits are above and below
/// their medians equally often, so all runs have about the same length.
pub(crate) fn likely_start(postings: usize, run: u8) -> usize {
    postings * usize::from(run) / 256
}

/// Returns the postings of one run of a cell, whose postings are in the order of their runs.
pub(crate) fn of_run(cell: &[Posting], wanted: u8) -> &[Posting] {
    let likely = likely_start(cell.len(), wanted);
    let start = partition_point_near(cell, likely, |posting| run(posting) < wanted);
    let from_start = &cell[start..];
    let end = partition_point_near(from_start, 0, |posting| run(posting) <= wanted);
    &from_start[..end]
}

/// Returns the number of first postings that `is_before` admits, by exponential search from a
/// guess (Bentley & Yao 1976): it reads few cache lines where the guess is near.
fn partition_point_near(
    list: &[Posting],
    guess: usize,
    is_before: impl Fn(&Posting) -> bool,
) -> usize {
    let (mut low, mut high, mut step) = (guess, guess, 4);
    if list.get(guess).is_some_and(&is_before) {
        while high < list.len() && is_before(&list[high]) {
            low = high + 1;
            high = (low + step).min(list.len());
            step *= 2;
        }
    } else {
        while low > 0 && !is_before(&list[low - 1]) {
            high = low - 1;
            low = high.saturating_sub(step);
            step *= 2;
        }
    }
    low + list[low..high].partition_point(is_before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode_parts(image: u32, run: u8) -> Posting {
        (u64::from(run) << 56 | u64::from(image)).to_le_bytes()
    }

    proptest! {
        #[test]
        fn a_posting_gives_back_what_was_encoded(signature: u64, other: u64, image: u32, next: u32) {
            let posting = encode(signature, image);

            prop_assert_eq!(super::image(&posting), image);
            prop_assert_eq!(run(&posting), run_of(code(signature)));
            prop_assert_eq!(hamming(&posting, code(signature)), 0);
            prop_assert!(hamming(&posting, code(other)) <= (signature ^ other).count_ones());
            prop_assert_eq!(renumbered(&posting, next), encode(signature, next));
        }

        #[test]
        fn the_postings_of_a_run_are_found_wherever_they_are(
            runs in prop::collection::vec(prop_oneof![0..=255_u8, Just(7), 100..=103_u8], 0..300),
            wanted in prop_oneof![0..=255_u8, Just(7)],
        ) {
            let mut list: Vec<Posting> =
                (0_u32..).zip(&runs).map(|(at, run)| encode_parts(at, *run)).collect();
            list.sort_by_key(run);

            let expected: Vec<Posting> =
                list.iter().filter(|posting| run(posting) == wanted).copied().collect();
            prop_assert_eq!(of_run(&list, wanted), &expected[..]);
        }

        #[test]
        fn postings_in_a_wrong_order_are_read_without_a_panic(
            list in prop::collection::vec(any::<Posting>(), 0..100), wanted: u8,
        ) {
            prop_assert!(of_run(&list, wanted).len() <= list.len());
        }
    }
}
