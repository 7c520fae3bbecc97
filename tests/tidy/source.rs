//! Rust source with what is not code blanked out, line by line as it was.

/// A text, and the same text in which the inside of comments, strings and character literals is spaces.
pub(crate) struct Source {
    /// As it stands in the file.
    pub(crate) text: String,
    /// As long as `text`, line for line; only code is left.
    pub(crate) code: String,
}

/// One function: where it starts, and how many lines it has.
#[derive(Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// From 1.
    pub(crate) line: usize,
    /// From the line of `fn` to that of the closing brace.
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), code: blank(text) }
    }

    /// The code in front of the file's tests.
    pub(crate) fn code_without_tests(&self) -> &str {
        let end =
            self.code.find("#[cfg(test)]\nmod ").or_else(|| self.code.find("#[cfg(test)]\npub(crate) mod "));
        &self.code[..end.unwrap_or(self.code.len())]
    }

    /// The line, from 1, on which a byte of `code` stands.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.code[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    /// Where a word stands in the code, not as part of a longer one.
    pub(crate) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        words(&self.code, word)
    }

    /// Every function with a body, those inside others too.
    pub(crate) fn functions(&self) -> Vec<Function> {
        self.words("fn").filter_map(|at| self.function(at)).collect()
    }

    /// The function whose `fn` stands at `at`; none for a type such as `fn(u8)` or a declaration without a body.
    fn function(&self, at: usize) -> Option<Function> {
        let rest = self.code[at + 2..].trim_start();
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            return None;
        }
        let (mut depth, mut body) = (0_u32, 0_u32);
        for (offset, byte) in self.code[at..].bytes().enumerate() {
            match byte {
                b'(' | b'[' => depth += 1,
                b')' | b']' => depth = depth.checked_sub(1)?,
                b';' if depth == 0 && body == 0 => return None,
                b'{' => body += 1,
                b'}' => {
                    body = body.checked_sub(1)?;
                    // Braces between brackets belong to a constant in the signature.
                    if body == 0 && depth == 0 {
                        let (line, end) = (self.line_of(at), self.line_of(at + offset));
                        return Some(Function { name, line, lines: end - line + 1 });
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// Where a word stands, not as part of a longer one.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !code[..*at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

/// What is not code becomes spaces; line breaks stay.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (keep, len) = token(&bytes[at..], at > 0 && is_word(bytes[at - 1]));
        if !keep {
            for byte in &mut code[at..at + len] {
                *byte = if *byte == b'\n' { b'\n' } else { b' ' };
            }
        }
        at += len;
    }
    String::from_utf8_lossy(&code).into_owned()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether what stands first is code, and how long it is. A literal's quotes go with its inside.
fn token(rest: &[u8], inside_word: bool) -> (bool, usize) {
    match rest {
        [b'/', b'/', ..] => (false, rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => (false, block_comment(rest)),
        [b'"', ..] => (false, quoted(rest, b'"')),
        [b'r', b'"' | b'#', ..] if !inside_word => raw_string(rest, 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !inside_word => raw_string(rest, 2),
        [b'\'', b'\\', ..] => (false, quoted(rest, b'\'')),
        [b'\'', ..] => character(rest),
        [first, ..] if !first.is_ascii() => (false, 1),
        _ => (true, 1),
    }
}

/// Block comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, `br##"…"##`; but `r#name` is an identifier.
fn raw_string(rest: &[u8], prefix: usize) -> (bool, usize) {
    let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return (true, prefix);
    }
    let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let start = prefix + hashes + 1;
    let found = rest[start..].windows(end.len()).position(|window| window == end);
    (false, found.map_or(rest.len(), |inside| start + inside + end.len()))
}

/// `'x'` is a literal, `'a` a lifetime.
fn character(rest: &[u8]) -> (bool, usize) {
    let text = String::from_utf8_lossy(&rest[1..rest.len().min(8)]).into_owned();
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(inside), Some('\'')) => (false, inside.len_utf8() + 2),
        _ => (true, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_code_is_blank() {
        for (text, code) in [
            ("a // fn b", "a        "),
            ("a /* x /* y */ z */ b", "a                   b"),
            (r#"f("{\"", 'x', '{', '\'', '\u{7b}')"#, "f(     ,    ,    ,     ,         )"),
            (r###"r#"{"#; br"}"; r#fn; bar"###, "      ;      ; r#fn; bar"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("b'{' b\"{\"", "b    b   "),
            ("\"open\n}", "     \n "),
        ] {
            assert_eq!(Source::new(text).code, code, "{text}");
        }
    }

    #[test]
    fn functions_are_measured_with_their_signature() {
        let text = "fn one() {}\ntype T = fn(u8);\ntrait A { fn none(&self); }\nfn two(\n    a: [u8; { 4 }],\n) {\n    \
                    let s = \"}\"; // }\n    fn inner() {\n    }\n}\n";
        let found: Vec<_> =
            Source::new(text).functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("one".to_owned(), 1, 1), ("two".to_owned(), 4, 7), ("inner".to_owned(), 8, 2)]);
    }
}
