//! Axis-parallel boxes, borders included.

/// The smallest and largest coordinates of something; `EMPTY` is inside out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Smallest x.
    pub min_x: f64,
    /// Smallest y.
    pub min_y: f64,
    /// Largest x.
    pub max_x: f64,
    /// Largest y.
    pub max_y: f64,
}

impl Bounds {
    /// No place at all.
    pub const EMPTY: Self =
        Self { min_x: f64::INFINITY, min_y: f64::INFINITY, max_x: f64::NEG_INFINITY, max_y: f64::NEG_INFINITY };
    /// Every place.
    pub const PLANE: Self =
        Self { min_x: f64::NEG_INFINITY, min_y: f64::NEG_INFINITY, max_x: f64::INFINITY, max_y: f64::INFINITY };

    /// Returns the box of a point.
    pub fn point(x: f64, y: f64) -> Self {
        Self { min_x: x, min_y: y, max_x: x, max_y: y }
    }

    /// Returns the box of four numbers in the order of the fields.
    pub fn of(corners: [f64; 4]) -> Self {
        let [min_x, min_y, max_x, max_y] = corners;
        Self { min_x, min_y, max_x, max_y }
    }

    /// Returns the four numbers in the order of the fields.
    pub fn corners(self) -> [f64; 4] {
        [self.min_x, self.min_y, self.max_x, self.max_y]
    }

    /// Grows until `other` is inside.
    pub fn cover(&mut self, other: Self) {
        self.min_x = self.min_x.min(other.min_x);
        self.min_y = self.min_y.min(other.min_y);
        self.max_x = self.max_x.max(other.max_x);
        self.max_y = self.max_y.max(other.max_y);
    }

    /// Whether there is no place inside; also when a coordinate is no number.
    pub fn is_empty(self) -> bool {
        !(self.min_x <= self.max_x && self.min_y <= self.max_y)
    }

    /// Whether the two have a place in common.
    pub fn meets(self, other: Self) -> bool {
        self.min_x <= other.max_x && other.min_x <= self.max_x && self.min_y <= other.max_y && other.min_y <= self.max_y
    }

    /// Whether `other` lies inside.
    pub fn holds(self, other: Self) -> bool {
        self.min_x <= other.min_x && other.max_x <= self.max_x && self.min_y <= other.min_y && other.max_y <= self.max_y
    }

    /// Returns the share of this box that `window` covers, 0 to 1; a box without extent counts as covered.
    pub fn share_within(self, window: Self) -> f64 {
        let width = share(self.min_x, self.max_x, window.min_x, window.max_x);
        width * share(self.min_y, self.max_y, window.min_y, window.max_y)
    }
}

fn share(low: f64, high: f64, from: f64, to: f64) -> f64 {
    let (whole, common) = (high - low, high.min(to) - low.max(from));
    if whole.is_finite() && whole > 0.0 { (common / whole).clamp(0.0, 1.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_belong_to_a_box() {
        let unit = Bounds::of([0.0, 0.0, 1.0, 1.0]);
        assert!(unit.meets(Bounds::point(1.0, 1.0)) && unit.holds(Bounds::point(1.0, 0.0)));
        assert!(!unit.meets(Bounds::point(1.5, 0.5)));
    }

    #[test]
    fn what_has_no_place_is_empty() {
        assert!(Bounds::EMPTY.is_empty() && Bounds::point(f64::NAN, 0.0).is_empty());
        assert!(!Bounds::PLANE.is_empty() && !Bounds::point(0.0, 0.0).is_empty());
    }

    #[test]
    fn shares_stay_between_nothing_and_everything() {
        let unit = Bounds::of([0.0, 0.0, 1.0, 1.0]);
        assert!((unit.share_within(Bounds::of([0.5, 0.5, 2.0, 2.0])) - 0.25).abs() < 1e-12);
        assert!((Bounds::point(3.0, 3.0).share_within(unit) - 1.0).abs() < 1e-12);
        assert!((Bounds::PLANE.share_within(unit) - 1.0).abs() < 1e-12);
    }
}
