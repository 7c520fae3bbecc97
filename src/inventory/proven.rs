//! Which words of paths are proven to belong to the API rather than to a person.
//!
//! Under `strict` no value leaves the machine, and `anna` in `/people/anna` looks like a word. What many routes ask for at one
//! place is no one's own.

use std::collections::BTreeMap;

use crate::limits::{PLACES_MAX, PROVEN_ROUTES_MIN};

/// What is learned of words at their places.
#[derive(Debug, Default)]
pub(super) struct Proven {
    places: BTreeMap<u64, Routes>,
    /// Words that could not be learned because there were too many.
    pub(super) refused: u64,
}

#[derive(Debug)]
enum Routes {
    /// Hashes of the routes so far.
    Few(Vec<u64>),
    /// Enough of them.
    Enough,
}

impl Proven {
    /// Whether the word at that place (its hash) is proven; with `learn`, the route counts first.
    pub(super) fn is_proven(&mut self, place: u64, route: u64, learn: bool) -> bool {
        if !learn {
            return matches!(self.places.get(&place), Some(Routes::Enough));
        }
        if self.places.len() >= PLACES_MAX && !self.places.contains_key(&place) {
            self.refused += 1;
            return false;
        }
        let routes = self.places.entry(place).or_insert_with(|| Routes::Few(Vec::new()));
        if let Routes::Few(all) = routes {
            if !all.contains(&route) {
                all.push(route);
            }
            if all.len() >= PROVEN_ROUTES_MIN {
                *routes = Routes::Enough;
            }
        }
        matches!(routes, Routes::Enough)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_routes_prove_one_does_not() {
        let mut proven = Proven::default();
        for _ in 0..100 {
            assert!(!proven.is_proven(1, 7, true));
        }
        for route in 0..PROVEN_ROUTES_MIN as u64 {
            assert!(!proven.is_proven(2, route, false), "what is not learned proves nothing");
            assert_eq!(proven.is_proven(2, route, true), route + 1 == PROVEN_ROUTES_MIN as u64);
        }
        assert!(proven.is_proven(2, 99, false) && !proven.is_proven(1, 8, false));
    }

    #[test]
    fn places_are_bounded() {
        let mut proven = Proven::default();
        for place in 0..PLACES_MAX as u64 + 5 {
            proven.is_proven(place, 1, true);
        }
        assert_eq!((proven.places.len(), proven.refused), (PLACES_MAX, 5));
    }
}
