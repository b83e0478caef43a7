//! Bytes that start at a cache line.

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read as bytes, through a pointer")] [u8; 64]);

/// Bytes in whole cache lines.
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    /// At least `bytes` zeros.
    pub(crate) fn zeros(bytes: usize) -> Self {
        Lines(vec![Line([0; 64]); bytes.div_ceil(64)])
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: a line is exactly 64 bytes without padding, and bytes have no alignment.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 64) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 64) }
    }
}
