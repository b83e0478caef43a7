//! Strict RFC 8259, for rows before they are stored.

use crate::number;
use crate::rows::Rows;
use crate::scan::space;
use crate::text::hex4;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 512;

/// Returns the first row that is not one JSON value in UTF-8 (or not an object, where asked for).
pub fn first_invalid(rows: Rows<'_>, must_be_object: bool) -> Option<usize> {
    let mut open = Vec::new();
    rows.iter().position(|row| !is_valid(row, must_be_object, &mut open))
}

fn is_valid(row: &[u8], must_be_object: bool, open: &mut Vec<u8>) -> bool {
    let start = space(row, 0);
    if must_be_object && row.get(start) != Some(&b'{') {
        return false;
    }
    open.clear();
    std::str::from_utf8(row).is_ok() && document(row, start, open) == Some(row.len())
}

/// Where the text goes on behind a value.
enum After {
    /// Another value starts here.
    Value(usize),
    /// The outermost value and the white space behind it end here.
    End(usize),
}

/// Reads one value and the white space behind it; `open` holds the closing bracket of every container on the way.
fn document(row: &[u8], start: usize, open: &mut Vec<u8>) -> Option<usize> {
    let mut at = start;
    loop {
        let begun = begin(row, at, open)?;
        let after = match begun {
            After::Value(_) => begun,
            After::End(end) => after_value(row, end, open)?,
        };
        match after {
            After::Value(next) => at = next,
            After::End(end) => return Some(end),
        }
    }
}

/// Reads a scalar, or the opening of a container up to its first value or closing bracket.
fn begin(row: &[u8], at: usize, open: &mut Vec<u8>) -> Option<After> {
    let closing = match *row.get(at)? {
        b'{' => b'}',
        b'[' => b']',
        b'"' => return Some(After::End(space(row, string(row, at)?))),
        _ => return Some(After::End(space(row, word(row, at)?))),
    };
    if open.len() == MAX_DEPTH {
        return None;
    }
    open.push(closing);
    let first = space(row, at + 1);
    if row.get(first) == Some(&closing) {
        return Some(After::End(first));
    }
    Some(After::Value(if closing == b'}' { key(row, first)? } else { first }))
}

/// Closes containers up to the next comma.
fn after_value(row: &[u8], mut at: usize, open: &mut Vec<u8>) -> Option<After> {
    while let Some(closing) = open.last() {
        let byte = *row.get(at)?;
        if byte == *closing {
            open.pop();
            at = space(row, at + 1);
        } else if byte == b',' {
            let next = space(row, at + 1);
            return Some(After::Value(if *closing == b'}' { key(row, next)? } else { next }));
        } else {
            return None;
        }
    }
    Some(After::End(at))
}

/// Reads a key and its colon; returns where the member's value starts.
fn key(row: &[u8], at: usize) -> Option<usize> {
    if *row.get(at)? != b'"' {
        return None;
    }
    let colon = space(row, string(row, at)?);
    (*row.get(colon)? == b':').then(|| space(row, colon + 1))
}

fn string(row: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += row.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F))?;
        match row[at] {
            b'"' => return Some(at + 1),
            b'\\' => at += escape(row, at + 1)?,
            _ => return None,
        }
    }
}

/// Checks the escape whose letter is at `at`; returns its length with the backslash.
fn escape(row: &[u8], at: usize) -> Option<usize> {
    match row.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => hex4(row.get(at + 1..at + 5)?).map(|_| 6),
        _ => None,
    }
}

fn word(row: &[u8], at: usize) -> Option<usize> {
    let length =
        row[at..].iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.'));
    let end = length.map_or(row.len(), |length| at + length);
    let word = &row[at..end];
    (matches!(word, b"null" | b"true" | b"false") || number::is_number(word)).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(text: &[u8], must_be_object: bool) -> bool {
        let offsets = [0, text.len() as i64];
        first_invalid(Rows::new(&offsets, text).unwrap(), must_be_object).is_none()
    }

    #[test]
    fn json_is_accepted() {
        let texts = [
            r#"{"a":[1,-2.5e+3,true,false,null,"x\u00e9\n"],"b":{}}"#,
            " [ ] ",
            "\"\u{4e2d}\"",
            "0",
            "[[],[[]],{}]",
            "{\"a\" : { } , \"b\" : [ 1 , 2 ] }\n",
        ];
        for text in texts {
            assert!(valid(text.as_bytes(), false), "{text}");
        }
    }

    #[test]
    fn all_else_is_refused() {
        let texts = [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "01",
            "1.",
            "nul",
            "NaN",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "1 2",
            "[1]]",
            "{\"a\":1}}",
            "[}",
            "{,}",
            "[,]",
            "tru",
            "-",
            "{\"a\" 1}",
        ];
        for text in texts {
            assert!(!valid(text.as_bytes(), false), "{text}");
        }
        assert!(!valid(b"\"\xff\"", false));
    }

    #[test]
    fn an_object_may_be_asked_for() {
        assert!(valid(b" {} ", true));
        assert!(!valid(b"[]", true));
        assert!(!valid(b"1", true));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(valid(nested(MAX_DEPTH).as_bytes(), false));
        assert!(!valid(nested(MAX_DEPTH + 1).as_bytes(), false));
    }

    #[test]
    fn the_first_bad_row_is_named() {
        let text = b"{}[1{}";
        let rows = Rows::new(&[0, 2, 4, 6], text).unwrap();
        assert_eq!(first_invalid(rows, false), Some(1));
    }
}
