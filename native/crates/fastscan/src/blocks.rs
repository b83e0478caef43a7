//! Codes of a column's rows, which grow while they are read.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use elanus_kernels::{Column, Element, Metric};

use crate::codebook::Codebook;
use crate::kernel::{Line, MAX_BLOCKS};
use crate::tile::{ROWS, fill};
use crate::train::{Settings, train};

/// Blocks of a chunk: few enough to be copied when some rows are appended, and to stay near for several queries.
pub(crate) const CHUNK_BLOCKS: usize = MAX_BLOCKS;

/// Rows of a chunk.
pub(crate) const CHUNK_ROWS: usize = CHUNK_BLOCKS * ROWS;

/// Blocks that follow each other; immutable.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Chunk {
    /// The lines of each block.
    pub(crate) lines: Vec<Line>,
    /// The rows of each block that may be found.
    pub(crate) present: Vec<u64>,
}

/// What readers see: whole chunks and at most one that is not full.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    pub(crate) chunks: Vec<Arc<Chunk>>,
    pub(crate) rows: usize,
}

/// Product codes of the rows of a column, to be scanned.
///
/// Any number of readers and one writer at a time: a search sees the rows that were there when it began.
pub struct FastScan {
    pub(crate) codebook: Codebook,
    published: RwLock<Arc<Published>>,
    writing: Mutex<()>,
}

impl FastScan {
    /// Trains on the kept rows of `column` and encodes all of them; rows that are not kept will never be found.
    ///
    /// Fails for a metric or an element that products are not defined for, and for a bitmap that is too short.
    pub fn train(column: &Column, metric: Metric, keep: Option<&[u8]>, settings: &Settings) -> Result<Self, String> {
        if column.element() == Element::Bit || !column.element().supports(metric) {
            return Err(format!("no product codes of {:?} vectors under {metric:?}", column.element()));
        }
        check_keep(keep, column.rows())?;
        let scan = FastScan::of(train(column, metric, keep, settings), Published::default());
        scan.append(column, keep, column.rows(), settings.threads)?;
        Ok(scan)
    }

    pub(crate) fn of(codebook: Codebook, published: Published) -> Self {
        FastScan { codebook, published: RwLock::new(Arc::new(published)), writing: Mutex::new(()) }
    }

    /// Encodes the rows of `column` from the number of rows on up to `upto`, for searches from then on.
    ///
    /// `column` is the one that was trained on, or its longer successor with the same first rows. Of the new rows those
    /// that are not kept will never be found. Nothing happens where `upto` rows are there already.
    /// Cost: the encoding, and a copy of at most 4,095 rows' codes.
    pub fn append(&self, column: &Column, keep: Option<&[u8]>, upto: usize, threads: usize) -> Result<(), String> {
        if column.dim() != self.codebook.dim || column.element() == Element::Bit {
            let (dim, given) = (self.codebook.dim, column.dim());
            return Err(format!("rows of {given} dimensions of {:?} for codes of {dim}", column.element()));
        }
        if upto > column.rows() {
            return Err(format!("a column of {} rows has no {upto} to append", column.rows()));
        }
        check_keep(keep, upto)?;
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.published();
        if upto <= before.rows {
            return Ok(());
        }
        let growth = Growth { codebook: &self.codebook, column, keep, before: &before, upto };
        let after = Arc::new(growth.publish(threads));
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = after;
        Ok(())
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.published().rows
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.codebook.dim
    }

    /// The distance.
    pub fn metric(&self) -> Metric {
        self.codebook.metric
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        let of_chunk = |chunk: &Arc<Chunk>| size_of_val(&chunk.lines[..]) + size_of_val(&chunk.present[..]);
        let codes: usize = self.published().chunks.iter().map(of_chunk).sum();
        codes + size_of_val(&self.codebook.centroids[..]) + 2 * size_of_val(&self.codebook.squares[..])
    }
}

fn check_keep(keep: Option<&[u8]>, rows: usize) -> Result<(), String> {
    match keep {
        Some(bits) if bits.len() < rows.div_ceil(8) => {
            Err(format!("a bitmap of {} bytes is too short for {rows} rows", bits.len()))
        }
        _ => Ok(()),
    }
}

/// The rows of block `block` that are set in `bits`, all where there are none, up to the end of the rows.
pub(crate) fn word(bits: Option<&[u8]>, block: usize, rows: usize) -> u64 {
    let left = rows.saturating_sub(block * ROWS);
    let within = if left >= ROWS { u64::MAX } else { (1 << left) - 1 };
    let Some(bits) = bits else { return within };
    let (first, mut bytes) = (block * 8, [0; 8]);
    let found = &bits[first.min(bits.len())..(first + 8).min(bits.len())];
    bytes[..found.len()].copy_from_slice(found);
    u64::from_le_bytes(bytes) & within
}

/// Rows being added.
struct Growth<'a> {
    codebook: &'a Codebook,
    column: &'a Column<'a>,
    keep: Option<&'a [u8]>,
    before: &'a Published,
    upto: usize,
}

impl Growth<'_> {
    fn publish(&self, threads: usize) -> Published {
        let first = self.before.rows / CHUNK_ROWS;
        let mut chunks = self.before.chunks[..first].to_vec();
        let mut added = vec![Chunk::default(); self.upto.div_ceil(CHUNK_ROWS) - first];
        let each = added.len().div_ceil(threads.max(1));
        std::thread::scope(|scope| {
            for (part, added) in added.chunks_mut(each).enumerate() {
                let mut work = move || {
                    for (at, chunk) in added.iter_mut().enumerate() {
                        *chunk = self.chunk(first + part * each + at);
                    }
                };
                if threads > 1 {
                    scope.spawn(work);
                } else {
                    work();
                }
            }
        });
        chunks.extend(added.into_iter().map(Arc::new));
        Published { chunks, rows: self.upto }
    }

    /// A chunk with what it had and its new rows. A block that had some rows already is encoded anew, as a whole.
    fn chunk(&self, number: usize) -> Chunk {
        let lines = self.codebook.lines();
        let begin = number * CHUNK_BLOCKS;
        let end = (begin + CHUNK_BLOCKS).min(self.upto.div_ceil(ROWS));
        let whole = (self.before.rows / ROWS).clamp(begin, end);
        let mut chunk = Chunk { lines: Vec::with_capacity((end - begin) * lines), present: Vec::new() };
        if whole > begin {
            chunk.lines.extend_from_slice(&self.before.chunks[number].lines[..(whole - begin) * lines]);
            chunk.present.extend_from_slice(&self.before.chunks[number].present[..whole - begin]);
        }
        chunk.lines.resize((end - begin) * lines, Line::EMPTY);
        let mut tile = vec![[0.0; ROWS]; self.codebook.subspaces() * self.codebook.width];
        for block in whole..end {
            fill(&mut tile, self.column, self.codebook.metric, block * ROWS..self.upto.min((block + 1) * ROWS));
            self.codebook.encode(&tile, &mut chunk.lines[(block - begin) * lines..(block - begin + 1) * lines]);
            chunk.present.push(self.present(block));
        }
        chunk
    }

    fn present(&self, block: usize) -> u64 {
        let old = word(None, block, self.before.rows);
        let had =
            self.before.chunks.get(block / CHUNK_BLOCKS).and_then(|chunk| chunk.present.get(block % CHUNK_BLOCKS));
        had.map_or(0, |&had| had & old) | word(self.keep, block, self.upto) & !old
    }
}
