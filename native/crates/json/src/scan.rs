//! Steps over JSON text. Positions are byte offsets; `None` means that the text is not JSON there.

/// Skips white space.
#[inline]
pub fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// Skips the string whose opening quote is at `at`; returns the position after the closing one.
#[inline]
pub fn string(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += text.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Bytes that open, close or may hide brackets.
const STRUCTURE: [bool; 256] = {
    let mut table = [false; 256];
    table[b'"' as usize] = true;
    table[b'{' as usize] = true;
    table[b'}' as usize] = true;
    table[b'[' as usize] = true;
    table[b']' as usize] = true;
    table
};

/// Skips the object or array that opens at `at`, however deep; returns the position after it.
fn container(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        at += text.get(at..)?.iter().position(|byte| STRUCTURE[usize::from(*byte)])?;
        match text[at] {
            b'"' => {
                at = string(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            _ => depth -= 1,
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Skips the value that starts at `at`; returns the position after it.
#[inline]
pub fn value(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string(text, at),
        b'{' | b'[' => container(text, at),
        b',' | b':' | b'}' | b']' => None,
        _ => Some(at + text[at..].iter().position(|byte| ends_word(*byte)).unwrap_or(text.len() - at)),
    }
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r')
}

/// A member of an object: its key with quotes, and where its value starts.
pub struct Member {
    /// The first byte of the key's quote.
    pub key: usize,
    /// The position after the key's closing quote.
    pub key_end: usize,
    /// The first byte of the value.
    pub value: usize,
}

/// Reads the member that starts at `at` (white space allowed); `None` at the closing brace too.
#[inline]
pub fn member(text: &[u8], at: usize) -> Option<Member> {
    let key = space(text, at);
    if *text.get(key)? != b'"' {
        return None;
    }
    let key_end = string(text, key)?;
    let colon = space(text, key_end);
    if *text.get(colon)? != b':' {
        return None;
    }
    Some(Member { key, key_end, value: space(text, colon + 1) })
}

/// Steps from the end of one member or element to the next one; `None` behind the last.
#[inline]
pub fn next(text: &[u8], at: usize) -> Option<usize> {
    let comma = space(text, at);
    (*text.get(comma)? == b',').then_some(comma + 1)
}

/// Returns where the first element of the array at `at` starts; `None` for an empty array.
#[inline]
pub fn first_element(text: &[u8], at: usize) -> Option<usize> {
    let start = space(text, at + 1);
    (*text.get(start)? != b']').then_some(start)
}
