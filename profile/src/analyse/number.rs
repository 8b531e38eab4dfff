//! Numbers as people read them.

/// A whole number among others.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) const fn float(number: u64) -> f64 {
    number as f64
}

/// To a thousandth: a page is small, and what is written is read again as it was.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Bytes in MiB.
pub(crate) const fn mebibytes(bytes: u64) -> f64 {
    float(bytes) / (1024.0 * 1024.0)
}
