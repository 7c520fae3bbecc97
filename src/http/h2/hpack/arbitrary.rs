//! The entry of the fuzz target `hpack` and of the stored inputs: any bytes as the header blocks of one direction, for one
//! reader who sees all of them and one who misses some.

use super::{Broken, Fields, Table, decode};
use crate::call::{Anomalies, Span};
use crate::limits::HPACK_TABLE_BYTES_MAX;

/// Text of which a quarter may be dropped, room for one more entry, and the entries.
const MEMORY_MAX: usize = 4 * HPACK_TABLE_BYTES_MAX;

/// Reads any bytes as header blocks, and tells how many fields they hold. Who missed some of them never tells another field
/// than who saw all, and can read what that one can.
///
/// ```text
/// | missed by the second: lowest bit | length: 2 bytes, LE | block … |
/// ```
///
/// # Panics
/// If one of these promises is broken.
#[must_use]
pub fn read_arbitrary(mut input: &[u8]) -> u64 {
    let [mut all, mut some] = [Table::default(), Table::default()];
    let [mut known, mut told] = [Fields::default(), Fields::default()];
    let mut count = 0;
    while let Some((&[what, low, high], rest)) = input.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        let (block, behind) = rest.split_at(len);
        input = behind;
        known.clear();
        if decode(&mut all, block, &mut known).is_err() {
            break;
        }
        count += known.headers.len() as u64;
        assert!(all.memory() <= MEMORY_MAX, "{} bytes", all.memory());
        if what & 1 == 0 {
            told.clear();
            match decode(&mut some, block, &mut told) {
                Ok(()) => compare(&known, &told),
                // a field that is not known takes a line even if it is a pseudo-header
                Err(Broken::TooLong) => break,
                Err(broken) => panic!("{broken:?}, though all of it can be read"),
            }
            assert!(some.memory() <= MEMORY_MAX, "{} bytes", some.memory());
        } else {
            some.forget();
        }
    }
    count
}

/// What is told stands, in this order, in what is known.
fn compare(known: &Fields, told: &Fields) {
    let field = |fields: &Fields, name: Span, value: Span| {
        (name.of(fields.text()).to_vec(), value.of(fields.text()).to_vec())
    };
    let mut all = known.headers.iter().map(|header| field(known, header.name, header.value));
    for header in told.headers.iter().filter(|header| header.name.is_known() && header.value.is_known()) {
        let wanted = field(told, header.name, header.value);
        assert!(all.any(|one| one == wanted), "{wanted:?} was not sent");
    }
    assert!(told.headers.len() + pseudos(told) >= known.headers.len(), "each field has a place");
    if known.anomalies.has(Anomalies::INVALID_START_LINE) {
        return;
    }
    let value = |fields: &Fields, span: Option<Span>| span.map(|span| span.of(fields.text()).to_vec());
    for of in [
        |fields: &Fields| fields.method,
        |fields: &Fields| fields.path,
        |fields: &Fields| fields.authority,
        |fields: &Fields| fields.scheme,
        |fields: &Fields| fields.protocol,
    ] {
        let [known, told] = [value(known, of(known)), value(told, of(told))];
        assert!(told.is_none() || told == known, "{told:?} instead of {known:?}");
    }
    assert!(told.status.is_none() || told.status == known.status);
}

fn pseudos(fields: &Fields) -> usize {
    let spans = [fields.method, fields.path, fields.authority, fields.scheme, fields.protocol];
    spans.iter().flatten().count() + usize::from(fields.status.is_some())
}
