//! Search: the pass over all blocks, then exact distances of the best candidates.

use std::ops::Range;

use elanus_kernels::{Hit, Scorer, Stop, Stopped};

use crate::blocks::{CHUNK_BLOCKS, CHUNK_ROWS, FastScan, Published, word};
use crate::collect::Collector;
use crate::kernel::{Pass, Variant, run};
use crate::table::Tables;
use crate::tile::{ROWS, tame};

/// A query.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The vector, in the column's own scale.
    pub vector: &'a [f32],
    /// Exact distances from it to the column's rows.
    pub exact: &'a dyn Scorer,
}

/// What is asked of every query of a search.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Most rows to return for a query.
    pub k: usize,
    /// Candidates to measure exactly; zero chooses, fewer than `k` count as `k`.
    pub refine: usize,
    /// Rows from here on are not found: the end of what the caller sees.
    pub rows: usize,
    /// The rows that may be found, bit `r % 8` of byte `r / 8` for row `r`, as many as there are; none for all.
    pub keep: Option<&'a [u8]>,
    /// Threads to share the work.
    pub threads: usize,
    /// When to give up.
    pub stop: Stop<'a>,
}

/// Candidates to measure exactly by default, for each row asked for and beside.
const REFINE: (usize, usize) = (12, 60);

/// Queries that pass over a chunk together, while it is near.
const QUERY_GROUP: usize = 8;

impl FastScan {
    /// Returns the nearest rows of each query found, ascending by exact distance, then row: `k`, or all that pass.
    ///
    /// Of few passing rows each is measured exactly; else the codes of all blocks with a passing row are read once.
    pub fn search(&self, questions: &[Question], request: &Request) -> Result<Vec<Vec<Hit>>, Stopped> {
        request.stop.look()?;
        assert!(questions.iter().all(|question| question.vector.len() == self.dim()));
        let published = self.published();
        let words = words(&published, request);
        let passing: usize = words.iter().map(|word| word.count_ones() as usize).sum();
        let k = request.k.min(passing);
        let refine = if request.refine == 0 { k * REFINE.0 + REFINE.1 } else { request.refine };
        let refine = refine.max(request.k).max(1);
        let scan = Scan { codes: self, published: &published, words: &words, refine, request };
        if passing <= refine || scan.is_dearer_than(passing) {
            let rows = scan.passing_rows(passing);
            return share(questions, request.threads, |questions| {
                questions.iter().map(|question| scan.measure(question, &rows)).collect()
            });
        }
        if questions.len() >= request.threads {
            return share(questions, request.threads, |questions| scan.search(questions));
        }
        scan.search_shared(questions, request.threads)
    }
}

/// The rows of each block that may be found.
fn words(published: &Published, request: &Request) -> Vec<u64> {
    let mut words = Vec::with_capacity(published.rows.div_ceil(ROWS));
    published.chunks.iter().for_each(|chunk| words.extend_from_slice(&chunk.present));
    let (blocks, rows) = (words.len(), request.rows.min(published.rows));
    words.truncate(rows.div_ceil(ROWS));
    if let Some(last) = words.last_mut() {
        *last &= word(None, (rows - 1) / ROWS, rows);
    }
    if let Some(keep) = request.keep {
        let (whole, _) = keep.as_chunks::<8>();
        let rest = words.len() - words.len().min(whole.len());
        for (word, bits) in words.iter_mut().zip(whole) {
            *word &= u64::from_le_bytes(*bits);
        }
        let first = words.len() - rest;
        for (block, bits) in words.iter_mut().enumerate().skip(first) {
            *bits &= word(Some(keep), block, rows);
        }
    }
    words.resize(blocks, 0);
    words
}

/// Runs `work` on parts of the questions, each on a thread of its own where there are several.
fn share(
    questions: &[Question],
    threads: usize,
    work: impl Fn(&[Question]) -> Result<Vec<Vec<Hit>>, Stopped> + Sync,
) -> Result<Vec<Vec<Hit>>, Stopped> {
    if threads <= 1 || questions.len() <= 1 {
        return work(questions);
    }
    let each = questions.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let work = &work;
        let parts: Vec<_> = questions.chunks(each).map(|part| scope.spawn(move || work(part))).collect();
        let parts: Result<Vec<_>, Stopped> = parts.into_iter().map(joined).collect();
        Ok(parts?.into_iter().flatten().collect())
    })
}

fn joined<T>(handle: std::thread::ScopedJoinHandle<T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A search whose passing rows are known.
struct Scan<'a> {
    codes: &'a FastScan,
    published: &'a Published,
    words: &'a [u64],
    refine: usize,
    request: &'a Request<'a>,
}

