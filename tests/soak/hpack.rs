//! Header blocks as an end writes them (RFC 7541), with a note of what each field hangs on.
//!
//! Entries of the dynamic table are numbered over the life of a connection. So whoever reads a block needs not read it:
//! a field is known if its bytes are there and the entry that it names is one that was read.

use std::collections::VecDeque;

use fastrand::Rng;

/// A field, and what is needed to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Where it ends in the block.
    pub(crate) end: usize,
    /// The entry that it takes its name, or name and value, from.
    pub(crate) needs: Option<u64>,
    /// The entry that it becomes.
    pub(crate) becomes: Option<u64>,
}

/// The table of one end.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// Newest first.
    entries: VecDeque<(u64, String, String)>,
    bytes: usize,
    bytes_max: usize,
    count: u64,
}

/// Those of Appendix A that are used here.
const STATIC: &[(usize, &str, &str)] = &[
    (1, ":authority", ""),
    (2, ":method", "GET"),
    (3, ":method", "POST"),
    (4, ":path", "/"),
    (6, ":scheme", "http"),
    (8, ":status", "200"),
    (9, ":status", "204"),
    (13, ":status", "404"),
    (14, ":status", "500"),
    (23, "authorization", ""),
    (31, "content-type", ""),
    (45, "link", ""),
    (54, "server", ""),
    (58, "user-agent", ""),
];
const STATIC_COUNT: usize = 61;
const TABLE_BYTES_DEFAULT: usize = 4096;

/// Appendix B as far as it goes up to eight bits: the code is canonical, so lengths say all.
const HUFFMAN: [(u32, &str); 4] = [
    (5, "012aceiost"),
    (6, " %-./3456789=A_bdfghlmnpru"),
    (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, "&*,;XZ"),
];

impl Encoder {
    pub(crate) const fn new() -> Self {
        Self { entries: VecDeque::new(), bytes: 0, bytes_max: TABLE_BYTES_DEFAULT, count: 0 }
    }

    /// A block of these fields.
    pub(crate) fn block(&mut self, fields: &[(String, String)], random: &mut Rng) -> (Vec<u8>, Vec<Item>) {
        let mut block = Vec::new();
        if random.u8(..50) == 0 {
            self.bytes_max = [0, 200, 1000, TABLE_BYTES_DEFAULT][random.usize(..4)];
            self.evict();
            number(&mut block, 0x20, 5, self.bytes_max);
        }
        let items = fields.iter().map(|(name, value)| self.field(&mut block, name, value, random)).collect();
        (block, items)
    }

    fn field(&mut self, block: &mut Vec<u8>, name: &str, value: &str, random: &mut Rng) -> Item {
        let of_static = STATIC.iter().find(|(_, other, text)| (*other, *text) == (name, value));
        let of_table = self.entries.iter().position(|(_, other, text)| other == name && text == value);
        let (mut needs, mut becomes) = (None, None);
        if let Some((index, ..)) = of_static {
            number(block, 0x80, 7, *index);
        } else if let Some(at) = of_table.filter(|_| random.u8(..20) > 0) {
            needs = Some(self.entries[at].0);
            number(block, 0x80, 7, STATIC_COUNT + 1 + at);
        } else {
            let named = STATIC.iter().find(|(_, other, _)| *other == name);
            let named_here = self.entries.iter().position(|(_, other, _)| other == name);
            let named_here = named_here.filter(|_| named.is_none() && random.u8(..20) > 0);
            needs = named_here.map(|at| self.entries[at].0);
            let index = named.map(|(index, ..)| *index).or(named_here.map(|at| STATIC_COUNT + 1 + at));
            let inserts = random.u8(..10) < if name == ":path" { 4 } else { 8 };
            match (inserts, random.u8(..4)) {
                (true, _) => number(block, 0x40, 6, index.unwrap_or(0)),
                (false, 0) => number(block, 0x10, 4, index.unwrap_or(0)),
                (false, _) => number(block, 0, 4, index.unwrap_or(0)),
            }
            if index.is_none() {
                text(block, name, random);
            }
            text(block, value, random);
            becomes = if inserts { self.insert(name, value) } else { None };
        }
        Item { name: name.to_owned(), value: value.to_owned(), end: block.len(), needs, becomes }
    }

    /// Adds an entry; its number, unless it is too large for the table, which is empty then (§4.4).
    fn insert(&mut self, name: &str, value: &str) -> Option<u64> {
        self.count += 1;
        self.entries.push_front((self.count, name.to_owned(), value.to_owned()));
        self.bytes += entry_bytes(name, value);
        self.evict();
        (!self.entries.is_empty()).then_some(self.count)
    }

    fn evict(&mut self) {
        while self.bytes > self.bytes_max
            && let Some((_, name, value)) = self.entries.pop_back()
        {
            self.bytes -= entry_bytes(&name, &value);
        }
    }
}

/// §4.1.
fn entry_bytes(name: &str, value: &str) -> usize {
    name.len() + value.len() + 32
}

/// §5.1.
fn number(block: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        block.push(first | value as u8);
        return;
    }
    block.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        block.push(rest as u8 | 128);
        rest >>= 7;
    }
    block.push(rest as u8);
}

/// §5.2; in the Huffman code now and then.
fn text(block: &mut Vec<u8>, value: &str, random: &mut Rng) {
    match huffman(value).filter(|_| random.bool()) {
        Some(coded) => {
            number(block, 0x80, 7, coded.len());
            block.extend(coded);
        }
        None => {
            number(block, 0, 7, value.len());
            block.extend(value.bytes());
        }
    }
}

/// The value in the code, if all of it has a short one.
fn huffman(value: &str) -> Option<Vec<u8>> {
    let (mut coded, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for letter in value.chars() {
        let (code, length) = code(letter)?;
        bits = bits << length | code;
        held += length;
        while held >= 8 {
            held -= 8;
            coded.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    if held > 0 {
        // what is left is filled with the beginning of the code that ends all
        coded.push((bits << (8 - held) | 0xff >> held) as u8);
    }
    Some(coded)
}

fn code(letter: char) -> Option<(u32, u32)> {
    let (mut next, mut bits) = (0, 5);
    for (length, letters) in HUFFMAN {
        next <<= length - bits;
        bits = length;
        if let Some(at) = letters.find(letter) {
            return Some((next + at as u32, length));
        }
        next += letters.len() as u32;
    }
    None
}

#[test]
fn the_examples_of_rfc_7541() {
    for (value, coded) in [
        ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
        ("no-cache", "a8eb10649cbf"),
        ("custom-key", "25a849e95ba97d7f"),
        ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
        ("https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"),
    ] {
        let hex: String = huffman(value).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, coded, "{value}");
    }
    let mut block = Vec::new();
    number(&mut block, 0, 5, 1337);
    assert_eq!(block, [31, 154, 10]);
}

#[test]
fn a_field_hangs_on_the_entry_that_it_names() {
    let (mut encoder, mut random) = (Encoder::new(), Rng::with_seed(4));
    let fields = [("x-call".to_owned(), "1".to_owned())];
    let mut known = Vec::new();
    for _ in 0..40 {
        let (block, items) = encoder.block(&fields, &mut random);
        assert_eq!(items[0].end, block.len());
        assert!(items[0].needs.is_none_or(|needs| known.contains(&needs)), "{items:?}");
        known.extend(items[0].becomes);
    }
    assert!(known.len() > 2, "{known:?}");
}
