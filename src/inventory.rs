//! The operations that really exist, with what was seen of each.