impl Scan<'_> {
    /// Whether reading the blocks costs more than measuring this many rows exactly, by the bytes that either reads: a
    /// line of a block takes about 1.7 ns, an exact distance 12 ns and 0.1 for each dimension, and to find a candidate
    /// about as much again.
    fn is_dearer_than(&self, passing: usize) -> bool {
        let touched = self.words.iter().filter(|&&word| word != 0).count();
        let reading = touched * self.codes.codebook.lines() * 17;
        passing.saturating_sub(2 * self.refine).saturating_mul(120 + self.codes.dim()) < reading
    }

    fn passing_rows(&self, passing: usize) -> Vec<u32> {
        let mut rows = Vec::with_capacity(passing);
        for (block, &word) in self.words.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                rows.push((block * ROWS) as u32 + left.trailing_zeros());
                left &= left - 1;
            }
        }
        rows
    }

    fn search(&self, questions: &[Question]) -> Result<Vec<Vec<Hit>>, Stopped> {
        let mut found = Vec::with_capacity(questions.len());
        for group in questions.chunks(QUERY_GROUP) {
            let tables = self.tables(group);
            let collectors = self.collect(&tables, 0..self.published.chunks.len())?;
            for (question, collector) in group.iter().zip(collectors) {
                found.push(self.finish(question, collector)?);
            }
        }
        Ok(found)
    }

    /// Shares the chunks among threads.
    fn search_shared(&self, questions: &[Question], threads: usize) -> Result<Vec<Vec<Hit>>, Stopped> {
        let tables = self.tables(questions);
        let chunks = self.published.chunks.len();
        let each = chunks.div_ceil(threads);
        let parts: Result<Vec<Vec<Collector>>, Stopped> = std::thread::scope(|scope| {
            let tables = &tables;
            let parts = (0..chunks)
                .step_by(each)
                .map(|first| scope.spawn(move || self.collect(tables, first..(first + each).min(chunks))));
            parts.collect::<Vec<_>>().into_iter().map(joined).collect()
        });
        let mut parts = parts?.into_iter();
        let mut collectors = parts.next().unwrap_or_default();
        for part in parts {
            collectors.iter_mut().zip(part).for_each(|(collector, later)| collector.absorb(later));
        }
        questions.iter().zip(collectors).map(|(question, collector)| self.finish(question, collector)).collect()
    }

    fn tables(&self, questions: &[Question]) -> Vec<Tables> {
        let codebook = &self.codes.codebook;
        let prepare = |question: &Question| {
            let mut vector = question.vector.to_vec();
            tame(&mut vector, codebook.metric);
            Tables::new(codebook, &vector)
        };
        questions.iter().map(prepare).collect()
    }

    /// Passes over some of the chunks, each read from memory once for all queries.
    fn collect(&self, tables: &[Tables], chunks: Range<usize>) -> Result<Vec<Collector>, Stopped> {
        let variant = Variant::active();
        self.collect_by(tables, chunks, |pass, collector| run(variant, pass, collector))
    }

    /// Gives `pass` each chunk with the tables and the collector of each query.
    fn collect_by(
        &self,
        tables: &[Tables],
        chunks: Range<usize>,
        pass: impl Fn(&Pass, &mut Collector),
    ) -> Result<Vec<Collector>, Stopped> {
        let mut watch = self.request.stop.watch();
        let mut collectors: Vec<_> = tables.iter().map(|tables| Collector::new(self.refine, tables.most)).collect();
        for number in chunks {
            let chunk = &self.published.chunks[number];
            let words = &self.words[number * CHUNK_BLOCKS..][..chunk.present.len()];
            let first = (number * CHUNK_ROWS) as u32;
            for (tables, collector) in tables.iter().zip(&mut collectors) {
                let Tables { entries: tables, shift, .. } = tables;
                watch.spend(CHUNK_ROWS)?;
                pass(&Pass { lines: &chunk.lines, words, tables, shift: *shift, first }, collector);
            }
        }
        Ok(collectors)
    }

    fn finish(&self, question: &Question, collector: Collector) -> Result<Vec<Hit>, Stopped> {
        let rows: Vec<u32> = collector.into_nearest().into_iter().map(|(_, row)| row).collect();
        self.measure(question, &rows)
    }

    /// Returns the nearest of `rows` by exact distance.
    fn measure(&self, question: &Question, rows: &[u32]) -> Result<Vec<Hit>, Stopped> {
        let Request { k, stop, .. } = *self.request;
        let mut distances = vec![0.0; rows.len()];
        stop.look()?;
        stop.score(question.exact, rows, &mut distances)?;
        let mut hits: Vec<Hit> = rows.iter().zip(distances).map(|(&row, distance)| Hit { row, distance }).collect();
        let order = |a: &Hit, b: &Hit| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row));
        if k < hits.len() {
            hits.select_nth_unstable_by(k, order);
            hits.truncate(k);
        }
        hits.sort_unstable_by(order);
        Ok(hits)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use elanus_kernels::{Column, Element, Metric};

    use super::*;
    use crate::train::Settings;

    #[test]
    fn a_cancelled_search_reads_few_blocks_more() {
        let rows = 20 * CHUNK_ROWS;
        let bytes: Vec<u8> = (0..rows * 2).flat_map(|at| ((at * 7919 % 997) as f32).to_le_bytes()).collect();
        let column = Column::new(&bytes, rows, 2, Element::F32).expect("a column");
        let codes = FastScan::train(&column, Metric::L2, None, &Settings::default()).expect("codes");
        let published = codes.published();
        let flag = AtomicBool::new(false);
        let stop = Stop { cancelled: Some(&flag), deadline: None };
        let request = Request { k: 1, refine: 10, rows, keep: None, threads: 1, stop };
        let scan = Scan {
            codes: &codes,
            published: &published,
            words: &words(&published, &request),
            refine: 10,
            request: &request,
        };
        let tables = [0, 1, 2].map(|row| Tables::new(&codes.codebook, &column.floats(row)));
        let passes = AtomicUsize::new(0);
        let collected = scan.collect_by(&tables, 0..published.chunks.len(), |_, _| {
            flag.store(passes.fetch_add(1, Ordering::Relaxed) + 1 >= 10, Ordering::Relaxed);
        });
        assert!(collected.is_err());
        assert!(passes.into_inner() <= 12);
    }
}
