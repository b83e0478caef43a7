//! JSON numbers: int64 where they are one, doubles elsewhere.

/// A number as the data model has them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Written without fraction and exponent, and inside int64.
    Int(i64),
    /// Every other number.
    Double(f64),
}

/// Reads a whole word as a number; `None` when it is not one of JSON's.
#[inline]
pub fn parse(word: &[u8]) -> Option<Number> {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    if is_integer(digits) {
        if let Some(value) = short_integer(word, digits) {
            return Some(Number::Int(value));
        }
        let text = std::str::from_utf8(word).ok()?;
        return text.parse().map(Number::Int).or_else(|_| text.parse().map(Number::Double)).ok();
    }
    if !is_number(word) {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().map(Number::Double).ok()
}

fn is_integer(digits: &[u8]) -> bool {
    let leading_zero = digits.len() > 1 && digits[0] == b'0';
    !digits.is_empty() && !leading_zero && digits.iter().all(u8::is_ascii_digit)
}

/// Up to 18 digits cannot overflow.
fn short_integer(word: &[u8], digits: &[u8]) -> Option<i64> {
    if digits.len() > 18 {
        return None;
    }
    let magnitude = digits.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some(if word[0] == b'-' { -magnitude } else { magnitude })
}

/// Whether the word is a number as RFC 8259 writes them.
pub fn is_number(word: &[u8]) -> bool {
    let rest = word.strip_prefix(b"-").unwrap_or(word);
    let (whole, rest) = digits(rest);
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return false;
    }
    let Some(rest) = fraction(rest) else {
        return false;
    };
    exponent(rest)
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()))
}

fn fraction(text: &[u8]) -> Option<&[u8]> {
    let Some(after_dot) = text.strip_prefix(b".") else {
        return Some(text);
    };
    let (decimals, rest) = digits(after_dot);
    (!decimals.is_empty()).then_some(rest)
}

fn exponent(text: &[u8]) -> bool {
    let [b'e' | b'E', rest @ ..] = text else {
        return text.is_empty();
    };
    let (b"" | b"+" | b"-", figures) = rest.split_at(usize::from(matches!(rest.first(), Some(b'+' | b'-')))) else {
        return false;
    };
    let (power, rest) = digits(figures);
    !power.is_empty() && rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stay_exact_up_to_int64() {
        assert_eq!(parse(b"-0"), Some(Number::Int(0)));
        assert_eq!(parse(b"9223372036854775807"), Some(Number::Int(i64::MAX)));
        assert_eq!(parse(b"-9223372036854775808"), Some(Number::Int(i64::MIN)));
        assert_eq!(parse(b"9223372036854775808"), Some(Number::Double(9_223_372_036_854_775_808.0)));
    }

    #[test]
    fn fractions_and_exponents_are_doubles() {
        assert_eq!(parse(b"1.0"), Some(Number::Double(1.0)));
        assert_eq!(parse(b"1e2"), Some(Number::Double(100.0)));
        assert_eq!(parse(b"-2.5E-1"), Some(Number::Double(-0.25)));
    }

    #[test]
    fn what_json_does_not_write_is_no_number() {
        for word in ["", "-", "01", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN", "inf", "1_0", "--1", "1.5.5"] {
            assert_eq!(parse(word.as_bytes()), None, "{word}");
            assert!(!is_number(word.as_bytes()), "{word}");
        }
    }
}
