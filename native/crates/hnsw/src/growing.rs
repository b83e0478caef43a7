//! An index that grows with its column while it is searched.

use std::sync::Mutex;

use elanus_codes::{Code, Codes, encode_rows, mean_of};
use elanus_graph::{BuildSettings, Candidate, Growing, Keep, Request, Stop, Stopped};
use elanus_kernels::{Column, ColumnScorer, Element, Hit, Metric, Scorer};

use crate::query::Query;
use crate::slab::Slab;

/// Rows that are encoded at a time, so that searches see them soon; and that a scan measures between looks at the clock.
const BLOCK: usize = 1024;

/// A graph over the first rows of a column, on codes of eight bits, and codes alone of some rows more.
///
/// It holds no vectors: each call brings the column, wherever that lies by then, whose first rows are always the same.
/// One thread at a time encodes and links, any number search, nobody waits for another.
pub struct GrowingHnsw {
    metric: Metric,
    element: Element,
    dim: usize,
    most_rows: usize,
    graph: Growing,
    mean: Vec<f32>,
    codes: Slab<u8>,
    /// Published after the codes: as many rows as it holds have both.
    tails: Slab<f32>,
    encoding: Mutex<()>,
}

/// What a search did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrowingReport {
    /// Rows whose links were followed.
    pub hops: usize,
    /// Rows measured by their codes while walking.
    pub scored: usize,
    /// Rows measured by their codes because they were not linked yet.
    pub scanned: usize,
    /// Whether the walk found as many passing rows as were to be measured exactly: if not, nearer ones may be missed.
    pub is_full: bool,
}

impl GrowingHnsw {
    /// An empty index with room for rows below `most_rows`, and the mean of the kept rows of a column that is subtracted
    /// from all rows to come.
    ///
    /// Fails for vectors of which there are no codes, and where there is no such room.
    pub fn new(
        column: &Column,
        metric: Metric,
        keep: Option<Keep>,
        settings: &BuildSettings,
        most_rows: usize,
    ) -> Result<Self, String> {
        let (dim, element) = (column.dim(), column.element());
        if !element.supports(metric) {
            return Err(format!("no {metric:?} distance between vectors of {element:?}"));
        }
        Codes::new(CODE, metric, 0, dim, &[], &[], &[])?;
        let room = |each: usize| most_rows.checked_mul(each).ok_or("more rows than can be counted");
        let codes = Slab::new(room(CODE.row_bytes(dim))?).map_err(|problem| problem.to_string())?;
        let tails = Slab::new(room(CODE.tail_len())?).map_err(|problem| problem.to_string())?;
        let mean = mean_of(column, metric, CODE, keep.map(|keep| keep.bits()), 1);
        let (graph, encoding) = (Growing::new(settings, most_rows), Mutex::new(()));
        Ok(GrowingHnsw { metric, element, dim, most_rows, graph, mean, codes, tails, encoding })
    }

    /// How many rows have codes: a search takes no more.
    pub fn coded(&self) -> usize {
        self.tails.len() / CODE.tail_len()
    }

    /// How many rows have links.
    pub fn linked(&self) -> usize {
        self.graph.rows()
    }

    /// The metric of the column's distances.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Bytes of codes and links.
    pub fn memory_bytes(&self) -> usize {
        self.coded() * (CODE.row_bytes(self.dim) + 4 * CODE.tail_len()) + self.graph.memory_bytes()
    }

    /// Whether `column` can be the one that the index grows with.
    pub fn fits(&self, column: &Column) -> Result<(), String> {
        if (column.dim(), column.element()) == (self.dim, self.element) {
            return Ok(());
        }
        let (dim, element) = (column.dim(), column.element());
        Err(format!("the index is of {} {:?} a row, not of {dim} {element:?}", self.dim, self.element))
    }

    /// Encodes the kept rows below `upto` that are not yet, as far as there is room. The column must fit.
    ///
    /// Cost: a microsecond a row of 384 dimensions.
    pub fn encode(&self, column: &Column, keep: Option<Keep>, upto: usize) {
        let _encoding = self.encoding.lock().expect("no writer has panicked");
        let upto = upto.min(self.most_rows).min(column.rows());
        let bits = keep.map(|keep| keep.bits());
        let (mut codes, mut tails) = (Vec::new(), Vec::new());
        while self.coded() < upto {
            let first = self.coded();
            let rows = first..upto.min(first + BLOCK);
            // Rows that are not kept stay zeros.
            codes.clear();
            codes.resize(rows.len() * CODE.row_bytes(self.dim), 0);
            tails.clear();
            tails.resize(rows.len() * CODE.tail_len(), 0.0);
            encode_rows(column, (self.metric, CODE), &self.mean, rows, bits, (&mut codes, &mut tails));
            // SAFETY: whoever adds holds the lock.
            unsafe {
                self.codes.append(&codes);
                self.tails.append(&tails);
            }
        }
    }

