//! What an index says of itself beside its arrays.

use elanus_codes::{Code, Codes};
use elanus_graph::Tuning;
use elanus_kernels::{Column, Element, Metric};

/// What a walk measures distances on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Codes that the index holds.
    Codes(Code),
    /// The column itself.
    Column,
}

impl Storage {
    /// Every storage, with its name in files and settings.
    pub const NAMES: [(&'static str, Storage); 5] = [
        ("sq8", Storage::Codes(Code::Sq8)),
        ("sq4", Storage::Codes(Code::Sq4)),
        ("f16", Storage::Codes(Code::F16)),
        ("bf16", Storage::Codes(Code::Bf16)),
        ("column", Storage::Column),
    ];

    /// The storage of that name.
    pub fn named(name: &str) -> Option<Storage> {
        Storage::NAMES.into_iter().find_map(|(known, storage)| (known == name).then_some(storage))
    }

    /// Whether a column can be indexed so; fails for what [`crate::make`] would not take.
    pub fn takes(self, column: &Column, metric: Metric) -> Result<(), String> {
        if !column.element().supports(metric) {
            return Err(format!("no {metric:?} distance between vectors of {:?}", column.element()));
        }
        match self {
            Storage::Codes(code) => Codes::new(code, metric, 0, column.dim(), &[], &[], &[]).map(|_| ()),
            Storage::Column => Ok(()),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Storage::NAMES.into_iter().find_map(|(name, storage)| (storage == self).then_some(name)).unwrap_or_default()
    }
}

/// The numbers of an index that are no array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Rows of the column.
    pub rows: usize,
    /// Elements of a vector.
    pub dim: usize,
    /// The metric of the column's distances.
    pub metric: Metric,
    /// How the column's elements are stored.
    pub element: Element,
    /// What a walk measures on.
    pub storage: Storage,
    /// Most links of a row on the base layer.
    pub width: usize,
    /// Most links of a row on the layers above.
    pub upper_width: usize,
    /// Where a walk starts.
    pub entry: u32,
    /// Measured costs, by which searches choose their way.
    pub tuning: Tuning,
}

/// The names of the costs that [`costs`] gives, in its order.
pub const COSTS: [&str; 6] = ["run", "list", "scattered", "exact", "link", "hop"];

/// A tuning as plain numbers.
pub fn costs(tuning: &Tuning) -> [f32; COSTS.len()] {
    let Tuning { run, list, scattered, exact, link, hop } = *tuning;
    [run, list, scattered, exact, link, hop]
}

/// The tuning of such numbers; `None` where one is no cost.
pub fn tuning_of(costs: [f32; COSTS.len()]) -> Option<Tuning> {
    let [run, list, scattered, exact, link, hop] = costs;
    let tuning = Tuning { run, list, scattered, exact, link, hop };
    costs.iter().all(|cost| (0.0..1e9).contains(cost)).then_some(tuning)
}
