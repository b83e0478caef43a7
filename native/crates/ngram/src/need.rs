//! What a text must contain to match: texts, all or any of them.

/// A condition that every matching text meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Nothing is known: every text may match.
    Nothing,
    /// The text is contained.
    Text(String),
    /// All conditions are met.
    All(Vec<Need>),
    /// At least one condition is met.
    Any(Vec<Need>),
}

impl Need {
    /// Returns the condition that all of some are met, in its simplest form.
    pub fn all(needs: impl IntoIterator<Item = Need>) -> Need {
        let mut kept: Vec<Need> = needs.into_iter().filter(|need| *need != Need::Nothing).collect();
        match kept.len() {
            0 => Need::Nothing,
            1 => kept.remove(0),
            _ => Need::All(kept),
        }
    }

    /// Returns the condition that one of some is met, in its simplest form.
    pub fn any(needs: impl IntoIterator<Item = Need>) -> Need {
        let mut kept: Vec<Need> = needs.into_iter().collect();
        if kept.is_empty() || kept.contains(&Need::Nothing) {
            return Need::Nothing;
        }
        if kept.len() == 1 { kept.remove(0) } else { Need::Any(kept) }
    }

    /// Returns how many conditions there are, and the bytes of their texts.
    pub fn size(&self) -> usize {
        match self {
            Need::Nothing => 1,
            Need::Text(text) => 1 + text.len(),
            Need::All(needs) | Need::Any(needs) => 1 + needs.iter().map(Need::size).sum::<usize>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_without_content_vanish() {
        let text = || Need::Text("ab".into());
        assert_eq!(Need::all([Need::Nothing, text()]), text());
        assert_eq!(Need::all([]), Need::Nothing);
        assert_eq!(Need::any([Need::Nothing, text()]), Need::Nothing);
        assert_eq!(Need::any([text()]), text());
        assert_eq!(Need::any([]), Need::Nothing);
    }
}
