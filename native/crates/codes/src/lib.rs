//! Vectors in fewer bits, and distances to them.
