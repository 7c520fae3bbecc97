//! Header blocks → fields (RFC 7541), for a reader who may have missed some of them.
//!
//! An index counts from the newest entry of the dynamic table backwards. So after a loss every entry from before it
//! is unknown, and every one that was inserted since is known exactly: the known ones always stand in front.

mod arbitrary;
mod fields;
mod table;

use super::huffman;
use crate::limits::{HEAD_BYTES_MAX, HEADER_LINES_MAX};

pub use arbitrary::read_arbitrary;
pub use fields::Fields;
pub use table::Table;

/// Why a block can't be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It ends in the middle of a field.
    Short,
    /// It is not HPACK: an index that can't be, a number without end, text that is not in the Huffman code.
    Invalid,
    /// The fields are longer than is kept: some bytes can stand for very many.
    TooLong,
}

/// A field's name or value: bytes of the block, as they stand or in the Huffman code.
#[derive(Clone, Copy)]
struct Text<'a> {
    coded: bool,
    bytes: &'a [u8],
}

/// Where the name of a literal comes from.
enum Name<'a> {
    Index(usize),
    Text(Text<'a>),
}

/// Reads a block into `fields`. What came before the place where it breaks is in them.
///
/// # Errors
/// If the block is not whole. The table is not to be relied on any more then: the caller has to [`Table::forget`].
pub fn decode(table: &mut Table, block: &[u8], fields: &mut Fields) -> Result<(), Broken> {
    let mut rest = block;
    while let Some(first) = rest.first() {
        if fields.text().len() > HEAD_BYTES_MAX || fields.headers.len() > HEADER_LINES_MAX {
            return Err(Broken::TooLong);
        }
        if first & 0x80 != 0 {
            // §6.1: indexed field
            let index = number(&mut rest, 0x7f)?;
            match table.get(index).ok_or(Broken::Invalid)? {
                Some(field) => fields.push(&field),
                None => fields.push_unknown(),
            }
        } else if first & 0xe0 == 0x20 {
            // §6.3: size update
            table.resize(number(&mut rest, 0x1f)?);
        } else {
            // §6.2: literal; inserted, or not
            let insert = first & 0xc0 == 0x40;
            let index = number(&mut rest, if insert { 0x3f } else { 0x0f })?;
            let name = if index == 0 { Name::Text(text(&mut rest)?) } else { Name::Index(index) };
            let value = text(&mut rest)?;
            literal(table, &name, value, insert, fields)?;
        }
    }
    Ok(())
}

fn literal(
    table: &mut Table,
    name: &Name<'_>,
    value: Text<'_>,
    insert: bool,
    fields: &mut Fields,
) -> Result<(), Broken> {
    let start = fields.begin();
    let mut traits = None;
    let named = match name {
        Name::Text(text) => fields.append(text.coded, text.bytes),
        Name::Index(index) => match table.get(*index).ok_or(Broken::Invalid)? {
            Some(field) => {
                traits = Some(field.traits);
                fields.append(false, field.name())
            }
            None => {
                // a value without its name says nothing that may be told
                fields.push_unknown();
                if insert {
                    table.insert_unknown();
                }
                return Ok(());
            }
        },
    };
    let colon = fields.colon();
    if let Err(broken) = named.and_then(|()| fields.append(value.coded, value.bytes)) {
        fields.cut(start);
        return Err(broken);
    }
    let field = fields.close(start, colon, traits);
    if insert {
        table.insert(&field);
    }
    Ok(())
}

/// §5.1: a number whose first bits stand in a byte under `mask`.
fn number(rest: &mut &[u8], mask: u8) -> Result<usize, Broken> {
    let (first, mut behind) = rest.split_first().ok_or(Broken::Short)?;
    let mut value = usize::from(first & mask);
    if value == usize::from(mask) {
        let mut shift = 0;
        loop {
            let (byte, next) = behind.split_first().ok_or(Broken::Short)?;
            behind = next;
            // four bytes are more than any length or index that is believed
            if shift > 21 {
                return Err(Broken::Invalid);
            }
            value += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = behind;
    Ok(value)
}

/// §5.2: a string literal.
fn text<'a>(rest: &mut &'a [u8]) -> Result<Text<'a>, Broken> {
    let coded = rest.first().ok_or(Broken::Short)? & 0x80 != 0;
    let length = number(rest, 0x7f)?;
    let (bytes, behind) = rest.split_at_checked(length).ok_or(Broken::Short)?;
    *rest = behind;
    Ok(Text { coded, bytes })
}

impl Fields {
    fn append(&mut self, coded: bool, bytes: &[u8]) -> Result<(), Broken> {
        if coded {
            huffman::decode(bytes, self.text_mut()).map_err(|huffman::Invalid| Broken::Invalid)
        } else {
            self.text_mut().extend_from_slice(bytes);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
