//! Value → data class, with validators: what a value is, decided from its own bytes or from the name it stands under.

pub mod name;
pub mod secret;

/// Appends what may be shown of a secret: its first and last two characters where it is long enough that four
/// of them give nothing away, and what it is: `AK…7Q (aws-access-key-id)`.
///
/// Of a short or a human-made value nothing is shown at all: two characters at either end are half a password.
#[must_use]
pub fn mask(value: &[u8], class: &str) -> String {
    let shown = |part: Option<&[u8]>| -> Option<String> {
        let part = part?;
        part.iter().all(u8::is_ascii_graphic).then(|| String::from_utf8_lossy(part).into_owned())
    };
    let long = value.len() >= SHOWN_LENGTH_MIN && class != name::PASSWORD;
    let ends = shown(value.get(..2).filter(|_| long)).zip(shown(value.get(value.len().saturating_sub(2)..)));
    match ends {
        Some((head, tail)) => format!("{head}…{tail} ({class})"),
        None => format!("… ({class})"),
    }
}

/// Four shown characters of sixteen leave at least 60 bits unknown in every alphabet that tokens use.
const SHOWN_LENGTH_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_four_characters_at_most() {
        for (value, class, shown) in [
            ("AKIAY3RT5WLQ6ZNXM27Q", "aws-access-key-id", "AK…7Q (aws-access-key-id)"),
            ("hunter2", "password", "… (password)"),
            ("correct horse battery staple", "password", "… (password)"),
            ("0123456789abcde", "api-key", "… (api-key)"),
            ("0123456789abcdef", "api-key", "01…ef (api-key)"),
            ("", "api-key", "… (api-key)"),
            ("ü123456789abcdef", "api-key", "… (api-key)"),
        ] {
            assert_eq!(mask(value.as_bytes(), class), shown);
        }
    }
}
