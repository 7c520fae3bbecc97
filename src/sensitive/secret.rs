//! Keys, tokens and private keys whose format can be checked, found in any text.
//!
//! One pass over the text looks for the literal beginnings of all formats at once; most text has none, and costs
//! no more than that pass. A beginning that is found is then read by the format's own rules: alphabet, length, boundaries,
//! structure, checksum. What only begins like a secret is not reported, with one exception: see
//! [`Class::AwsLookalike`].

mod aws;
mod block;
mod jwt;
mod token;

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The public half of an AWS key pair: alphabet, entropy and the account number in it are right.
    AwsAccessKeyId,
    /// The secret half, which stands near an id.
    AwsSecretKey,
    /// Begins like an AWS key id and has its length, but can't be one: an identifier of another family. It is
    /// reported because a field full of these tells that its rare valid values are none either.
    AwsLookalike,
    /// GitHub: personal, OAuth, user-to-server, server-to-server and refresh tokens.
    GithubToken,
    /// GitHub: fine-grained personal access token.
    GithubFineGrainedToken,
    /// GitLab: personal, project or group access token.
    GitlabToken,
    /// npm: automation, publish or granular token.
    NpmToken,
    /// Stripe: secret or restricted key of the live mode.
    StripeKey,
    /// Slack: bot, user, app, refresh or session token.
    SlackToken,
    /// Google API key. Names a project; many are made to be public.
    GoogleApiKey,
    /// SendGrid API key.
    SendgridKey,
    /// Shopify access token or shared secret.
    ShopifyToken,
    /// DigitalOcean token.
    DigitaloceanToken,
    /// PyPI upload token.
    PypiToken,
    /// OpenAI key.
    OpenaiKey,
    /// Anthropic key.
    AnthropicKey,
    /// Private key in PEM or OpenPGP armour.
    PrivateKey,
    /// Signed or unsigned JSON Web Token.
    Jwt,
}

/// How sure the format alone makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The format is missed: it is none.
    Refuted,
    /// Alphabet, lengths and structure are right.
    Structure,
    /// A checksum inside the value is right.
    Checksum,
}

const NAMES: &[(Class, &str)] = &[
    (Class::AwsAccessKeyId, "aws-access-key-id"),
    (Class::AwsSecretKey, "aws-secret-key"),
    (Class::AwsLookalike, "aws-lookalike"),
    (Class::GithubToken, "github-token"),
    (Class::GithubFineGrainedToken, "github-fine-grained-token"),
    (Class::GitlabToken, "gitlab-token"),
    (Class::NpmToken, "npm-token"),
    (Class::StripeKey, "stripe-key"),
    (Class::SlackToken, "slack-token"),
    (Class::GoogleApiKey, "google-api-key"),
    (Class::SendgridKey, "sendgrid-key"),
    (Class::ShopifyToken, "shopify-token"),
    (Class::DigitaloceanToken, "digitalocean-token"),
    (Class::PypiToken, "pypi-token"),
    (Class::OpenaiKey, "openai-key"),
    (Class::AnthropicKey, "anthropic-key"),
    (Class::PrivateKey, "private-key"),
    (Class::Jwt, "jwt"),
];

impl Class {
    /// As in the record's `classes`.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(class, _)| *class == self).map_or("secret", |(_, name)| name)
    }

    /// The class of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(class, _)| *class)
    }

    /// What the format proves. A GitLab token of the older form has no checksum, so the class promises structure.
    #[must_use]
    pub const fn certainty(self) -> Certainty {
        match self {
            Self::AwsLookalike => Certainty::Refuted,
            Self::GithubToken | Self::NpmToken => Certainty::Checksum,
            _ => Certainty::Structure,
        }
    }
}

