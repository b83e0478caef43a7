//! Boxes of geometries and the R-tree over them; a window is min x, min y, max x, max y.

use elanus_rtree::{Bounds, Boxes, Packed, Test, Tree};
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

type Array<'py, T> = Bound<'py, PyArray1<T>>;
type BoxArrays<'py> = (Array<'py, f64>, Array<'py, f64>, Array<'py, f64>, Array<'py, f64>, Array<'py, u8>);
type TreeArrays<'py> = (Array<'py, u32>, Array<'py, f64>, Array<'py, f64>);
type PointArrays<'py> = (Array<'py, i64>, Array<'py, f64>, Array<'py, f64>);
type ReadTree<'py> = (PyReadonlyArray1<'py, u32>, PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>);

fn refused(error: impl ToString) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn slice<'a, T: Element>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| refused("arrays must be contiguous and aligned"))
}

fn tree<'a>(arrays: &'a ReadTree<'_>) -> PyResult<Tree<'a>> {
    Tree::new(slice(&arrays.0)?, slice(&arrays.1)?, slice(&arrays.2)?).map_err(refused)
}

fn test_named(name: &str) -> PyResult<Test> {
    match name {
        "meets" => Ok(Test::Meets),
        "holds" => Ok(Test::Holds),
        "within" => Ok(Test::Within),
        _ => Err(refused(format!("there is no test {name}"))),
    }
}

#[pyfunction]
fn rtree_boxes<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
) -> PyResult<BoxArrays<'py>> {
    let (offsets, data) = (slice(&offsets)?, slice(&data)?);
    let boxes = py.detach(|| Boxes::read(offsets, data)).map_err(refused)?;
    Ok((
        boxes.min_x.into_pyarray(py),
        boxes.min_y.into_pyarray(py),
        boxes.max_x.into_pyarray(py),
        boxes.max_y.into_pyarray(py),
        boxes.kinds.into_pyarray(py),
    ))
}

#[pyfunction]
fn rtree_build<'py>(
    py: Python<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    data: PyReadonlyArray1<'py, u8>,
) -> PyResult<TreeArrays<'py>> {
    let (offsets, data) = (slice(&offsets)?, slice(&data)?);
    let packed = py
        .detach(|| Boxes::read(offsets, data).map(|boxes| Packed::build(&boxes)))
        .map_err(refused)?
        .ok_or_else(|| refused("row numbers need more than 32 bits"))?;
    Ok((packed.rows.into_pyarray(py), packed.items.into_pyarray(py), packed.nodes.into_pyarray(py)))
}

#[pyfunction]
fn rtree_bounds(arrays: ReadTree<'_>) -> PyResult<[f64; 4]> {
    Ok(tree(&arrays)?.bounds().corners())
}

#[pyfunction]
fn rtree_rows<'py>(
    py: Python<'py>,
    arrays: ReadTree<'py>,
    window: [f64; 4],
    test: &str,
    num_rows: usize,
) -> PyResult<Array<'py, u8>> {
    let (tree, test) = (tree(&arrays)?, test_named(test)?);
    let bits = py.detach(|| tree.rows(Bounds::of(window), test, num_rows)).map_err(refused)?;
    Ok(bits.into_pyarray(py))
}

#[pyfunction]
fn rtree_points<'py>(py: Python<'py>, arrays: ReadTree<'py>, window: [f64; 4]) -> PyResult<PointArrays<'py>> {
    let tree = tree(&arrays)?;
    let found = py.detach(|| tree.points(Bounds::of(window))).map_err(refused)?;
    Ok((found.rows.into_pyarray(py), found.x.into_pyarray(py), found.y.into_pyarray(py)))
}

#[pyfunction]
fn rtree_estimate(arrays: ReadTree<'_>, window: [f64; 4], test: &str) -> PyResult<usize> {
    Ok(tree(&arrays)?.estimate(Bounds::of(window), test_named(test)?))
}

/// Adds this topic's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(rtree_boxes, module)?)?;
    module.add_function(wrap_pyfunction!(rtree_build, module)?)?;
    module.add_function(wrap_pyfunction!(rtree_bounds, module)?)?;
    module.add_function(wrap_pyfunction!(rtree_rows, module)?)?;
    module.add_function(wrap_pyfunction!(rtree_points, module)?)?;
    module.add_function(wrap_pyfunction!(rtree_estimate, module)?)
}
