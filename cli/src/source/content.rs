//! What is in a file: a function of its name and size, readable from any offset.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};

/// Bytes of a block, the unit in which a body is made and sent: large enough that a copy is all it costs, small
/// enough that thousands of downloads fit in memory.
pub(super) const BLOCK: u64 = 64 * 1024;

/// Every block of a file is one pseudo-random block with the block's number mixed into its first bytes: as cheap
/// as a copy, and a copy that lost, doubled or swapped a block has another checksum.
#[derive(Debug, Clone)]
pub(super) struct Content {
    seed: u64,
    size: u64,
    block: Bytes,
}

impl Content {
    pub(super) fn new(name: &str, size: u64) -> Self {
        let seed = mix(crc_fast::checksum(CrcAlgorithm::Crc64Nvme, name.as_bytes()) ^ mix(size));
        let words = size.min(BLOCK).div_ceil(8);
        let block = (1..=words).flat_map(|word| mix(seed.wrapping_add(word)).to_le_bytes()).collect();
        Self { seed, size, block }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// A strong validator, quotes included: other bytes have another.
    pub(super) fn etag(&self) -> String {
        format!("\"{:016x}-{}\"", self.seed, self.size)
    }

    /// The bytes from `from` to the end of their block, or to `until` when that comes first.
    pub(super) fn piece(&self, from: u64, until: u64) -> Bytes {
        let (number, low) = (from / BLOCK, from % BLOCK);
        let high = BLOCK.min(low.saturating_add(until.saturating_sub(from)));
        let mut piece: Vec<u8> = self.block.get(span(low, high)).unwrap_or_default().to_vec();
        for (byte, stamp) in piece.iter_mut().zip(number.to_le_bytes().iter().skip(span(0, low).end)) {
            *byte ^= stamp;
        }
        piece.into()
    }
}

/// The CRC64NVME of a file in base64, big-endian, as S3 writes it
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>). Reads the whole file
/// once, a block at a time; nothing is downloaded.
pub(crate) fn checksum(name: &str, size: u64) -> String {
    let content = Content::new(name, size);
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    let mut at = 0;
    while at < size {
        let piece = content.piece(at, size);
        digest.update(&piece);
        at += piece.len() as u64;
    }
    BASE64_STANDARD.encode(digest.finalize().to_be_bytes())
}

/// Offsets within a block: these fit everywhere.
fn span(low: u64, high: u64) -> std::ops::Range<usize> {
    usize::try_from(low).unwrap_or(usize::MAX)..usize::try_from(high).unwrap_or(usize::MAX)
}

/// SplitMix64's finisher (<https://prng.di.unimi.it/splitmix64.c>): each input bit moves every output bit.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(name: &str, size: u64) -> Vec<u8> {
        let content = Content::new(name, size);
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < size {
            bytes.extend(content.piece(bytes.len() as u64, size));
        }
        bytes
    }

    #[test]
    fn the_checksum_is_that_of_the_bytes() {
        for size in [0, 1, 7, 8, 10_240, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let bytes = whole("a", size);
            assert_eq!(bytes.len() as u64, size);
            let sum = crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &bytes);
            assert_eq!(checksum("a", size), BASE64_STANDARD.encode(sum.to_be_bytes()), "{size}");
        }
    }

    /// Nothing may change the first, computed apart from this code: a verifier may run another build than the
    /// source. The second is the check value of the algorithm's catalogue, CRC-64/NVME of "123456789".
    #[test]
    fn the_bytes_of_a_name_stay_the_same() {
        assert_eq!(checksum("report.csv", 100_000), "1ek4Ofg5cQg=");
        assert_eq!(crc_fast::checksum(CrcAlgorithm::Crc64Nvme, b"123456789"), 0xae8b_1486_0a79_9888);
    }

    #[test]
    fn files_differ_by_name_and_by_size_and_blocks_by_number() {
        assert_ne!(whole("a", 100), whole("b", 100));
        assert_ne!(whole("a", 100), whole("a", 101)[..100]);
        let bytes = whole("a", 2 * BLOCK);
        let (first, second) = bytes.split_at(bytes.len() / 2);
        assert_ne!(first, second);
        assert_ne!(Content::new("a", 100).etag(), Content::new("a", 101).etag());
        assert_ne!(Content::new("a", 100).etag(), Content::new("b", 100).etag());
    }

    proptest! {
        #[test]
        fn a_piece_is_the_same_from_any_offset(
            (size, from) in (1..3 * BLOCK).prop_flat_map(|size| (Just(size), 0..size)),
            length in 1..2 * BLOCK,
        ) {
            let until = size.min(from + length);
            let piece = Content::new("n", size).piece(from, until);
            prop_assert!(!piece.is_empty());
            let from = usize::try_from(from).unwrap();
            prop_assert_eq!(&piece[..], &whole("n", size)[from..from + piece.len()]);
        }
    }
}
