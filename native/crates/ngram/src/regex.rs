//! The texts that every match of a regular expression contains.
//!
//! Patterns are RE2's and read here with Rust's syntax, which is nearly the same. Wherever a pattern might mean
//! something else to RE2, nothing is claimed about it: nested and combined classes, spaces in counts, flags that change
//! letters. Classes count as literal only where they spell out a few letters and digits.

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{
    AssertionKind, Ast, ClassBracketed, ClassSet, ClassSetItem, Flag, Flags, FlagsItemKind, GroupKind, Literal,
    LiteralKind, Repetition, RepetitionKind, RepetitionRange,
};

use crate::need::Need;

/// Longer patterns are not looked at.
const MAX_PATTERN_BYTES: usize = 16 << 10;
/// Alternatives of one piece.
const MAX_ALTERNATIVES: usize = 16;
/// Bytes of one alternative; a longer run of literals becomes several pieces.
const MAX_RUN_BYTES: usize = 128;
/// The size of something repeated, beyond which it is taken once.
const MAX_REPEATED: usize = 256;
const MAX_COPIES: usize = 8;

/// Returns what every text that a pattern is found in contains; `None` when that can't be told.
pub fn required(pattern: &str) -> Option<Need> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return None;
    }
    let ast = Parser::new().parse(pattern).ok()?;
    Some(Reader { pattern }.sequence(&ast)?.into_need())
}

/// A part of what matches: one of a few texts, or anything that meets a condition.
#[derive(Clone)]
enum Piece {
    Exact(Vec<String>),
    Gap(Need),
}

/// Pieces that follow each other without a space between them.
#[derive(Clone, Default)]
struct Sequence {
    pieces: Vec<Piece>,
}

impl Sequence {
    fn exact(texts: Vec<String>) -> Self {
        Self { pieces: vec![Piece::Exact(texts)] }
    }

    fn gap(need: Need) -> Self {
        Self { pieces: vec![Piece::Gap(need)] }
    }

    fn append(&mut self, other: Self) {
        for piece in other.pieces {
            match (self.pieces.last_mut(), piece) {
                (Some(Piece::Exact(before)), Piece::Exact(texts)) if can_join(before, &texts) => join(before, &texts),
                (_, piece) => self.pieces.push(piece),
            }
        }
    }

    /// Returns the texts when the sequence is nothing else.
    fn texts(&self) -> Option<Vec<String>> {
        match self.pieces.as_slice() {
            [] => Some(vec![String::new()]),
            [Piece::Exact(texts)] => Some(texts.clone()),
            _ => None,
        }
    }

    fn size(&self) -> usize {
        let within = |piece: &Piece| match piece {
            Piece::Exact(texts) => texts.iter().map(|text| 1 + text.len()).sum(),
            Piece::Gap(need) => need.size(),
        };
        self.pieces.iter().map(within).sum()
    }

    fn into_need(self) -> Need {
        Need::all(self.pieces.into_iter().map(|piece| match piece {
            Piece::Exact(texts) => Need::any(texts.into_iter().map(Need::Text)),
            Piece::Gap(need) => need,
        }))
    }
}

fn can_join(before: &[String], texts: &[String]) -> bool {
    let longest = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or_default();
    before.len() * texts.len() <= MAX_ALTERNATIVES && longest(before) + longest(texts) <= MAX_RUN_BYTES
}

fn join(before: &mut Vec<String>, texts: &[String]) {
    if let [text] = texts {
        for one in before {
            one.push_str(text);
        }
    } else {
        *before = before.iter().flat_map(|one| texts.iter().map(move |text| format!("{one}{text}"))).collect();
    }
}

struct Reader<'p> {
    pattern: &'p str,
}

