//! Instants from and to text; texts come as offsets int64 `[rows + 1]` into bytes.

use elanus_time::Zone;
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

type Array<'py, T> = Bound<'py, PyArray1<T>>;
/// Instants, and the first row that is none with the reason.
type Parsed<'py> = (Array<'py, i64>, Option<(usize, String)>);

/// One time zone, immutable.
#[pyclass(frozen)]
struct TimeZone {
    zone: Zone,
}

#[pymethods]
impl TimeZone {
    #[new]
    fn new(file: &[u8]) -> PyResult<Self> {
        let zone = Zone::from_tzif(file).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self { zone })
    }

    #[staticmethod]
    fn utc() -> Self {
        Self { zone: Zone::utc() }
    }

    /// Returns the instants, and the first row that is none with the reason.
    fn parse<'py>(
        &self,
        py: Python<'py>,
        offsets: PyReadonlyArray1<'py, i64>,
        data: PyReadonlyArray1<'py, u8>,
    ) -> PyResult<Parsed<'py>> {
        let (offsets, data) = (slice(&offsets)?, slice(&data)?);
        check(offsets, data)?;
        let (instants, refused) = py.detach(|| {
            let mut instants = Vec::with_capacity(offsets.len().saturating_sub(1));
            for (row, pair) in offsets.windows(2).enumerate() {
                match elanus_time::parse(&data[pair[0] as usize..pair[1] as usize], &self.zone) {
                    Ok(instant) => instants.push(instant),
                    Err(refusal) => return (instants, Some((row, refusal.to_string()))),
                }
            }
            (instants, None)
        });
        Ok((instants.into_pyarray(py), refused))
    }

    /// Returns the instants as text.
    fn format<'py>(
        &self,
        py: Python<'py>,
        instants: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<(Array<'py, i64>, Array<'py, u8>)> {
        let instants = slice(&instants)?;
        let (offsets, data) = py.detach(|| {
            let (mut offsets, mut data) = (vec![0], Vec::with_capacity(instants.len() * 25));
            for instant in instants {
                elanus_time::format(*instant, &self.zone, &mut data);
                offsets.push(data.len() as i64);
            }
            (offsets, data)
        });
        Ok((offsets.into_pyarray(py), data.into_pyarray(py)))
    }

    /// Returns the local times of the instants.
    fn to_local<'py>(&self, py: Python<'py>, instants: PyReadonlyArray1<'py, i64>) -> PyResult<Array<'py, i64>> {
        let instants = slice(&instants)?;
        let local: Vec<i64> = py.detach(|| instants.iter().map(|instant| self.zone.to_local(*instant)).collect());
        Ok(local.into_pyarray(py))
    }
}

fn slice<'a, T: Element>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err("arrays must be contiguous and aligned"))
}

fn check(offsets: &[i64], data: &[u8]) -> PyResult<()> {
    let inside = offsets.first().is_some_and(|first| *first >= 0)
        && offsets.last().is_some_and(|last| *last <= data.len() as i64)
        && offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    if inside { Ok(()) } else { Err(PyValueError::new_err("offsets must be ascending and inside the data")) }
}

/// Adds time zones to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<TimeZone>()
}
