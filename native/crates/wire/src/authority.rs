//! Makes the `:authority` of clients on a Unix socket acceptable.
//!
//! gRPC's C core (Python, C++ and others) sends the socket's path, percent-encoded: `tmp%2Fdemo`; some clients send it
//! with slashes. Neither is an authority, and the HTTP/2 library ends such streams with `PROTOCOL_ERROR`. The server
//! has no use for the value, so `%` and `/` in it become `-` on their way in. Lengths stay as they are, and so does the
//! size of every entry in the client's header table (RFC 7541, section 4.1).
//!
//! Only names and values sent without Huffman coding are looked at, which is how these clients send them.

const HEAD_BYTES: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;
/// The index of `:authority` in the static table.
const AUTHORITY: u8 = 1;
const AUTHORITY_NAME: &[u8; 10] = b":authority";

/// Follows the frames of one connection, whose bytes may come in any pieces.
#[derive(Default)]
pub(crate) struct AuthorityRepair {
    head: [u8; HEAD_BYTES],
    head_len: usize,
    payload_left: usize,
    /// Whether the next payload byte is the length of the padding.
    padding_next: bool,
    priority_left: usize,
    padding: usize,
    fields: Fields,
}

impl AuthorityRepair {
    /// Repairs the next bytes after the connection preface.
    pub(crate) fn apply(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let used = if self.payload_left == 0 { self.read_head(bytes) } else { self.read_payload(bytes) };
            bytes = &mut bytes[used..];
        }
    }

    fn read_head(&mut self, bytes: &[u8]) -> usize {
        let used = bytes.len().min(HEAD_BYTES - self.head_len);
        self.head[self.head_len..self.head_len + used].copy_from_slice(&bytes[..used]);
        self.head_len += used;
        if self.head_len == HEAD_BYTES {
            self.begin_payload();
        }
        used
    }

    fn begin_payload(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.head_len = 0;
        self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
        (self.padding_next, self.priority_left, self.padding) = (false, 0, 0);
        if kind == HEADERS {
            self.padding_next = flags & PADDED != 0;
            self.priority_left = 5 * usize::from(flags & PRIORITY != 0);
            self.fields = Fields::default();
        }
    }

    fn read_payload(&mut self, bytes: &mut [u8]) -> usize {
        let used = bytes.len().min(self.payload_left);
        let kind = self.head[3];
        if kind != HEADERS && kind != CONTINUATION {
            self.payload_left -= used;
            return used;
        }
        for byte in &mut bytes[..used] {
            if self.padding_next {
                self.padding_next = false;
                self.padding = usize::from(*byte);
            } else if self.priority_left > 0 {
                self.priority_left -= 1;
            } else if self.payload_left > self.padding {
                self.fields.step(byte);
            }
            self.payload_left -= 1;
        }
        used
    }
}

/// Where in a header block the next byte stands (RFC 7541, section 6).
#[derive(Clone, Copy, Default)]
enum Fields {
    #[default]
    Start,
    /// More bytes of an integer; then a string's start or the next field.
    Index {
        value_follows: bool,
    },
    StringStart(Text),
    StringLength {
        text: Text,
        raw: bool,
        length: usize,
        shift: u32,
    },
    StringBytes {
        text: Text,
        raw: bool,
        left: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Name,
    /// A name that is `:authority` as far as it was read.
    AuthorityName,
    Value,
    Authority,
}

impl Fields {
    fn step(&mut self, byte: &mut u8) {
        *self = match *self {
            Self::Start => Self::start(*byte),
            Self::Index { value_follows } => match (*byte & 0x80 != 0, value_follows) {
                (true, _) => *self,
                (false, true) => Self::StringStart(Text::Value),
                (false, false) => Self::Start,
            },
            Self::StringStart(text) => {
                let (raw, length) = (*byte & 0x80 == 0, usize::from(*byte & 0x7f));
                if length == 0x7f {
                    Self::StringLength { text, raw, length, shift: 0 }
                } else if text == Text::Name && raw && length == AUTHORITY_NAME.len() {
                    Self::string(Text::AuthorityName, raw, length)
                } else {
                    Self::string(text, raw, length)
                }
            }
            Self::StringLength { text, raw, length, shift } => {
                let more = usize::from(*byte & 0x7f).checked_shl(shift).unwrap_or(0);
                let length = length.saturating_add(more);
                if *byte & 0x80 == 0 {
                    Self::string(text, raw, length)
                } else {
                    Self::StringLength { text, raw, length, shift: shift.saturating_add(7) }
                }
            }
            Self::StringBytes { text, raw, left } => {
                if raw && text == Text::Authority && matches!(*byte, b'%' | b'/') {
                    *byte = b'-';
                }
                let differs = text == Text::AuthorityName && *byte != AUTHORITY_NAME[AUTHORITY_NAME.len() - left];
                Self::string(if differs { Text::Name } else { text }, raw, left - 1)
            }
        };
    }

