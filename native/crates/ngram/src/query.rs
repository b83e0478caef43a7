//! What is asked of postings: the grams of what a text must contain.

use crate::grams::Lengths;
use crate::need::Need;

/// Texts of one query beyond which scanning is the better way.
const MAX_TEXTS: usize = 1024;

/// Grams that a row must have: all of `grams`, and of each list in `choices` what one of its queries asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub(crate) grams: Vec<u64>,
    pub(crate) choices: Vec<Vec<Query>>,
}

impl Query {
    /// Returns the query of a condition; `None` when every row may meet it, as far as grams of these lengths tell.
    pub fn new(need: &Need, lengths: Lengths) -> Option<Self> {
        if num_texts(need) > MAX_TEXTS {
            return None;
        }
        let mut query = Self::default();
        query.require(need, lengths);
        query.grams.sort_unstable();
        query.grams.dedup();
        (!query.grams.is_empty() || !query.choices.is_empty()).then_some(query)
    }

    fn require(&mut self, need: &Need, lengths: Lengths) {
        match need {
            Need::Nothing => {}
            Need::Text(text) => self.grams.extend(lengths.longest(text).unwrap_or_default()),
            Need::All(needs) => needs.iter().for_each(|need| self.require(need, lengths)),
            Need::Any(needs) => {
                let queries: Option<Vec<Self>> = needs.iter().map(|need| Self::new(need, lengths)).collect();
                self.choices.extend(queries);
            }
        }
    }
}

fn num_texts(need: &Need) -> usize {
    match need {
        Need::Nothing => 0,
        Need::Text(_) => 1,
        Need::All(needs) | Need::Any(needs) => needs.iter().map(num_texts).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(need: &Need) -> Option<Query> {
        Query::new(need, Lengths::new(2, 3).expect("good lengths"))
    }

    fn text(text: &str) -> Need {
        Need::Text(text.into())
    }

    #[test]
    fn short_texts_tell_nothing() {
        assert_eq!(query(&text("a")), None);
        assert_eq!(query(&Need::any([text("abc"), text("a")])), None);
        assert_eq!(query(&Need::all([text("abc"), text("a")])), query(&text("abc")));
    }

    #[test]
    fn choices_stand_beside_grams() {
        let found = query(&Need::all([text("abcd"), Need::any([text("xy"), text("yz")])])).expect("grams");
        assert_eq!((found.grams.len(), found.choices.len()), (2, 1));
        assert_eq!(found.choices[0].len(), 2);
    }

    #[test]
    fn too_many_texts_are_no_query() {
        let many: Vec<Need> = (0..=MAX_TEXTS).map(|number| text(&format!("text {number}"))).collect();
        assert_eq!(query(&Need::any(many)), None);
    }
}
