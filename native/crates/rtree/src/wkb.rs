//! Well-known binary, read only as far as coordinates: ISO and extended forms, both byte orders, nested.

use std::fmt;

use crate::bounds::Bounds;

const POINT: u8 = 1;
const LINE: u8 = 2;
const POLYGON: u8 = 3;
const COLLECTION: u8 = 7;
/// Deeper nesting is refused.
const MAX_DEPTH: usize = 64;
const EXTENDED_Z: u32 = 0x8000_0000;
const EXTENDED_M: u32 = 0x4000_0000;
const EXTENDED_SRID: u32 = 0x2000_0000;
const EXTENDED: u32 = EXTENDED_Z | EXTENDED_M | EXTENDED_SRID;

/// Bytes that are no geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes end inside the geometry.
    Truncated,
    /// A byte order other than 0 and 1.
    ByteOrder(u8),
    /// A type that is none of the seven.
    Type(u32),
    /// Geometries in geometries, deeper than libraries that go down by recursion survive.
    Depth,
}

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => out.write_str("the bytes end inside a geometry"),
            Self::ByteOrder(order) => write!(out, "byte order {order} is neither 0 nor 1"),
            Self::Type(code) => write!(out, "geometry type {code} is none of point to collection"),
            Self::Depth => write!(out, "geometries are nested more than {MAX_DEPTH} deep"),
        }
    }
}

impl std::error::Error for Malformed {}

/// What the bytes of a geometry say without its shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// 1 point, 2 line string, 3 polygon, 4 to 6 several of those, 7 collection.
    pub kind: u8,
    /// The box of all coordinates, the whole plane when one of them is no number.
    pub bounds: Bounds,
}

/// Reads the box and the kind of a geometry.
///
/// Nested geometries wait on a list of counts, so neither depth nor counts that lie cost more than the bytes are long.
pub fn measure(wkb: &[u8]) -> Result<Measured, Malformed> {
    let mut reader = Reader { rest: wkb, swapped: false, dimensions: 2, bounds: Bounds::EMPTY };
    let kind = reader.header()?;
    let mut waiting = vec![reader.body(kind)?];
    while let Some(left) = waiting.last_mut() {
        if *left == 0 {
            waiting.pop();
            continue;
        }
        *left -= 1;
        let inner = reader.header()?;
        let parts = reader.body(inner)?;
        if parts > 0 {
            waiting.push(parts);
        }
        if waiting.len() > MAX_DEPTH {
            return Err(Malformed::Depth);
        }
    }
    Ok(Measured { kind, bounds: reader.bounds })
}