/// How a format is read, once its beginning was found.
#[derive(Clone, Copy)]
enum Reader {
    Aws,
    Block,
    Jwt,
    Token(&'static token::Format),
}

/// The beginnings of everything that has a reader of its own.
const SPECIAL: &[(&str, Reader)] = &[
    ("AKIA", Reader::Aws),
    ("ASIA", Reader::Aws),
    ("ABIA", Reader::Aws),
    ("ACCA", Reader::Aws),
    ("A3T", Reader::Aws),
    ("-----BEGIN ", Reader::Block),
    ("eyJ", Reader::Jwt),
];

struct Beginnings {
    automaton: AhoCorasick,
    readers: Vec<Reader>,
}

/// Built once: the automaton and, for each of its patterns, how to read on. An automaton that can't be built
/// (the patterns are constants, so a test would see it) finds nothing.
static BEGINNINGS: LazyLock<Option<Beginnings>> = LazyLock::new(|| {
    let tokens = token::FORMATS.iter().map(|format| (format.begins, Reader::Token(format)));
    let (patterns, readers): (Vec<_>, Vec<_>) = SPECIAL.iter().copied().chain(tokens).unzip();
    let automaton = AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .kind(Some(AhoCorasickKind::DFA))
        .build(patterns)
        .ok()?;
    Some(Beginnings { automaton, readers })
});

/// Whether anything in the text begins like a secret. Nothing does: [`find`] finds nothing.
#[must_use]
pub fn candidate(bytes: &[u8]) -> bool {
    BEGINNINGS.as_ref().is_some_and(|beginnings| beginnings.automaton.is_match(bytes))
}

/// Finds every secret in the text, in the order of their beginnings, except that the secret half of an AWS pair
/// follows its id wherever it stands.
///
/// The text may be JSON as it lies on the wire: line breaks in PEM blocks and slashes in AWS secrets may be escaped.
pub fn find(bytes: &[u8], mut found: impl FnMut(Range<usize>, Class)) {
    let Some(beginnings) = BEGINNINGS.as_ref() else { return };
    let mut from = 0;
    while let Some(hit) = beginnings.automaton.find(aho_corasick::Input::new(bytes).range(from..)) {
        let start = hit.start();
        let Some(reader) = beginnings.readers.get(hit.pattern().as_usize()) else { return };
        let read = match reader {
            Reader::Aws => aws::read(bytes, start),
            Reader::Block => block::read(bytes, start).map(|range| (range, Class::PrivateKey)),
            Reader::Jwt => jwt::read(bytes, start).map(|range| (range, Class::Jwt)),
            Reader::Token(format) => token::read(bytes, start, format).map(|range| (range, format.class)),
        };
        from = start + 1;
        if let Some((range, class)) = read {
            from = from.max(range.end);
            let secret = (class == Class::AwsAccessKeyId).then(|| aws::secret_near(bytes, &range)).flatten();
            found(range, class);
            if let Some(secret) = secret {
                found(secret, Class::AwsSecretKey);
            }
        }
    }
}

/// The byte before `start`, if there is one.
fn before(bytes: &[u8], start: usize) -> Option<u8> {
    start.checked_sub(1).and_then(|place| bytes.get(place)).copied()
}

/// A letter, a digit or an underscore: what makes a longer word of a value when it stands beside it.
const fn is_word(byte: Option<u8>) -> bool {
    matches!(byte, Some(b) if b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether the value at `start` begins a word. In JSON as it lies on the wire the `n` of `\n` is no letter of it;
/// neither are the two digits of a percent-encoded byte.
fn begins_word(bytes: &[u8], start: usize) -> bool {
    let last = before(bytes, start);
    if !is_word(last) {
        return true;
    }
    let escaped =
        matches!(last, Some(b'n' | b'r' | b't')) && before(bytes, start.saturating_sub(1)) == Some(b'\\');
    let encoded = start >= 3
        && bytes.get(start - 3..start).is_some_and(|three| {
            three.first() == Some(&b'%') && three.iter().skip(1).all(u8::is_ascii_hexdigit)
        });
    escaped || encoded
}

/// How many bytes from `start` on are in the alphabet.
fn run(bytes: &[u8], start: usize, alphabet: impl Fn(u8) -> bool) -> usize {
    bytes.get(start..).unwrap_or_default().iter().take_while(|byte| alphabet(**byte)).count()
}

/// Shannon entropy in bits per byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = bytes.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / total)
        .map(|p| -p * p.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn found(text: &str) -> Vec<(String, Class)> {
        let mut all = Vec::new();
        find(text.as_bytes(), |range, class| all.push((text[range].to_owned(), class)));
        all
    }

    #[test]
    fn names_are_unique_and_complete() {
        for (class, name) in NAMES {
            assert_eq!((class.name(), Class::named(name)), (*name, Some(*class)));
        }
        assert!(BEGINNINGS.is_some());
        for format in token::FORMATS {
            assert_ne!(format.class.name(), "secret");
        }
    }

    #[test]
    fn several_secrets_in_one_text() {
        let text =
            r#"{"a":"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","b":"AKIAY3RT5WLQ6ZNXM27Q","c":"ghp_no"}"#;
        let classes: Vec<_> = found(text).into_iter().map(|(_, class)| class).collect();
        assert_eq!(classes, [Class::GithubToken, Class::AwsAccessKeyId]);
        assert!(candidate(text.as_bytes()) && !candidate(b"{\"name\":\"Mallory\",\"city\":\"Lund\"}"));
    }

    #[test]
    fn any_cut_of_a_text_is_survived() {
        let text = "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 AKIAY3RT5WLQ6ZNXM27Q eyJhbGciOiJub25lIn0.e30. \
                    -----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----- glpat-abcdefghijklmnopqrst";
        for cut in 0..text.len() {
            find(&text.as_bytes()[cut..], |_, _| ());
            find(&text.as_bytes()[..cut], |_, _| ());
        }
    }

    #[test]
    fn entropy_of_known_texts() {
        assert!((entropy(b"aaaa") - 0.0).abs() < 1e-9);
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-9);
        assert!((entropy(b"0123456789abcdef") - 4.0).abs() < 1e-9);
    }

    /// Not a test of correctness: `cargo test --release --lib prefilter_speed -- --ignored --nocapture`.
    #[test]
    #[ignore = "measures; says something only in a release build on a quiet machine"]
    #[expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]
    fn prefilter_speed() {
        let row = br#"{"id":48213,"name":"Maja Lindqvist","street":"Storgatan 12","city":"Lund","email":"maja@mail.test","total":129.50,"state":"shipped"},"#;
        let text: Vec<u8> = row.iter().copied().cycle().take(1 << 20).collect();
        assert!(!candidate(&text));
        let rounds = 500;
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            find(std::hint::black_box(&text), |_, _| panic!("nothing is there"));
        }
        let rate = (rounds * text.len()) as f64 / start.elapsed().as_secs_f64() / 1e9;
        println!("{rate:.2} GB/s");
        assert!(rate > 1.0, "{rate}");
    }
}
