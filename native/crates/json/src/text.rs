//! The text of JSON strings.

/// Appends the string between quotes `body` to `out`, escapes resolved; false when an escape is not JSON's.
///
/// Half of a surrogate pair becomes U+FFFD, for a column of text holds UTF-8 only.
pub fn unescape(body: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let Some(used) = escape(&rest[at + 1..], out) else {
            return false;
        };
        rest = &rest[at + 1 + used..];
    }
    out.extend_from_slice(rest);
    true
}

/// Resolves the escape whose letter starts `rest`; returns the bytes it took.
fn escape(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let plain = match rest.first()? {
        letter @ (b'"' | b'\\' | b'/') => *letter,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unicode(rest, out),
        _ => return None,
    };
    out.push(plain);
    Some(1)
}

fn unicode(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let high = hex4(rest.get(1..5)?)?;
    let mut used = 5;
    let mut code = high;
    if (0xD800..0xDC00).contains(&high)
        && rest.get(5..7) == Some(b"\\u")
        && let Some(low @ 0xDC00..0xE000) = rest.get(7..11).and_then(hex4)
    {
        code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        used = 11;
    }
    let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    Some(used)
}

/// Reads four hexadecimal digits.
pub fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, digit| Some(code * 16 + (*digit as char).to_digit(16)?))
}

/// Whether the string between quotes `body` spells `wanted`.
#[inline]
pub fn spells(body: &[u8], wanted: &[u8]) -> bool {
    if body == wanted {
        return !body.contains(&b'\\');
    }
    if !body.contains(&b'\\') {
        return false;
    }
    let mut resolved = Vec::with_capacity(body.len());
    unescape(body, &mut resolved) && resolved == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(body: &str) -> Option<String> {
        let mut out = Vec::new();
        unescape(body.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn escapes_resolve() {
        assert_eq!(resolved(r#"a\n\t\"\\\/\b\f\r"#).unwrap(), "a\n\t\"\\/\u{8}\u{c}\r");
        assert_eq!(resolved(r"\u4e2d\ud83d\ude00").unwrap(), "中😀");
    }

    #[test]
    fn half_pairs_become_the_replacement_character() {
        assert_eq!(resolved(r"\ud83dx").unwrap(), "\u{fffd}x");
        assert_eq!(resolved(r"\ude00").unwrap(), "\u{fffd}");
        assert_eq!(resolved(r"\ud83d\u0041").unwrap(), "\u{fffd}A");
    }

    #[test]
    fn foreign_escapes_are_refused() {
        assert_eq!(resolved(r"\x41"), None);
        assert_eq!(resolved(r"\u12"), None);
        assert_eq!(resolved("\\"), None);
    }

    #[test]
    fn keys_match_through_escapes() {
        assert!(spells(br"\u006b", b"k"));
        assert!(spells(b"k", b"k"));
        assert!(!spells(br"\\", br"\\"));
        assert!(spells(br"\\", br"\"));
    }
}
