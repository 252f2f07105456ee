//! The encoding part of L*: base64 of an image, escaped as a form value, in one pass.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::{Result, picture};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes a picture over and over, and prints the CPU time of once.
pub fn run(size: usize, time: Duration) -> Result<()> {
    let (image, table) = (picture::of_size(size), table());
    let (begin, before) = (Instant::now(), cpu_us()?);
    let mut rounds = 0;
    while begin.elapsed() < time {
        black_box(encode(black_box(&image), &table));
        rounds += 1;
    }
    print(rounds, cpu_us()? - before);
    Ok(())
}

/// Encodes whole groups of 3 bytes; what is left over is no matter for the time.
pub fn encode(image: &[u8], table: &[(u64, usize); 4096]) -> Vec<u8> {
    let mut text = Vec::with_capacity(image.len() * 10 / 7);
    let mut scratch = [0; 4096];
    for strip in image.chunks(768) {
        let mut end = 0;
        for group in strip.as_chunks::<3>().0 {
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]) as usize;
            for index in [bits >> 12, bits & 0xfff] {
                let (pair, length) = table[index];
                scratch[end..end + 8].copy_from_slice(&pair.to_le_bytes());
                end += length;
            }
        }
        text.extend_from_slice(&scratch[..end]);
    }
    text
}

/// Returns the escaped text of every 12 bits, and its length.
pub fn table() -> Box<[(u64, usize); 4096]> {
    let mut table = Box::new([(0, 0); 4096]);
    for (bits, entry) in table.iter_mut().enumerate() {
        let pair = [ALPHABET[bits >> 6], ALPHABET[bits & 63]];
        let text: String = form_urlencoded::byte_serialize(&pair).collect();
        let mut bytes = [0; 8];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        *entry = (u64::from_le_bytes(bytes), text.len());
    }
    table
}

/// Returns the CPU time of this thread in µs.
pub fn cpu_us() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e3)
}

/// Prints what one of `calls` has cost.
pub fn print(calls: u64, cpu_us: f64) {
    println!(
        "{}",
        json!({ "calls": calls, "cpu_us": cpu_us / calls as f64 })
    );
}
