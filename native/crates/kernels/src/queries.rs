//! Query vectors, laid out for the kernels.

use crate::column::{Column, Element, Metric};

/// Query vectors in the form kernels read: aligned, floats as `f32`, signed bytes as `i16`, for COSINE of length one.
pub struct Queries {
    lines: Vec<Line>,
    /// One over each vector's length, for signed bytes under COSINE.
    scales: Vec<f64>,
    count: usize,
    stride: usize,
    dim: usize,
    /// Of the columns that may be asked.
    element: Element,
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read as bytes, through a pointer")] [u8; 64]);

impl Queries {
    /// Copies `queries` for scans of a column of `element` under `metric`.
    ///
    /// Queries of a column of any floats are [`Element::F32`]; other columns are asked with their own element.
    pub fn new(queries: &Column, element: Element, metric: Metric) -> Result<Self, String> {
        let expected = match element {
            Element::F16 | Element::Bf16 => Element::F32,
            other => other,
        };
        if queries.element != expected {
            return Err(format!("queries of a column of {element:?} are {expected:?}, not {:?}", queries.element));
        }
        if !element.supports(metric) {
            return Err(format!("no {metric:?} distance between vectors of {element:?}"));
        }
        let width = if element == Element::I8 { queries.dim * 2 } else { queries.row_bytes() };
        let lines_each = width.div_ceil(64);
        let mut prepared = Queries {
            lines: vec![Line([0; 64]); lines_each * queries.rows],
            scales: Vec::new(),
            count: queries.rows,
            stride: lines_each * 64,
            dim: queries.dim,
            element,
        };
        for (query, source) in queries.bytes.chunks_exact(queries.row_bytes()).take(queries.rows).enumerate() {
            prepared.fill(query, source, expected, metric);
        }
        Ok(prepared)
    }

    fn fill(&mut self, query: usize, source: &[u8], element: Element, metric: Metric) {
        let scale = (metric == Metric::Cosine).then(|| match element {
            Element::I8 => {
                let square: i64 = source.iter().map(|&x| i64::from(x.cast_signed()).pow(2)).sum();
                inverse_length(square as f64)
            }
            _ => inverse_length(square_of(source)),
        });
        let (start, stride) = (query * self.stride, self.stride);
        let target = &mut self.bytes_mut()[start..start + stride];
        match (element, scale) {
            (Element::F32, Some(scale)) => {
                for (to, x) in target.chunks_exact_mut(4).zip(floats(source)) {
                    to.copy_from_slice(&((f64::from(x) * scale) as f32).to_ne_bytes());
                }
            }
            (Element::I8, scale) => {
                for (to, &x) in target.chunks_exact_mut(2).zip(source) {
                    to.copy_from_slice(&i16::from(x.cast_signed()).to_ne_bytes());
                }
                self.scales.extend(scale);
            }
            _ => target[..source.len()].copy_from_slice(source),
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: a line is exactly 64 bytes without padding, and bytes have no alignment.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * 64) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether they were made for columns like this one.
    pub(crate) fn fit(&self, column: &Column) -> bool {
        (self.dim, self.element) == (column.dim, column.element)
    }

    pub(crate) fn start(&self) -> *const u8 {
        self.lines.as_ptr().cast()
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    pub(crate) fn scales(&self) -> &[f64] {
        &self.scales
    }
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

/// The squared length of floats, in sums that don't wait for each other.
fn square_of(source: &[u8]) -> f64 {
    let mut sums = [0.0; 8];
    for part in source.chunks(4 * sums.len()) {
        for (sum, value) in sums.iter_mut().zip(floats(part)) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    sums.iter().sum()
}

/// One over the length whose square is given, zero for the zero vector.
fn inverse_length(square: f64) -> f64 {
    if square > 0.0 { square.sqrt().recip() } else { 0.0 }
}
