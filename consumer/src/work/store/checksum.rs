//! CRC64NVME as S3 writes it: base64 of eight bytes, big-endian.

use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::{CrcAlgorithm, Digest};

/// A checksum that grows with its data.
#[derive(Debug, Clone)]
pub struct Checksum(Digest);

impl Default for Checksum {
    fn default() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc64Nvme))
    }
}

impl Checksum {
    /// Takes in more data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The checksum of all that was taken in.
    #[must_use]
    pub fn base64(&self) -> String {
        STANDARD.encode(self.0.finalize().to_be_bytes())
    }

    /// The checksum of one piece.
    #[must_use]
    pub fn of(data: &[u8]) -> String {
        let mut checksum = Self::default();
        checksum.update(data);
        checksum.base64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check value of CRC-64/NVME in the catalogue of parametrised CRC algorithms:
    /// <https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-64-nvme>.
    #[test]
    fn the_check_value_is_the_catalogues() {
        assert_eq!(Checksum::of(b"123456789"), STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes()));
    }
}
