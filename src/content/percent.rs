//! Percent-encoding undone, without memory of its own: what stands in paths, queries, forms and names.

/// The bytes of a percent-encoded text (RFC 3986 §2.1); a broken escape stands for itself.
#[derive(Clone, Debug)]
pub struct DecodedPercent<'a>(pub &'a [u8]);

impl Iterator for DecodedPercent<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let [b'%', high, low, rest @ ..] = self.0
            && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
        {
            self.0 = rest;
            return Some((high << 4 | low) as u8);
        }
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_broken_ones_stay() {
        for (text, clear) in [
            ("", ""),
            ("plain", "plain"),
            ("%41%62c", "Abc"),
            ("%2525", "%25"),
            ("a%2", "a%2"),
            ("%", "%"),
            ("%zz%4", "%zz%4"),
            ("%%41", "%A"),
        ] {
            let decoded: Vec<u8> = DecodedPercent(text.as_bytes()).collect();
            assert_eq!(decoded, clear.as_bytes(), "{text}");
        }
    }
}
