//! The Hilbert curve: places that are near each other on it are near each other in the plane.

/// Returns the position on the curve of a cell of a 65536 x 65536 grid.
pub fn position(x: u16, y: u16) -> u32 {
    let (mut x, mut y) = (u32::from(x), u32::from(y));
    let mut along = 0;
    for level in (0..16).rev() {
        let (right, upper) = ((x >> level) & 1, (y >> level) & 1);
        along = (along << 2) | ((3 * right) ^ upper);
        if upper == 0 {
            if right == 1 {
                (x, y) = (!x, !y);
            }
            (x, y) = (y, x);
        }
    }
    along
}

/// Returns the cell of a coordinate on one side of the grid; what is no number lies in the first one.
pub fn cell(value: f64, low: f64, high: f64) -> u16 {
    ((value - low) / (high - low) * f64::from(u16::MAX)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_on_the_curve_are_neighbours_in_the_plane() {
        let mut places: Vec<(u32, u16, u16)> =
            (0..64).flat_map(|x| (0..64).map(move |y| (position(x, y), x, y))).collect();
        places.sort_unstable();
        for pair in places.windows(2) {
            assert_eq!(pair[1].0, pair[0].0 + 1);
            assert_eq!(pair[0].1.abs_diff(pair[1].1) + pair[0].2.abs_diff(pair[1].2), 1);
        }
    }

    #[test]
    fn every_number_has_a_cell() {
        assert_eq!((cell(0.0, 0.0, 1.0), cell(1.0, 0.0, 1.0), cell(2.0, 0.0, 1.0)), (0, 65535, 65535));
        assert_eq!((cell(f64::NAN, 0.0, 1.0), cell(5.0, 5.0, 5.0), cell(f64::INFINITY, 0.0, 1.0)), (0, 0, 65535));
    }
}
