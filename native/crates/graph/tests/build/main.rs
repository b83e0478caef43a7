//! What the builder promises: recall, bounded lists, every row reachable, whatever the data.

mod data;
mod growing;
mod quality;
mod shapes;