impl Reader<'_> {
    /// Returns the pieces of a node; `None` when it might mean something else to RE2.
    fn sequence(&self, ast: &Ast) -> Option<Sequence> {
        match ast {
            Ast::Empty(_) => Some(Sequence::default()),
            Ast::Flags(set) => keeps_letters(&set.flags).then(Sequence::default),
            Ast::Literal(literal) => Some(Sequence::exact(vec![literal.c.into()])),
            Ast::Dot(_) | Ast::ClassUnicode(_) | Ast::ClassPerl(_) => Some(Sequence::gap(Need::Nothing)),
            Ast::Assertion(assertion) => Some(boundary(&assertion.kind)),
            Ast::ClassBracketed(class) => bracketed(class),
            Ast::Repetition(repetition) => self.repeated(repetition),
            Ast::Group(group) => match &group.kind {
                GroupKind::NonCapturing(flags) if !keeps_letters(flags) => None,
                _ => self.sequence(&group.ast),
            },
            Ast::Alternation(choice) => self.chosen(&choice.asts),
            Ast::Concat(parts) => {
                let mut whole = Sequence::default();
                for part in &parts.asts {
                    whole.append(self.sequence(part)?);
                }
                Some(whole)
            }
        }
    }

    fn chosen(&self, branches: &[Ast]) -> Option<Sequence> {
        let sequences: Vec<Sequence> = branches.iter().map(|ast| self.sequence(ast)).collect::<Option<_>>()?;
        let texts: Option<Vec<Vec<String>>> = sequences.iter().map(Sequence::texts).collect();
        match texts.map(|texts| texts.concat()) {
            Some(texts) if texts.len() <= MAX_ALTERNATIVES => Some(Sequence::exact(texts)),
            _ => Some(Sequence::gap(Need::any(sequences.into_iter().map(Sequence::into_need)))),
        }
    }

    fn repeated(&self, repetition: &Repetition) -> Option<Sequence> {
        let once = self.sequence(&repetition.ast)?;
        match repetition.op.kind {
            RepetitionKind::ZeroOrOne => Some(optional(&once)),
            RepetitionKind::ZeroOrMore => Some(Sequence::gap(Need::Nothing)),
            RepetitionKind::OneOrMore => Some(at_least(once, 1)),
            RepetitionKind::Range(ref range) => {
                let span = repetition.op.span;
                let written = self.pattern.get(span.start.offset..span.end.offset)?;
                if !is_plain_count(written) {
                    return None;
                }
                Some(match *range {
                    RepetitionRange::Exactly(count) => exactly(once, count),
                    RepetitionRange::Bounded(low, high) if low == high => exactly(once, low),
                    RepetitionRange::AtLeast(low) | RepetitionRange::Bounded(low, _) => at_least(once, low),
                })
            }
        }
    }
}

/// RE2 takes counts with anything but digits and one comma as literal text.
fn is_plain_count(written: &str) -> bool {
    let written = written.strip_suffix('?').unwrap_or(written);
    let inner = written.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    inner.starts_with(|first: char| first.is_ascii_digit())
        && inner.chars().all(|one| one.is_ascii_digit() || one == ',')
}

fn optional(once: &Sequence) -> Sequence {
    match once.texts() {
        Some(mut texts) if texts.len() < MAX_ALTERNATIVES => {
            texts.push(String::new());
            Sequence::exact(texts)
        }
        _ => Sequence::gap(Need::Nothing),
    }
}

fn exactly(once: Sequence, count: u32) -> Sequence {
    if once.size() * count as usize > MAX_REPEATED || count as usize > MAX_COPIES {
        return at_least(once, count);
    }
    copies(&once, count as usize)
}

/// What repeats begins and ends with whole copies; that both may be the same ones does no harm to containment.
fn at_least(once: Sequence, count: u32) -> Sequence {
    if count == 0 {
        return Sequence::gap(Need::Nothing);
    }
    if once.size() > MAX_REPEATED {
        return Sequence::gap(once.into_need());
    }
    let certain = (count as usize).min(MAX_COPIES).min((MAX_REPEATED / once.size().max(1)).max(1));
    let mut whole = copies(&once, certain);
    whole.append(Sequence::gap(Need::Nothing));
    whole.append(copies(&once, certain));
    whole
}

fn copies(once: &Sequence, count: usize) -> Sequence {
    let mut whole = Sequence::default();
    for _ in 0..count {
        whole.append(once.clone());
    }
    whole
}

/// To RE2, `\<` and `\>` are the characters; every other boundary is a place between two.
fn boundary(kind: &AssertionKind) -> Sequence {
    match kind {
        AssertionKind::WordBoundaryStartAngle => Sequence::exact(vec!["<".into()]),
        AssertionKind::WordBoundaryEndAngle => Sequence::exact(vec![">".into()]),
        _ => Sequence::gap(Need::Nothing),
    }
}

/// Whether flags leave literals as they are, and are ones that RE2 knows by the same letter.
fn keeps_letters(flags: &Flags) -> bool {
    flags.items.iter().all(|item| {
        matches!(
            item.kind,
            FlagsItemKind::Negation | FlagsItemKind::Flag(Flag::DotMatchesNewLine | Flag::MultiLine | Flag::SwapGreed)
        )
    })
}

fn bracketed(class: &ClassBracketed) -> Option<Sequence> {
    let ClassSet::Item(item) = &class.kind else { return None };
    let items = match item {
        ClassSetItem::Union(union) => union.items.as_slice(),
        one => std::slice::from_ref(one),
    };
    if items.iter().any(|item| matches!(item, ClassSetItem::Bracketed(_) | ClassSetItem::Union(_))) {
        return None;
    }
    let spelled = if class.negated { None } else { spelled_out(items) };
    Some(spelled.map_or_else(|| Sequence::gap(Need::Nothing), Sequence::exact))
}

