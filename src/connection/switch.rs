//! What follows HTTP/1 on a connection: another protocol, or a tunnel.

use super::h2::{Http2, Said};
use super::look::Look;
use super::{Connection, Http, Stage};
use crate::call::Causes;
use crate::exchange::{Conversation, Desk, Finished, Verdict};
use crate::flow::{Data, Gap, GapCause};
use crate::limits::TUNNELS_MAX;
use crate::wire::{Direction, FlowKey};

/// WebSocket, behind the call that asked for it.
#[derive(Debug)]
pub(super) struct WebSocket {
    pub(super) client: Direction,
    pub(super) conversation: Conversation,
}

/// A hole in what was held: how long it was is not known any more, it may hide anything.
const UNKNOWN_HOLE: Gap = Gap { offset: 0, len: Gap::UNKNOWN, cause: GapCause::Lost };

impl WebSocket {
    pub(super) fn data(
        &mut self,
        desk: &Desk,
        direction: Direction,
        data: &Data<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        self.conversation.data(desk, direction == self.client, data, emit);
    }
}

impl Connection {
    /// After the answer to a CONNECT or to a wish for another protocol.
    #[inline]
    pub(super) fn follow_verdict(
        &mut self,
        key: &FlowKey,
        desk: &mut Desk,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        loop {
            let Stage::Http(http) = &mut self.stage else { return };
            let Some(verdict) = http.exchange.take_verdict() else { return };
            match verdict {
                Verdict::Resume => {
                    let Http { context, request, response, exchange, .. } = &mut **http;
                    request.resume(&mut |event| exchange.request(context, desk, event, emit));
                    response.resume(&mut |event| exchange.response(context, desk, event, emit));
                }
                Verdict::Upgrade("h2c") => self.upgrade(desk, emit),
                Verdict::Upgrade("websocket") => self.converse(desk, emit),
                Verdict::Upgrade(protocol) => {
                    self.leave_http(desk, emit);
                    self.stage = Stage::GivenUp { protocol, reason: "upgraded" };
                }
                Verdict::Tunnel if self.tunnels >= TUNNELS_MAX => {
                    self.leave_http(desk, emit);
                    self.stage = Stage::GivenUp { protocol: "tunnel", reason: "too_deep" };
                }
                Verdict::Tunnel => self.enter_tunnel(key, desk, emit),
            }
        }
    }

    /// What was asked and is not answered in HTTP any more is told before another protocol begins.
    fn leave_http(&mut self, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        let Stage::Http(http) = &mut self.stage else { return };
        http.exchange.finish(desk, Causes::CONNECTION_CLOSED, emit);
        self.calls += http.exchange.calls();
        self.anomalies.insert(http.exchange.late_anomalies());
    }

    /// Both directions go on in HTTP/2, beginning with what was held.
    fn upgrade(&mut self, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        self.leave_http(desk, emit);
        let Stage::Http(http) = &mut self.stage else { return };
        let request = http.exchange.take_carried_over();
        let mut next = Box::new(Http2::upgraded(http.context.clone(), desk, request.as_deref()));
        let (held, holes) = http.hand_over();
        for Held { direction, bytes, place } in held {
            next.hear(desk, direction, &Said::Data(&Data { bytes: &bytes, ..place }), emit);
        }
        for direction in holes {
            next.hear(desk, direction, &Said::Gap(&UNKNOWN_HOLE), emit);
        }
        self.stage = Stage::Http2(next);
    }

    /// Both directions go on in WebSocket, beginning with what was held.
    fn converse(&mut self, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        self.leave_http(desk, emit);
        let Stage::Http(http) = &mut self.stage else { return };
        let Some(asked) = http.exchange.take_carried_over() else { return };
        let client = http.context.client;
        let conversation = Conversation::behind(&http.context, desk, &asked);
        let mut next = Box::new(WebSocket { client, conversation });
        let (held, holes) = http.hand_over();
        for Held { direction, bytes, place } in held {
            next.data(desk, direction, &Data { bytes: &bytes, ..place }, emit);
        }
        for direction in holes {
            next.conversation.gap(direction == client, &UNKNOWN_HOLE);
        }
        self.stage = Stage::WebSocket(next);
    }

    /// Both directions begin anew inside the tunnel; what was held for it is looked at first.
    fn enter_tunnel(&mut self, key: &FlowKey, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        self.leave_http(desk, emit);
        self.tunnels += 1;
        let Stage::Http(http) = &mut self.stage else { return };
        let mut look = Look::default();
        look.start(Direction::Up, true);
        look.start(Direction::Down, true);
        let (held, holes) = http.hand_over();
        for direction in holes {
            look.gap(direction);
        }
        self.stage = Stage::Looking(Box::new(look));
        for Held { direction, bytes, place } in held {
            self.data(key, desk, direction, &Data { bytes: &bytes, ..place }, emit);
        }
    }
}

/// Bytes that came before it was known who shall read them.
struct Held {
    direction: Direction,
    bytes: Vec<u8>,
    place: Data<'static>,
}

impl Http {
    /// What both sides held for whatever follows, and the directions of which it has a hole.
    fn hand_over(&mut self) -> (Vec<Held>, Vec<Direction>) {
        let client = self.context.client;
        let (mut held, mut holes) = (Vec::new(), Vec::new());
        for (direction, side) in [(client, &mut self.request), (client.reverse(), &mut self.response)] {
            let keep = |data: Data<'_>| {
                let (bytes, place) = (data.bytes.to_vec(), Data { bytes: &[], ..data });
                held.push(Held { direction, bytes, place });
            };
            if !side.hand_over(keep) {
                holes.push(direction);
            }
        }
        (held, holes)
    }
}
