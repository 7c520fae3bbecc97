//! Protected records: opened, told, or lost.

use std::sync::Arc;

use super::protection::{Attempt, Next, Protection};
use super::record::{Loss, Record, Verdict};
use super::side::{Cover, Wait};
use super::{Bench, CHANGE_CIPHER_SPEC, Chosen, DATA, Early, Event, HANDSHAKE, Reason, Tls};
use crate::flow::{Chunk, End, Gap, GapCause, Start};
use crate::limits::{BAD_RECORDS_MAX, TRIED_BYTES_MAX, TRY_BYTES};
use crate::wire::Direction;

impl Tls {
    /// A protected record.
    pub(super) fn open(
        &mut self,
        direction: Direction,
        record: &Record<'_>,
        bench: &mut Bench,
        deliver: &mut impl FnMut(Event<'_>),
    ) -> Verdict {
        let is_13 = self.chosen.as_ref().is_some_and(Chosen::is_13);
        if is_13 && record.kind() != DATA {
            return if record.in_sequence { Verdict::Taken } else { Verdict::Refused };
        }
        let secrets = self.asked.and_then(|random| bench.keys.as_ref()?.of(&random));
        let mut plaintext = std::mem::take(&mut bench.scratch);
        let of_client = direction == self.client;
        let suite = self.chosen.as_ref().and_then(|chosen| chosen.suite);
        let attempt = match (self.side(direction).keys_mut(), suite) {
            (Some(protection), Some(suite)) => {
                protection.open(record, &mut plaintext, &Next { suite, secrets, of_client })
            }
            _ => Attempt::Failed { tried: 1 },
        };
        let verdict = match attempt {
            Attempt::Opened { .. } if !self.inflate(direction, &mut plaintext) => {
                self.tell_gap(direction, None, record.offset + 1, GapCause::Lost, deliver);
                Verdict::Taken
            }
            Attempt::Opened { nothing_lost } => {
                let kind = if is_13 { inner_type(&mut plaintext) } else { record.kind() };
                self.opened_record(direction, record, (kind, &plaintext, nothing_lost), bench, deliver)
            }
            Attempt::NoSecret => self.hold_back(direction, Wait::Secrets, bench),
            Attempt::Failed { tried } => self.bad_record(direction, record, tried, deliver),
        };
        bench.scratch = plaintext;
        verdict
    }

    pub(super) fn opened_record(
        &mut self,
        direction: Direction,
        record: &Record<'_>,
        (kind, plaintext, nothing_lost): (u8, &[u8], bool),
        bench: &mut Bench,
        deliver: &mut impl FnMut(Event<'_>),
    ) -> Verdict {
        self.prove(direction, bench);
        let side = self.side(direction);
        (side.bad_records, side.tried_bytes) = (0, 0);
        if std::mem::take(&mut side.doubt) && !nothing_lost {
            self.tell_gap(direction, None, record.offset, GapCause::Lost, deliver);
        }
        match kind {
            DATA => self.tell_data(direction, record, plaintext, deliver),
            HANDSHAKE => self.messages(direction, plaintext, bench),
            CHANGE_CIPHER_SPEC => {
                // renegotiation (RFC 5246 §7.1): this record has been read with the keys before, what follows waits
                if let Err(wait) = self.protect(direction, bench) {
                    self.side(direction).cover = Cover::Due { missing: 0 };
                    self.hold_back(direction, wait, bench);
                }
            }
            _ => {}
        }
        if !record.in_sequence && direction != self.client {
            // what it says of early data stands in front of all else
            self.decide_early(Early::Unknown);
        }
        Verdict::Taken
    }

    fn inflate(&mut self, direction: Direction, plaintext: &mut Vec<u8>) -> bool {
        self.side(direction).keys_mut().is_none_or(|protection| protection.inflate(plaintext))
    }

    /// A record that does not open.
    pub(super) fn bad_record(
        &mut self,
        direction: Direction,
        record: &Record<'_>,
        tried: u64,
        deliver: &mut impl FnMut(Event<'_>),
    ) -> Verdict {
        let early = direction == self.client && self.early != Early::None;
        let side = self.side(direction);
        side.tried_bytes += tried * (record.payload.len() as u64 + TRY_BYTES);
        if side.tried_bytes > TRIED_BYTES_MAX {
            self.fail(Reason::BadMac);
            return Verdict::Taken;
        }
        if !record.in_sequence {
            return Verdict::Refused;
        }
        let Cover::Keys(protection) = &mut side.cover else { return Verdict::Taken };
        if !protection.is_proven() && (early || protection.skips_handshake()) {
            if early && matches!(self.early, Early::Accepted | Early::Unknown) {
                // data that its secret is missing for, or that perhaps nobody took
                self.tell_gap(direction, None, record.offset + 1, GapCause::Lost, deliver);
            }
            return Verdict::Taken;
        }
        side.bad_records += 1;
        if !protection.is_proven() || side.bad_records > BAD_RECORDS_MAX {
            self.fail(Reason::BadMac);
            return Verdict::Taken;
        }
        protection.pass();
        self.tell_gap(direction, None, record.offset + 1, GapCause::Lost, deliver);
        Verdict::Taken
    }

    pub(super) fn tell_data(
        &mut self,
        direction: Direction,
        record: &Record<'_>,
        plaintext: &[u8],
        deliver: &mut impl FnMut(Event<'_>),
    ) {
        self.tell_opened(deliver);
        let [up, down] = &mut self.sides;
        let (side, other) = if direction == Direction::Up { (up, &*down) } else { (down, &*up) };
        let prefix = side.keys().map_or(0, Protection::prefix_bytes);
        side.plain.record(record, prefix, plaintext, &other.plain, |data| {
            deliver(Event::Chunk(direction, Chunk::Data(data)));
        });
    }

    pub(super) fn tell_gap(
        &mut self,
        direction: Direction,
        length: Option<u64>,
        raw_end: u64,
        cause: GapCause,
        deliver: &mut impl FnMut(Event<'_>),
    ) {
        self.tell_opened(deliver);
        if let Some(gap) = self.side(direction).plain.gap(length, raw_end, cause) {
            deliver(Event::Chunk(direction, Chunk::Gap(gap)));
        }
    }

    pub(super) fn tell_opened(&mut self, deliver: &mut impl FnMut(Event<'_>)) {
        if std::mem::replace(&mut self.opened, true) {
            return;
        }
        deliver(Event::Opened(Arc::clone(&self.session)));
        for direction in [self.client, self.client.reverse()] {
            let start =
                Start { offset: self.side(direction).plain.start(), known: true, opener: self.opener };
            deliver(Event::Chunk(direction, Chunk::Start(start)));
        }
    }

    /// A hole: what it cost.
    pub(super) fn lose(
        &mut self,
        direction: Direction,
        loss: Loss,
        gap: &Gap,
        bench: &mut Bench,
        deliver: &mut impl FnMut(Event<'_>),
    ) {
        let clear = matches!(self.side(direction).cover, Cover::None);
        if self.side(direction).keys().is_none() && !self.lose_before_keys(direction, loss, clear, bench) {
            return;
        }
        let is_13 = self.chosen.as_ref().is_some_and(Chosen::is_13);
        if !clear && (is_13 || !matches!(loss, Loss::Record { kind: DATA, .. })) {
            self.lose_messages(direction);
        }
        let side = self.side(direction);
        let Cover::Keys(protection) = &mut side.cover else { return };
        let counts = !clear || matches!(loss, Loss::Record { kind: DATA, .. });
        if counts && loss != Loss::Unknown {
            protection.pass();
        }
        let (length, raw_end) = match loss {
            Loss::Record { kind, .. } if kind != DATA => return,
            Loss::Record { payload_bytes, end, .. } => (protection.plaintext_bytes(payload_bytes), end),
            Loss::RecordAndMore | Loss::Unknown => (None, gap.offset + 1),
        };
        if length.is_none() && protection.is_in_handshake() {
            side.doubt = true;
            if direction != self.client {
                self.decide_early(Early::Unknown);
            }
            return;
        }
        self.tell_gap(direction, length, raw_end, gap.cause, deliver);
    }

    /// A hole where there are no keys yet. True: now there are.
    fn lose_before_keys(&mut self, direction: Direction, loss: Loss, clear: bool, bench: &mut Bench) -> bool {
        if clear && !self.knows_hellos() {
            let joined = self.side(direction).joined;
            self.fail(if joined { Reason::JoinedMidstream } else { Reason::GapInHandshake });
            return false;
        }
        self.lose_messages(direction);
        if clear && matches!(loss, Loss::Record { kind: HANDSHAKE, .. }) {
            return false;
        }
        let Err(wait) = self.protect(direction, bench) else { return self.failure.is_none() };
        // what is behind the hole waits; where it begins can be found only with the secrets, unless it cost one record
        let side = self.side(direction);
        side.doubt = true;
        if let Loss::Record { kind, .. } = loss {
            let before = if let Cover::Due { missing } = side.cover { missing } else { 0 };
            side.cover = Cover::Due { missing: before + u64::from(!clear || kind == DATA) };
            if direction != self.client {
                self.decide_early(Early::Unknown);
            }
        }
        self.hold_back(direction, wait, bench);
        false
    }

    /// Messages of the handshake are missing.
    fn lose_messages(&mut self, direction: Direction) {
        self.side(direction).joiner.lose();
        self.transcript.lose();
    }

    /// Both hellos were seen.
    pub(super) const fn knows_hellos(&self) -> bool {
        self.asked.is_some() && self.chosen.is_some()
    }

    pub(super) fn end(&mut self, direction: Direction, end: &End, deliver: &mut impl FnMut(Event<'_>)) {
        let side = self.side(direction);
        if std::mem::take(&mut side.doubt) {
            self.tell_gap(direction, None, end.offset, GapCause::Lost, deliver);
        }
        if direction != self.client {
            self.decide_early(Early::Unknown);
        }
        if self.opened {
            let offset = self.side(direction).plain.next();
            deliver(Event::Chunk(direction, Chunk::End(End { offset, ..*end })));
        }
    }
}

/// The type stands behind the content, and zeros behind that (RFC 8446 §5.2). Takes both off.
fn inner_type(plaintext: &mut Vec<u8>) -> u8 {
    let length = plaintext.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    plaintext.truncate(length);
    plaintext.pop().unwrap_or_default()
}