    /// Links the kept rows below `upto` that have codes and no links yet, on a thread of low priority, as long as
    /// `goes_on` says so, which is asked before each.
    pub fn link(&self, keep: Option<Keep>, upto: usize, goes_on: &(dyn Fn() -> bool + Sync)) {
        let upto = upto.min(self.coded());
        self.graph.add_aside(&self.view(upto), upto, keep, goes_on);
    }

    /// Finds about the `k` nearest kept rows of a column that fits and has no more rows than [`GrowingHnsw::coded`].
    ///
    /// Rows with links are walked among, keeping `ef` in view; those after them are measured by their codes. The best
    /// `refine` of both are measured exactly. `out` gets the nearest, ascending, ties by row. The request's strategy
    /// does not matter: of `keep` most rows should pass.
    pub fn search(
        &self,
        query: &Query,
        number: usize,
        column: &Column,
        request: &Request,
        out: &mut Vec<Hit>,
    ) -> Result<GrowingReport, Stopped> {
        out.clear();
        if request.k == 0 {
            return Ok(GrowingReport { is_full: true, ..GrowingReport::default() });
        }
        let (rows, linked) = (column.rows(), self.linked().min(column.rows()));
        let codes = self.view(rows);
        let prepared = codes.prepare(query.floats_of(number));
        let walk = codes.scorer(&prepared);
        let head = request.keep.map(|keep| Keep::new(keep.bits(), linked).expect("it is of more rows"));
        let refine = request.refine.max(request.k);
        let (ef, mut near) = (request.ef.max(refine), Vec::new());
        let walked = self.graph.walk(&walk, ef, linked, head, request.stop, &mut near)?;
        let is_full = near.len() >= refine.min(head.map_or(linked, |head| head.count()));
        near.truncate(refine);
        let scanned = scan(&walk, linked..rows, request.keep, refine, request.stop, &mut near)?;
        let exact = ColumnScorer::new(&query.exact, number, column, self.metric);
        measured(&exact, &near, request, out)?;
        Ok(GrowingReport { hops: walked.hops, scored: walked.scored, scanned, is_full })
    }

    fn view(&self, rows: usize) -> Codes<'_> {
        let (codes, tails) = (rows * CODE.row_bytes(self.dim), rows * CODE.tail_len());
        let codes =
            Codes::new(CODE, self.metric, rows, self.dim, self.codes.head(codes), self.tails.head(tails), &self.mean);
        codes.expect("codes fit what they were made of")
    }
}

const CODE: Code = Code::Sq8;

/// Adds to `near`, which has at most `wanted` rows, ascending, what is nearer of some rows; returns how many it measured.
fn scan(
    walk: &dyn Scorer,
    rows: std::ops::Range<usize>,
    keep: Option<Keep>,
    wanted: usize,
    stop: Stop,
    near: &mut Vec<Candidate>,
) -> Result<usize, Stopped> {
    let mut bound = if near.len() < wanted { f32::INFINITY } else { near[wanted - 1].distance };
    let (mut list, mut distances, mut scanned) = (Vec::new(), vec![0.0; BLOCK], 0);
    for first in rows.clone().step_by(BLOCK) {
        stop.look()?;
        let block = first as u32..rows.end.min(first + BLOCK) as u32;
        list.clear();
        list.extend(block.filter(|&row| keep.is_none_or(|keep| keep.contains(row))));
        let distances = &mut distances[..list.len()];
        if keep.is_none() {
            walk.score_run(first as u32, distances);
        } else {
            walk.score(&list, distances);
        }
        scanned += list.len();
        let nearer = list.iter().zip(&*distances).filter(|&(_, &distance)| distance < bound || near.len() < wanted);
        let nearer: Vec<Candidate> = nearer.map(|(&row, &distance)| Candidate::new(distance, row)).collect();
        near.extend(nearer);
        if near.len() > wanted {
            near.select_nth_unstable_by(wanted - 1, |a, b| {
                a.distance.total_cmp(&b.distance).then(a.row().cmp(&b.row()))
            });
            near.truncate(wanted);
            bound = near[wanted - 1].distance;
        }
    }
    Ok(scanned)
}

/// Adds the `k` nearest of some rows to `out`, by their exact distances.
fn measured(exact: &dyn Scorer, near: &[Candidate], request: &Request, out: &mut Vec<Hit>) -> Result<(), Stopped> {
    let rows: Vec<u32> = near.iter().map(|near| near.row()).collect();
    let mut distances = vec![0.0; rows.len()];
    request.stop.score(exact, &rows, &mut distances)?;
    out.extend(rows.into_iter().zip(distances).map(|(row, distance)| Hit { row, distance }));
    out.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
    out.truncate(request.k);
    Ok(())
}
