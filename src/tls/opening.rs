//! Protected records: opened, told, or lost.

use std::sync::Arc;

use super::protection::{Attempt, Next, Protection};
use super::record::{Loss, Record, Verdict};
use super::{Bench, CHANGE_CIPHER_SPEC, Chosen, DATA, Early, Event, HANDSHAKE, Reason, Tls, Wait};
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
        let secrets = self.hello.as_ref().and_then(|hello| bench.keys.as_ref()?.of(&hello.random));
        let mut plaintext = std::mem::take(&mut bench.scratch);
        let of_client = direction == self.client;
        let suite = self.chosen.as_ref().and_then(|chosen| chosen.suite);
        let attempt = match (&mut self.side(direction).protection, suite) {
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
        let side = self.side(direction);
        (side.bad_records, side.tried_bytes) = (0, 0);
        if std::mem::take(&mut side.doubt) && !nothing_lost {
            self.tell_gap(direction, None, record.offset, GapCause::Lost, deliver);
        }
        match kind {
            DATA => self.tell_data(direction, record, plaintext, deliver),
            HANDSHAKE => self.messages(direction, plaintext, bench),
            CHANGE_CIPHER_SPEC => {
                // renegotiation (RFC 5246 §7.1)
                if let Err(wait) = self.protect(direction, bench) {
                    return self.hold_back(direction, wait, bench);
                }
            }
            _ => {}
        }
        Verdict::Taken
    }

    fn inflate(&mut self, direction: Direction, plaintext: &mut Vec<u8>) -> bool {
        self.side(direction).protection.as_mut().is_none_or(|protection| protection.inflate(plaintext))
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
        let Some(protection) = &mut side.protection else { return Verdict::Taken };
        if !protection.is_proven() && (early || protection.skips_handshake()) {
            if early && self.early == Early::Accepted {
                // data that its secret is missing for
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
        let prefix = side.protection.as_ref().map_or(0, Protection::prefix_bytes);
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
        deliver(Event::Opened(Arc::new(self.session.clone())));
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
        let clear = self.side(direction).protection.is_none();
        if clear {
            match loss {
                Loss::Record { kind: HANDSHAKE, .. } if self.knows_hellos() => {
                    self.side(direction).joiner.lose();
                    return;
                }
                _ if !self.knows_hellos() => {
                    let joined = self.side(direction).joined;
                    return self.fail(if joined { Reason::JoinedMidstream } else { Reason::GapInHandshake });
                }
                _ => {}
            }
            match self.protect(direction, bench) {
                Ok(()) if self.failure.is_some() => return,
                Ok(()) => {}
                // what is behind the hole waits; where it begins can be found only with the secrets
                Err(wait) if !matches!(loss, Loss::Record { .. }) => {
                    self.side(direction).doubt = true;
                    self.hold_back(direction, wait, bench);
                    return;
                }
                Err(_) => return self.fail(Reason::NoKey),
            }
        }
        let side = self.side(direction);
        let Some(protection) = &mut side.protection else { return };
        side.joiner.lose();
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
                self.decide_early(Early::Rejected);
            }
            return;
        }
        self.tell_gap(direction, length, raw_end, gap.cause, deliver);
    }

    /// Both hellos were seen.
    pub(super) const fn knows_hellos(&self) -> bool {
        self.hello.is_some() && self.chosen.is_some()
    }

    pub(super) fn end(&mut self, direction: Direction, end: &End, deliver: &mut impl FnMut(Event<'_>)) {
        let side = self.side(direction);
        if std::mem::take(&mut side.doubt) {
            self.tell_gap(direction, None, end.offset, GapCause::Lost, deliver);
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
