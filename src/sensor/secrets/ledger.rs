//! What key logs gave: secrets, counts, and sentences about what is wrong with them, of which there are few however bad a
//! log is.

use super::counters::Counters;
use super::lines::{Line, Lines};
use crate::limits::{KEYLOG_BROKEN_TOLD_MAX, KEYLOG_SENTENCES_MAX, KEYLOGS_OPEN_TO_OTHERS_TOLD_MAX};
use crate::tls::{Broken, KeyLine, Keys};

/// The books of all key logs of a run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) counters: Counters,
    /// What a person is to be told, until somebody does.
    sentences: Vec<String>,
    /// All sentences that there were, the ones beyond the bound included.
    told: u64,
    open_to_others: u64,
}

impl Ledger {
    /// Keeps a sentence, unless there were too many.
    pub(crate) fn tell(&mut self, sentence: String) {
        self.told += 1;
        match self.told {
            ..=KEYLOG_SENTENCES_MAX => self.sentences.push(sentence),
            told if told == KEYLOG_SENTENCES_MAX + 1 => {
                self.sentences.push("nothing more is said about key logs; the counters go on".to_owned());
            }
            _ => {}
        }
    }

    /// The sentences since this was last asked.
    pub(crate) fn sentences(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sentences)
    }

    /// Whoever reads the secrets reads the traffic.
    pub(crate) fn open_to_others(&mut self, name: &str) {
        self.open_to_others += 1;
        match self.open_to_others {
            ..=KEYLOGS_OPEN_TO_OTHERS_TOLD_MAX => {
                self.tell(format!("{name}: others can read these secrets (chmod go= helps)"));
            }
            count if count == KEYLOGS_OPEN_TO_OTHERS_TOLD_MAX + 1 => {
                self.tell("others can read the secrets in more files than these".to_owned());
            }
            _ => {}
        }
    }
}

/// One key log on its way into the books.
#[derive(Debug)]
pub(crate) struct Log {
    name: String,
    lines: Lines,
    broken: u64,
    /// Connections whose secrets made room for its own.
    evicted: u64,
}

impl Log {
    /// One that is called so where something is wrong with it.
    pub(crate) fn new(name: String) -> Self {
        Self { name, lines: Lines::default(), broken: 0, evicted: 0 }
    }

    /// The next bytes of it.
    pub(crate) fn push(&mut self, bytes: &[u8], keys: &mut Keys, ledger: &mut Ledger) {
        let Self { name, lines, broken, evicted } = self;
        lines.push(bytes, &mut |number, line| take(number, line, keys, (name, broken, evicted), ledger));
    }

    /// Nothing more comes of a line that has begun.
    pub(crate) fn end_line(&mut self, keys: &mut Keys, ledger: &mut Ledger) {
        let Self { name, lines, broken, evicted } = self;
        lines.end(&mut |number, line| take(number, line, keys, (name, broken, evicted), ledger));
    }

    /// Nothing more comes of it at all, or it begins anew: says what was only counted.
    pub(crate) fn end(&mut self, keys: &mut Keys, ledger: &mut Ledger) {
        self.end_line(keys, ledger);
        let Self { name, broken, evicted, .. } = self;
        let more = broken.saturating_sub(KEYLOG_BROKEN_TOLD_MAX);
        if more > 0 {
            ledger.tell(format!("{name}: {more} more lines are none"));
        }
        if *evicted > 0 {
            ledger.tell(format!(
                "{name}: more secrets than are kept: those of {evicted} connections made room"
            ));
        }
        *self = Self::new(std::mem::take(name));
    }
}

fn take(
    number: u64,
    line: Line<'_>,
    keys: &mut Keys,
    (name, broken, evicted): (&str, &mut u64, &mut u64),
    ledger: &mut Ledger,
) {
    let before = keys.evicted().0;
    let taken = match line {
        Line::Whole(line) => keys.take_line(line),
        Line::TooLong => KeyLine::Broken(Broken::TooLong),
    };
    *evicted += keys.evicted().0 - before;
    let counters = &mut ledger.counters;
    counters.keylog_lines += 1;
    match taken {
        KeyLine::WithoutUse => counters.keylog_lines_without_use += 1,
        KeyLine::Secret => counters.keylog_secrets += 1,
        KeyLine::Broken(why) => {
            counters.keylog_lines_broken += 1;
            *broken += 1;
            if *broken <= KEYLOG_BROKEN_TOLD_MAX {
                ledger.tell(format!("{name}: line {number} is no line of a key log: {}", why.name()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::KEYLOG_LINE_BYTES_MAX;

    fn good(number: u8) -> String {
        format!("CLIENT_RANDOM {} {}\n", format!("{number:02x}").repeat(32), "ab".repeat(48))
    }

    #[test]
    fn broken_lines_are_counted_and_named_by_file_and_line_however_they_come() {
        let too_long = "x".repeat(2 * KEYLOG_LINE_BYTES_MAX);
        let other = format!("EXPORTER_SECRET {} 00\n", "cd".repeat(32));
        let text =
            format!("# log\nnonsense\n{}{other}{too_long}\n\u{1}\u{2}\n{}CLIENT_RANDOM 0", good(1), good(2));
        for piece in [1, 7, 100, text.len()] {
            let (mut keys, mut ledger) = (Keys::default(), Ledger::default());
            let mut log = Log::new("keys.log".to_owned());
            text.as_bytes().chunks(piece).for_each(|piece| log.push(piece, &mut keys, &mut ledger));
            log.end(&mut keys, &mut ledger);
            let parts = "not LABEL, client random and secret";
            assert_eq!(
                ledger.sentences(),
                [
                    format!("keys.log: line 2 is no line of a key log: {parts}"),
                    "keys.log: line 5 is no line of a key log: longer than any line of one".to_owned(),
                    format!("keys.log: line 6 is no line of a key log: {parts}"),
                    format!("keys.log: line 8 is no line of a key log: {parts}"),
                ]
            );
            let counted = Counters {
                keylog_lines: 8,
                keylog_secrets: 2,
                keylog_lines_without_use: 2,
                keylog_lines_broken: 4,
                ..Counters::default()
            };
            assert_eq!(ledger.counters, counted);
            assert_eq!(keys.names().count(), 2);
        }
    }

    #[test]
    fn however_bad_a_log_is_little_is_said() {
        let (mut keys, mut ledger) = (Keys::default(), Ledger::default());
        let mut log = Log::new("one".to_owned());
        log.push(&b"nonsense\n".repeat(1_000), &mut keys, &mut ledger);
        log.end(&mut keys, &mut ledger);
        let said = ledger.sentences();
        assert_eq!(said.len() as u64, KEYLOG_BROKEN_TOLD_MAX + 1);
        assert_eq!(said.last().unwrap(), "one: 996 more lines are none");
        // it begins anew, and so do its numbers
        log.push(b"nonsense\n", &mut keys, &mut ledger);
        assert_eq!(
            ledger.sentences(),
            ["one: line 1 is no line of a key log: not LABEL, client random and secret"]
        );
        for number in 0..1_000 {
            Log::new(format!("{number}")).push(b"nonsense\n", &mut keys, &mut ledger);
            ledger.open_to_others(&number.to_string());
        }
        assert_eq!(ledger.sentences().len() as u64, KEYLOG_SENTENCES_MAX + 1 - 6);
        assert_eq!(ledger.counters.keylog_lines_broken, 2_001);
    }
}
