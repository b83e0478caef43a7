//! gRPC status codes and their form in response headers.

use http::HeaderValue;

/// Longest `grpc-message` in encoded bytes: clients refuse metadata above 8 KiB by default.
const MAX_MESSAGE_BYTES: usize = 4096;

/// The status codes that this crate itself answers with; handlers may send any of 1 to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// The request can't be read.
    InvalidArgument = 3,
    /// The client's deadline has passed.
    DeadlineExceeded = 4,
    /// A size or queue limit was met.
    ResourceExhausted = 8,
    /// The compression or method is not served.
    Unimplemented = 12,
    /// The handler broke.
    Internal = 13,
    /// The server is going away.
    Unavailable = 14,
}

/// How a call failed: a gRPC code from 1 to 16 and a message for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    code: u8,
    message: String,
}

impl Status {
    /// A failure that this crate found.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: code as u8, message: message.into() }
    }

    /// A failure that a handler reports; `None` unless `code` is 1 to 16.
    pub fn from_number(code: u8, message: String) -> Option<Self> {
        (1..=16).contains(&code).then_some(Self { code, message })
    }

    /// The gRPC code, 1 to 16.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// The message before encoding.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn code_header(&self) -> HeaderValue {
        HeaderValue::from(u16::from(self.code))
    }

    pub(crate) fn message_header(&self) -> HeaderValue {
        HeaderValue::from_str(&percent_encode(&self.message)).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// Encodes a message as the gRPC protocol asks: `%XX` for `%` and all outside printable ASCII, cut to a safe length.
pub(crate) fn percent_encode(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len().min(MAX_MESSAGE_BYTES));
    for symbol in message.chars() {
        let start = encoded.len();
        if matches!(symbol, ' '..='~') && symbol != '%' {
            encoded.push(symbol);
        } else {
            push_escaped(&mut encoded, symbol);
        }
        if encoded.len() > MAX_MESSAGE_BYTES {
            encoded.truncate(start);
            break;
        }
    }
    encoded
}

fn push_escaped(encoded: &mut String, symbol: char) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut utf8 = [0; 4];
    for byte in symbol.encode_utf8(&mut utf8).bytes() {
        encoded.push('%');
        encoded.push(char::from(HEX[usize::from(byte >> 4)]));
        encoded.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_ascii_stays_as_it_is() {
        assert_eq!(percent_encode("collection not found[a~b]"), "collection not found[a~b]");
    }

    #[test]
    fn percent_controls_and_other_scripts_are_escaped() {
        assert_eq!(percent_encode("50%\n"), "50%25%0A");
        assert_eq!(percent_encode("é中"), "%C3%A9%E4%B8%AD");
    }

    #[test]
    fn long_messages_are_cut_between_symbols() {
        let encoded = percent_encode(&"中".repeat(2000));
        assert!(encoded.len() <= MAX_MESSAGE_BYTES);
        assert_eq!(encoded.len() % 9, 0);
    }

    #[test]
    fn only_failure_codes_make_a_status() {
        assert!(Status::from_number(0, String::new()).is_none());
        assert!(Status::from_number(17, String::new()).is_none());
        assert_eq!(Status::from_number(16, "who".into()).map(|s| s.code()), Some(16));
    }
}
