//! Time zone files (RFC 8536): transitions, and the rule behind the last one.

use crate::posix::Rule;
use crate::zone::BadZone;

const HEADER: usize = 44;

/// What a file says: the offset before the first transition, then one from each on.
#[derive(Debug, Default)]
pub struct Contents {
    pub before: i32,
    pub transitions: Vec<i64>,
    pub offsets: Vec<i32>,
    pub rule: Option<Rule>,
}

/// The numbers of a block's entries, in the order of the header.
#[derive(Clone, Copy)]
struct Counts {
    ut_flags: usize,
    standard_flags: usize,
    leaps: usize,
    times: usize,
    types: usize,
    characters: usize,
}

impl Counts {
    fn read(block: &[u8]) -> Result<Self, BadZone> {
        if block.len() < HEADER || &block[..4] != b"TZif" {
            return Err(BadZone);
        }
        let count = |place: usize| be_u32(&block[20 + 4 * place..]) as usize;
        Ok(Self {
            ut_flags: count(0),
            standard_flags: count(1),
            leaps: count(2),
            times: count(3),
            types: count(4),
            characters: count(5),
        })
    }

    /// Bytes of a block without its header, its times being `width` bytes long.
    fn size(&self, width: usize) -> usize {
        self.times * (width + 1)
            + self.types * 6
            + self.characters
            + self.leaps * (width + 4)
            + self.standard_flags
            + self.ut_flags
    }
}

/// Reads a file of any version.
pub fn read(file: &[u8]) -> Result<Contents, BadZone> {
    let counts = Counts::read(file)?;
    if file[4] == 0 {
        return contents(&file[HEADER..], counts, 4);
    }
    let second = file.get(HEADER + counts.size(4)..).ok_or(BadZone)?;
    let counts = Counts::read(second)?;
    let mut found = contents(&second[HEADER..], counts, 8)?;
    let footer = second.get(HEADER + counts.size(8)..).ok_or(BadZone)?;
    found.rule = rule(footer)?;
    Ok(found)
}

fn contents(block: &[u8], counts: Counts, width: usize) -> Result<Contents, BadZone> {
    if block.len() < counts.size(width) || counts.types == 0 {
        return Err(BadZone);
    }
    let (times, rest) = block.split_at(counts.times * width);
    let (kinds, types) = rest.split_at(counts.times);
    let offset = |kind: usize| types[..counts.types * 6].chunks_exact(6).nth(kind).map(be_i32).ok_or(BadZone);
    Ok(Contents {
        before: offset(0)?,
        transitions: times.chunks_exact(width).map(if width == 8 { be_i64 } else { short_time }).collect(),
        offsets: kinds.iter().map(|kind| offset(usize::from(*kind))).collect::<Result<_, _>>()?,
        rule: None,
    })
}

/// The footer is a `TZ` string between line breaks; an empty one says nothing.
fn rule(footer: &[u8]) -> Result<Option<Rule>, BadZone> {
    let line = footer.strip_prefix(b"\n").ok_or(BadZone)?;
    let length = line.iter().position(|byte| *byte == b'\n').ok_or(BadZone)?;
    if length == 0 {
        return Ok(None);
    }
    Rule::parse(&line[..length]).map(Some).ok_or(BadZone)
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes[..4].iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn be_i32(bytes: &[u8]) -> i32 {
    be_u32(bytes) as i32
}

fn short_time(bytes: &[u8]) -> i64 {
    i64::from(be_i32(bytes))
}

fn be_i64(bytes: &[u8]) -> i64 {
    (u64::from(be_u32(bytes)) << 32 | u64::from(be_u32(&bytes[4..]))) as i64
}
