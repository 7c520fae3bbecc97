//! A map of bounded size: when it is full, what has been in it for longest makes room. A sensor that runs for months goes on
//! taking keys.

use std::collections::{HashMap, VecDeque};

use crate::limits::KEYS_MAX;

/// Values by name, in boxes: a map that grows moves what lies in it, and would leave copies of secrets behind.
#[derive(Clone, Debug)]
pub(super) struct Newest<V> {
    by_name: HashMap<[u8; 32], Box<V>>,
    /// Every name once, the oldest first.
    order: VecDeque<[u8; 32]>,
    room: usize,
    /// How many made room.
    evicted: u64,
}

impl<V> Default for Newest<V> {
    fn default() -> Self {
        Self::with_room(KEYS_MAX)
    }
}

impl<V> Newest<V> {
    pub(super) fn with_room(room: usize) -> Self {
        Self { by_name: HashMap::new(), order: VecDeque::new(), room, evicted: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn get(&self, name: &[u8; 32]) -> Option<&V> {
        self.by_name.get(name).map(|value| &**value)
    }

    /// The names, the oldest first.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.order.iter()
    }

    /// Names and values, the oldest first, so that whoever takes them over evicts the same ones.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8; 32], &V)> {
        self.order.iter().filter_map(|name| Some((name, self.get(name)?)))
    }

    /// How many made room so far.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Counts what made room elsewhere.
    pub(super) const fn add_evicted(&mut self, count: u64) {
        self.evicted += count;
    }
}

impl<V: Default> Newest<V> {
    /// The value of that name, which is the newest one if it was not there.
    pub(super) fn entry(&mut self, name: [u8; 32]) -> &mut V {
        if !self.by_name.contains_key(&name) {
            if self.order.len() >= self.room
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_name.remove(&oldest);
                self.evicted += 1;
            }
            self.order.push_back(name);
        }
        self.by_name.entry(name).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let mut map = Newest::with_room(2);
        for (name, value) in [(1, 10), (2, 20), (1, 11), (3, 30)] {
            *map.entry([name; 32]) = value;
        }
        assert_eq!(map.iter().map(|(name, value)| (name[0], *value)).collect::<Vec<_>>(), [(2, 20), (3, 30)]);
        assert_eq!((map.get(&[1; 32]), map.evicted()), (None, 1));
        assert_eq!(map.by_name.len(), map.order.len());
    }
}
