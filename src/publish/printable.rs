//! Text from traffic and from servers, made harmless for a terminal: what could move the cursor, change colours or
//! turn the reading direction is shown as an escape.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with every character escaped that does something else than show itself.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if acts(character) {
            // Writing to a String can't fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Controls, and the format characters of Unicode that hide, join or reorder their neighbours (UAX #9 §2,
/// "Trojan source").
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown() {
        for (text, shown) in [
            ("/v1/items/{int}", "/v1/items/{int}"),
            ("/größe/☃", "/größe/☃"),
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("a\r\nb\tc\x7f\u{85}", "a\\u{d}\\u{a}b\\u{9}c\\u{7f}\\u{85}"),
            ("user\u{202e}nimda", "user\\u{202e}nimda"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }
}
