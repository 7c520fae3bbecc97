//! What names mean, remembered: a worker sees the same few dozen header and parameter names again and again, and the
//! look at all lists and patterns is needed only once for each.
//!
//! One direct-mapped table of fixed size. A name that falls on the place of another takes it over, so that a
//! sender who invents names costs time, never memory.

/// Places of the table: several times the names that one service uses.
const PLACES: usize = 512;
/// The longest name that is remembered; with its length it fills half a cache line.
const NAME_BYTES_MAX: usize = 31;

/// A table from name to meaning.
#[derive(Clone, Debug)]
pub(super) struct Names<T> {
    places: Vec<Place<T>>,
    meaning: fn(&[u8]) -> T,
}

#[derive(Clone, Debug)]
struct Place<T> {
    length: u8,
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
        let meaning = (self.meaning)(name);
        if let Some(kept) = place.name.get_mut(..name.len()) {
            kept.copy_from_slice(name);
            place.length = name.len() as u8;
            place.meaning = meaning;
        }
        meaning
    }
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
