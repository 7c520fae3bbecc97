//! A response whose request is not known may answer a HEAD; then what its head says of a body is not true of it
//! (RFC 9110 §9.3.2). The bytes behind the head say which: a body hardly ever begins like a response.
//!
//! Where another response follows at once, the size of the body is left open rather than called zero.

use super::{Cursor, Side, State};
use crate::flow::EndReason;
use crate::http::{Cut, Expect, HttpEvent};

const STATUS_LINE: &[u8] = b"HTTP/1.";

impl Side {
    /// Bytes behind the head.
    pub(super) fn resolve_doubt(
        &mut self,
        cursor: &mut Cursor<'_>,
        deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect,
    ) {
        let held = self.waiting.iter().flat_map(|waiting| &waiting.bytes);
        let first: Vec<u8> = held.chain(cursor.rest).copied().take(STATUS_LINE.len()).collect();
        if first.len() < STATUS_LINE.len() && STATUS_LINE.starts_with(&first) {
            return self.wait(cursor);
        }
        if first == STATUS_LINE {
            let behind_head = self.waiting.first().map_or(cursor.offset, |waiting| waiting.offset);
            self.tell_end(Some(behind_head), None, None, deliver);
        } else {
            self.state = State::Body;
        }
        self.take_up(deliver);
        self.last_time = Some(cursor.time);
    }

    /// A hole behind the head: it may hold a body, or other responses.
    pub(super) fn gap_in_doubt(&mut self, cut: Cut, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        self.forget_waiting();
        self.cut = Some(cut);
        self.tell_end(None, None, None, deliver);
        self.lose(deliver);
    }

    /// The connection ends: what the head announced did not follow, because there was no body or it was cut.
    pub(super) fn end_in_doubt(
        &mut self,
        offset: u64,
        reason: EndReason,
        cut: Cut,
        deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect,
    ) {
        if self.waiting.is_empty() {
            let closed = self.body.close(reason);
            let body_bytes = closed.body_bytes.filter(|_| closed.whole);
            self.tell_end(Some(offset), None, body_bytes, deliver);
        } else {
            self.forget_waiting();
            self.cut = Some(cut);
            self.tell_end(None, None, None, deliver);
        }
    }

    fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use crate::flow::{Data, EndReason, Gap, GapCause};
    use crate::http::h1::Side;
    use crate::http::h1::head::Kind;
    use crate::http::{Expect, HttpEvent};
    use crate::time::Timestamp;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n";

    enum Last {
        End(EndReason),
        Gap(u64),
    }

    /// What a direction says whose requests nobody knows, in short: heads, bodies, and sizes at ends.
    fn told(pieces: &[&[u8]], last: &Last) -> String {
        let mut side = Side::new(Kind::Response, true);
        let mut text = String::new();
        let mut tell = |event: HttpEvent<'_>| {
            match event {
                HttpEvent::Head(_) => text.push_str("head "),
                HttpEvent::Body { bytes, .. } => text.push_str(&String::from_utf8_lossy(bytes)),
                HttpEvent::Missing { len, .. } => text.push_str(&format!("missing {len} ")),
                HttpEvent::End(end) => text.push_str(&format!(" end {:?} {:?} ", end.body_bytes, end.cut)),
                HttpEvent::Lost => text.push_str("lost "),
                HttpEvent::Junk(_) => text.push_str("junk "),
            }
            Expect::Unasked
        };
        let mut offset = 0;
        for bytes in pieces {
            let data = Data { offset, bytes, time: Timestamp::ZERO, ack: None, boundary: true };
            offset += bytes.len() as u64;
            side.data(&data, &mut tell);
        }
        match *last {
            Last::End(reason) => side.end(offset, reason, &mut tell),
            Last::Gap(len) => side.gap(&Gap { offset, len, cause: GapCause::Lost }, &mut tell),
        }
        text
    }

    #[test]
    fn what_stands_behind_the_head_tells() {
        for (behind, expected) in [
            ("[\"Habc\", 12345]", "head [\"Habc\", 12345] end Some(15) None "),
            ("HTTP/2 is newer", "head HTTP/2 is newer end Some(15) None "),
            ("HTTP/1.1 204 No Content\r\n\r\n", "head  end None None head  end Some(0) None "),
            ("", "head  end None None "),
        ] {
            let whole = [HEAD, behind].concat();
            for cut in 0..whole.len() {
                let (one, other) = whole.as_bytes().split_at(cut);
                let pieces: Vec<&[u8]> = [one, other].into_iter().filter(|piece| !piece.is_empty()).collect();
                let text = told(&pieces, &Last::End(EndReason::Fin));
                assert_eq!(text, expected, "{behind:?} cut at {cut}");
            }
            let bytes: Vec<&[u8]> = whole.as_bytes().chunks(1).collect();
            assert_eq!(told(&bytes, &Last::End(EndReason::Fin)), expected, "{behind:?} byte by byte");
        }
    }

    #[test]
    fn without_lengths_a_response_may_go_on_until_the_end() {
        let open = "HTTP/1.1 200 OK\r\n\r\n";
        for (behind, reason, expected) in [
            ("", EndReason::Fin, "head  end Some(0) None "),
            ("", EndReason::Reset, "head  end None None "),
            ("so long", EndReason::Fin, "head so long end Some(7) None "),
            (open, EndReason::Fin, "head  end None None head  end Some(0) None "),
        ] {
            assert_eq!(
                told(&[[open, behind].concat().as_bytes()], &Last::End(reason)),
                expected,
                "{behind:?}"
            );
        }
    }

    #[test]
    fn behind_a_hole_nothing_is_known() {
        for (behind, last, expected) in [
            ("", Last::Gap(15), "head  end None Some(Lost) lost "),
            ("HTT", Last::Gap(12), "head  end None Some(Lost) lost "),
            ("[1, ", Last::Gap(11), "head [1, missing 11  end Some(15) Some(Lost) "),
            ("HTT", Last::End(EndReason::Fin), "head  end None Some(Closed) "),
        ] {
            assert_eq!(told(&[HEAD.as_bytes(), behind.as_bytes()], &last), expected, "{behind:?}");
        }
    }
}