struct Reader<'a> {
    rest: &'a [u8],
    swapped: bool,
    dimensions: usize,
    bounds: Bounds,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn count(&mut self) -> Result<u32, Malformed> {
        let bytes = self.bytes(4)?.first_chunk::<4>().ok_or(Malformed::Truncated)?;
        Ok(if self.swapped { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) })
    }

    /// Reads byte order and type; returns the kind.
    fn header(&mut self) -> Result<u8, Malformed> {
        self.swapped = match self.bytes(1)? {
            [1] => false,
            [0] => true,
            other => return Err(Malformed::ByteOrder(other.first().copied().unwrap_or_default())),
        };
        let code = self.count()?;
        if code & EXTENDED_SRID != 0 {
            self.bytes(4)?;
        }
        let plain = code & !EXTENDED;
        let (iso, kind) = (plain / 1000, plain % 1000);
        if iso > 3 || !(u32::from(POINT)..=u32::from(COLLECTION)).contains(&kind) {
            return Err(Malformed::Type(code));
        }
        let has_z = code & EXTENDED_Z != 0 || iso & 1 != 0;
        let has_m = code & EXTENDED_M != 0 || iso & 2 != 0;
        self.dimensions = 2 + usize::from(has_z) + usize::from(has_m);
        Ok(kind as u8)
    }

    /// Reads the coordinates of a simple geometry; returns how many geometries follow inside any other.
    fn body(&mut self, kind: u8) -> Result<u32, Malformed> {
        match kind {
            POINT => self.point()?,
            LINE => self.run()?,
            POLYGON => {
                for _ in 0..self.count()? {
                    self.run()?;
                }
            }
            _ => return self.count(),
        }
        Ok(0)
    }

    /// A point of two NaN is how WKB writes an empty one.
    fn point(&mut self) -> Result<(), Malformed> {
        let bytes = self.bytes(self.dimensions * 8)?;
        let (x, y) = (self.coordinate(bytes, 0), self.coordinate(bytes, 8));
        if !(x.is_nan() && y.is_nan()) {
            self.visit(x, y);
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), Malformed> {
        let stride = self.dimensions * 8;
        let size = (self.count()? as usize).checked_mul(stride).ok_or(Malformed::Truncated)?;
        for position in self.bytes(size)?.chunks_exact(stride) {
            self.visit(self.coordinate(position, 0), self.coordinate(position, 8));
        }
        Ok(())
    }

    fn coordinate(&self, bytes: &[u8], at: usize) -> f64 {
        let raw = bytes.get(at..).and_then(|from| from.first_chunk::<8>()).copied().unwrap_or_default();
        if self.swapped { f64::from_be_bytes(raw) } else { f64::from_le_bytes(raw) }
    }

    fn visit(&mut self, x: f64, y: f64) {
        let anywhere = x.is_nan() || y.is_nan();
        self.bounds.cover(if anywhere { Bounds::PLANE } else { Bounds::point(x, y) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(little: bool, code: u32) -> Vec<u8> {
        let mut out = vec![u8::from(little)];
        out.extend(number(little, code));
        out
    }

    fn number(little: bool, value: u32) -> [u8; 4] {
        if little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn point(little: bool, code: u32, coordinates: &[f64]) -> Vec<u8> {
        let mut out = header(little, code);
        for value in coordinates {
            out.extend(if little { value.to_le_bytes() } else { value.to_be_bytes() });
        }
        out
    }

    fn collection(code: u32, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut out = header(true, code);
        out.extend((parts.len() as u32).to_le_bytes());
        out.extend(parts.concat());
        out
    }

    #[test]
    fn both_byte_orders_and_all_dimensions_are_read() {
        let wanted = Measured { kind: 1, bounds: Bounds::point(3.0, -4.0) };
        for little in [true, false] {
            assert_eq!(measure(&point(little, 1, &[3.0, -4.0])), Ok(wanted));
            assert_eq!(measure(&point(little, 1001, &[3.0, -4.0, 9.0])), Ok(wanted));
            assert_eq!(measure(&point(little, 2001, &[3.0, -4.0, 9.0])), Ok(wanted));
            assert_eq!(measure(&point(little, 3001, &[3.0, -4.0, 9.0, 8.0])), Ok(wanted));
            assert_eq!(measure(&point(little, 1 | EXTENDED_Z, &[3.0, -4.0, 9.0])), Ok(wanted));
            assert_eq!(measure(&point(little, 1 | EXTENDED_Z | EXTENDED_M, &[3.0, -4.0, 9.0, 8.0])), Ok(wanted));
        }
        let mut with_srid = header(true, 1 | EXTENDED_SRID);
        with_srid.extend(4326_u32.to_le_bytes());
        with_srid.extend([3.0_f64.to_le_bytes(), (-4.0_f64).to_le_bytes()].concat());
        assert_eq!(measure(&with_srid), Ok(wanted));
    }

    #[test]
    fn parts_may_differ_in_byte_order_and_depth() {
        let inner = collection(7, &[point(false, 1, &[1.0, 2.0]), collection(7, &[])]);
        let outer = collection(7, &[point(true, 1, &[-1.0, 5.0]), inner, point(false, 1001, &[0.0, 9.0, 1.0])]);
        assert_eq!(measure(&outer), Ok(Measured { kind: 7, bounds: Bounds::of([-1.0, 2.0, 1.0, 9.0]) }));
    }

    #[test]
    fn empty_geometries_have_no_box() {
        let nothing =
            [point(true, 1, &[f64::NAN, f64::NAN]), collection(2, &[]), collection(3, &[]), collection(7, &[])];
        for wkb in nothing {
            assert!(measure(&wkb).is_ok_and(|found| found.bounds.is_empty()));
        }
    }

    #[test]
    fn a_coordinate_that_is_no_number_may_lie_anywhere() {
        assert_eq!(measure(&point(true, 1, &[f64::NAN, 1.0])).map(|found| found.bounds), Ok(Bounds::PLANE));
    }

    #[test]
    fn every_cut_of_a_geometry_is_refused() {
        let whole = collection(7, &[point(true, 1, &[1.0, 2.0]), collection(4, &[point(false, 1, &[1.0, 2.0])])]);
        for end in 0..whole.len() {
            assert_eq!(measure(&whole[..end]), Err(Malformed::Truncated));
        }
        assert!(measure(&whole).is_ok());
    }

    #[test]
    fn counts_that_lie_and_unknown_codes_are_refused() {
        assert_eq!(measure(&[2, 1, 0, 0, 0]), Err(Malformed::ByteOrder(2)));
        for code in [0, 8, 17, 4001, u32::MAX] {
            assert!(measure(&point(true, code, &[0.0; 4])).is_err());
        }
        for code in 2..=7 {
            let mut wkb = header(true, code);
            wkb.extend(u32::MAX.to_le_bytes());
            assert_eq!(measure(&wkb), Err(Malformed::Truncated));
        }
    }

    fn nested(depth: usize) -> Vec<u8> {
        let mut wkb = Vec::new();
        for _ in 0..depth {
            wkb.extend(header(true, 7));
            wkb.extend(1_u32.to_le_bytes());
        }
        wkb.extend(point(true, 1, &[1.0, 1.0]));
        wkb
    }

    #[test]
    fn nested_collections_are_read_up_to_a_depth() {
        assert_eq!(measure(&nested(MAX_DEPTH)).map(|found| found.bounds), Ok(Bounds::point(1.0, 1.0)));
        assert_eq!(measure(&nested(MAX_DEPTH + 1)), Err(Malformed::Depth));
        assert_eq!(measure(&nested(1_000_000)), Err(Malformed::Depth));
    }
}