    fn start(byte: u8) -> Self {
        let (mask, is_literal) = match byte {
            0x80.. => (0x7f, false),
            0x40.. => (0x3f, true),
            0x20.. => (0x1f, false),
            _ => (0x0f, true),
        };
        match (byte & mask, is_literal) {
            (index, value_follows) if index == mask => Self::Index { value_follows },
            (_, false) => Self::Start,
            (0, true) => Self::StringStart(Text::Name),
            (AUTHORITY, true) => Self::StringStart(Text::Authority),
            (_, true) => Self::StringStart(Text::Value),
        }
    }

    fn string(text: Text, raw: bool, left: usize) -> Self {
        match (left, text) {
            (0, Text::Name) => Self::StringStart(Text::Value),
            (0, Text::AuthorityName) => Self::StringStart(Text::Authority),
            (0, _) => Self::Start,
            _ => Self::StringBytes { text, raw, left },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn text(value: &[u8]) -> Vec<u8> {
        assert!(value.len() < 127);
        [&[value.len() as u8], value].concat()
    }

    fn block(authority: &[u8]) -> Vec<u8> {
        let mut block = vec![0x3f, 0xe1, 0x1f, 0x83, 0x86, 0x44];
        block.extend(text(b"/a/B%"));
        block.push(0x41);
        block.extend(text(authority));
        for (name, value) in [(&b"x/%"[..], &b"y/%"[..]), (b":authoritx", b"/%"), (b":authority", authority)] {
            block.push(0x40);
            block.extend(text(name));
            block.extend(text(value));
        }
        block.extend([0x0f, 0x2f, 0x7f, 0x01]);
        block.extend([b'%'; 128]);
        block
    }

    /// The stream before and after: padded headers, a continuation that splits a block, data, plain headers.
    fn stream(authority: &[u8]) -> Vec<u8> {
        let whole = block(authority);
        let last = [&[0x01][..], &text(authority)].concat();
        let padded = [&[3, 0, 0, 0, 0, 9][..], &whole, &last, b"\x41\x01%"].concat();
        [
            frame(4, 0, b"\x41\x02%%\x00\x00"),
            frame(HEADERS, PADDED | PRIORITY, &padded),
            frame(0, PADDED, b"\x01\x41\x02%%/"),
            frame(HEADERS, 0, &whole[..16]),
            frame(CONTINUATION, 4, &whole[16..]),
            frame(HEADERS, PADDED, &[&[0][..], &whole].concat()),
            frame(HEADERS, PRIORITY, &[&[0, 0, 0, 0, 9][..], &whole].concat()),
            frame(HEADERS, 4, &whole),
        ]
        .concat()
    }

    #[test]
    fn only_the_authority_changes_however_the_bytes_are_split() {
        let (sent, expected) = (stream(b"tmp%2Fa/b"), stream(b"tmp-2Fa-b"));
        for size in [1, 2, 3, 7, 9, 64, sent.len()] {
            let mut bytes = sent.clone();
            let mut repair = AuthorityRepair::default();
            bytes.chunks_mut(size).for_each(|part| repair.apply(part));
            assert_eq!(bytes, expected, "pieces of {size}");
        }
    }

    #[test]
    fn proper_authorities_and_other_protocols_pass_unchanged() {
        for sent in [stream(b"localhost:19530"), (0..=255).cycle().take(5000).collect(), vec![0xff; 5000]] {
            let mut bytes = sent.clone();
            AuthorityRepair::default().apply(&mut bytes);
            assert_eq!(bytes, sent);
        }
    }
}
