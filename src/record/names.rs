//! What names mean, remembered: a worker sees the same few dozen header and parameter names again and again, and the
//! look at all lists and patterns is needed only once for each.
//!
//! One direct-mapped table of fixed size. A name that falls on the place of another takes it over, so that a
//! sender who invents names costs time, never memory.

use crate::call::Span;

/// Places of the table: several times the names that one service uses.
const PLACES: usize = 512;
/// The longest name that is remembered; longer ones are rare.
const NAME_BYTES_MAX: usize = 32;

/// A table from name to meaning.
#[derive(Clone, Debug)]
pub(super) struct Names<T> {
    places: Vec<Place<T>>,
    meaning: fn(&[u8]) -> T,
}

#[derive(Clone, Debug)]
struct Place<T> {
    length: u8,
    /// The name, behind it zeros.
    name: [u8; NAME_BYTES_MAX],
    meaning: T,
}

impl<T: Copy + Default> Names<T> {
    /// `meaning` says what a name means: a pure function of its bytes.
    pub(super) fn new(meaning: fn(&[u8]) -> T) -> Self {
        let empty = || Place { length: 0, name: [0; NAME_BYTES_MAX], meaning: T::default() };
        Self { places: std::iter::repeat_with(empty).take(PLACES).collect(), meaning }
    }

    /// What `name` means.
    #[inline]
    pub(super) fn of(&mut self, name: &[u8]) -> T {
        let Some(place) = self.places.get_mut(place_of(name)) else { return (self.meaning)(name) };
        if !name.is_empty() && place.name.get(..usize::from(place.length)) == Some(name) {
            return place.meaning;
        }
        self.learn(name)
    }

    /// What the name that `span` shows in `buffer` means. As [`Names::of`], but the name is compared together with
    /// what follows it, by moves of fixed size.
    #[inline]
    pub(super) fn at(&mut self, buffer: &[u8], span: Span) -> T {
        let name = span.of(buffer);
        let (Some(chunk), Some(mask)) = (
            buffer.get(span.start as usize..).and_then(|rest| rest.first_chunk::<NAME_BYTES_MAX>()),
            MASKS.get(name.len()),
        ) else {
            return self.of(name);
        };
        let Some(place) = self.places.get(place_of(name)) else { return (self.meaning)(name) };
        let same =
            halves(chunk).zip(halves(mask)).zip(halves(&place.name)).all(|((a, mask), b)| a & mask == b);
        if same && usize::from(place.length) == name.len() && !name.is_empty() {
            return place.meaning;
        }
        self.learn(name)
    }

    #[cold]
    fn learn(&mut self, name: &[u8]) -> T {
        let meaning = (self.meaning)(name);
        if let Some(place) = self.places.get_mut(place_of(name))
            && name.len() <= NAME_BYTES_MAX
        {
            let mut kept = [0; NAME_BYTES_MAX];
            if let Some(front) = kept.get_mut(..name.len()) {
                front.copy_from_slice(name);
            }
            *place = Place { length: name.len() as u8, name: kept, meaning };
        }
        meaning
    }
}

/// For each length: ones where the name stands, zeros behind it.
static MASKS: [[u8; NAME_BYTES_MAX]; NAME_BYTES_MAX + 1] = {
    let mut masks = [[0; NAME_BYTES_MAX]; NAME_BYTES_MAX + 1];
    let mut length = 0;
    while length <= NAME_BYTES_MAX {
        let mut at = 0;
        while at < length {
            masks[length][at] = 0xff;
            at += 1;
        }
        length += 1;
    }
    masks
};

/// The two halves as numbers.
#[inline]
fn halves(bytes: &[u8; NAME_BYTES_MAX]) -> impl Iterator<Item = u128> {
    let (pairs, _) = bytes.as_chunks::<16>();
    pairs.iter().map(|half| u128::from_ne_bytes(*half))
}

/// From the first and last eight bytes and the length: names that differ only between share a place.
#[inline]
fn place_of(name: &[u8]) -> usize {
    let word = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29),
        _ => name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    let mixed = (word ^ (name.len() as u64) << 59).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Header;

    #[test]
    fn agrees_with_what_it_remembers_for() {
        let mut names = Names::new(Header::of);
        let mut random = fastrand::Rng::with_seed(3);
        let known =
            ["Host", "host", "Authorization", "Cookie", "X-Api-Key", "Accept", "", "x", "X-Acme-Token"];
        for _ in 0..50_000 {
            let mut name = random.choice(known).unwrap().as_bytes().to_vec();
            if random.u8(..) < 64 {
                name.extend((0..random.usize(0..40)).map(|_| random.u8(b'a'..=b'z')));
            }
            assert_eq!(names.of(&name), Header::of(&name));
        }
    }
}