fn spelled_out(items: &[ClassSetItem]) -> Option<Vec<String>> {
    let mut characters = Vec::new();
    for item in items {
        let (first, last) = match item {
            ClassSetItem::Literal(one) => (plain(one)?, plain(one)?),
            ClassSetItem::Range(range) => (plain(&range.start)?, plain(&range.end)?),
            _ => return None,
        };
        characters.extend((first..=last).take(MAX_ALTERNATIVES + 1));
        if characters.len() > MAX_ALTERNATIVES {
            return None;
        }
    }
    Some(characters.into_iter().map(String::from).collect())
}

/// Punctuation in a class may be an operator to one reader and a character to the other.
fn plain(literal: &Literal) -> Option<char> {
    let is_plain = literal.kind == LiteralKind::Verbatim && (literal.c.is_alphanumeric() || literal.c == ' ');
    is_plain.then_some(literal.c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Need {
        Need::Text(text.into())
    }

    fn either(texts: &[&str]) -> Need {
        Need::any(texts.iter().map(|one| text(one)))
    }

    #[test]
    fn runs_of_literals_are_required() {
        assert_eq!(required("error"), Some(text("error")));
        assert_eq!(required(r"^error: \d+ items$"), Some(Need::all([text("error: "), text(" items")])));
        assert_eq!(required("a.*b.c"), Some(Need::all([text("a"), text("b"), text("c")])));
        assert_eq!(required(r"(?s)\Aa\ b\%.*\<\>\z"), Some(Need::all([text("a b%"), text("<>")])));
        assert_eq!(required(r"(ab)(?:cd)(?P<x>e)\x66\u{67}"), None.or(Some(text("abcdefg"))));
    }

    #[test]
    fn few_alternatives_are_written_out() {
        assert_eq!(required("gr[ae]y"), Some(either(&["gray", "grey"])));
        assert_eq!(required("colou?r"), Some(either(&["colour", "color"])));
        assert_eq!(required("(foo|bar)baz"), Some(either(&["foobaz", "barbaz"])));
        assert_eq!(required("foo|ba.r"), Some(Need::any([text("foo"), Need::all([text("ba"), text("r")])])));
        assert_eq!(required("foo|.*"), Some(Need::Nothing));
        assert_eq!(required("x[a-z]y"), Some(Need::all([text("x"), text("y")])));
    }

    #[test]
    fn repeats_are_required_as_often_as_they_must_come() {
        assert_eq!(required("xa{3}y"), Some(text("xaaay")));
        assert_eq!(required("x(ab)+y"), Some(Need::all([text("xab"), text("aby")])));
        assert_eq!(required("x(ab)*y"), Some(Need::all([text("x"), text("y")])));
        assert_eq!(required("x(ab){2,3}?y"), Some(Need::all([text("xabab"), text("ababy")])));
        assert_eq!(required("x(ab){0}y"), Some(text("xy")));
    }

    #[test]
    fn what_re2_may_read_otherwise_is_left_alone() {
        let doubtful = [
            "(?i)error",
            "(?i:error)",
            "err(?i)or",
            "(?x) a b",
            "[a[b]|c]xyz",
            "[ab&&b]cd",
            "[a--b]",
            "a{ 2 }b",
            "a{,5}b",
            r"\Qab\E",
            r"\1",
            "(a",
            "a{2",
            "[[:foo:]]",
        ];
        for pattern in doubtful {
            assert_eq!(required(pattern), None, "{pattern}");
        }
        for (pattern, need) in [("[--a]xyz", text("xyz")), ("[]-a]xyz", text("xyz")), ("[^a]xyz", text("xyz"))] {
            assert_eq!(required(pattern), Some(need), "{pattern}");
        }
    }

    #[test]
    fn nested_repeats_and_long_patterns_stay_small() {
        for inner in ["abc", "a|b.", "[a-z]+(q|.)"] {
            let nested = format!("{}{inner}{}", "(x".repeat(60), "+y)+".repeat(60));
            assert!(required(&nested).is_some_and(|need| need.size() < 10 * MAX_REPEATED));
        }
        let powers = format!("{}ab{}", "(?:".repeat(60), "){9}".repeat(60));
        assert!(required(&powers).is_some());
        assert!(required(&"a".repeat(10_000)).is_some());
        assert_eq!(required(&"a".repeat(MAX_PATTERN_BYTES + 1)), None);
        assert_eq!(required(&"(".repeat(9_000)), None);
        assert!(required(&vec!["ab"; 3000].join("|")).is_some());
    }
}
