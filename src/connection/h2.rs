//! HTTP/2 on one connection: both directions, and which of them is the client's.

use super::look::Look;
use crate::call::Causes;
use crate::exchange::{CarriedOver, Context, Desk, Finished, Streams};
use crate::flow::{Data, EndReason, Gap, Start};
use crate::http::h2::hpack::Fields;
use crate::http::h2::{Event, Side, What};
use crate::wire::Direction;

/// What is said in one direction.
pub(super) enum Said<'a> {
    Data(&'a Data<'a>),
    Gap(&'a Gap),
    End(EndReason),
    /// What was kept while it was looked for frames.
    Kept,
}

/// Both directions and the calls.
#[derive(Debug)]
pub(super) struct Http2 {
    /// Its client is that of `client`, where that is known.
    context: Context,
    client: Option<Direction>,
    sides: [Side; 2],
    streams: Streams,
    /// Where the server begins to speak, if that was not seen: what the client had heard when it sent its preface.
    server_start: Option<u64>,
}

impl Http2 {
    /// What a look found: `client` where that is known. A direction of which nothing went by unread begins as the RFC says;
    /// another one somewhere in what the look kept of it.
    pub(super) fn new(context: Context, client: Option<Direction>, look: &mut Look) -> Self {
        let mut side = |direction: Direction| match client {
            Some(client) if look.in_sequence(direction) => {
                if direction == client {
                    Side::client()
                } else {
                    Side::begun()
                }
            }
            _ => Side::joined(look.take_search(direction)),
        };
        let sides = [side(Direction::Up), side(Direction::Down)];
        let blind = |direction: Direction, gap: Causes| {
            let cause = look.hidden(direction)?;
            Some(if cause == Causes::GAP_IN_REQUEST { gap } else { cause })
        };
        let known = client.unwrap_or(Direction::Up);
        let streams = Streams::new([
            blind(known, Causes::GAP_IN_REQUEST),
            blind(known.reverse(), Causes::GAP_IN_RESPONSE),
        ]);
        Self { context, client, sides, streams, server_start: None }
    }

    /// The client asked in HTTP/1 to speak HTTP/2: both begin to, and the server answers what was asked.
    pub(super) fn upgraded(context: Context, desk: &mut Desk, request: Option<&CarriedOver>) -> Self {
        let side = |direction| if direction == context.client { Side::client() } else { Side::begun() };
        let mut streams = Streams::default();
        if let Some(request) = request {
            streams.carry_over(&context, desk, request);
        }
        let sides = [side(Direction::Up), side(Direction::Down)];
        Self { client: Some(context.client), context, sides, streams, server_start: None }
    }

    pub(super) const fn client(&self) -> Option<Direction> {
        self.client
    }

    pub(super) const fn streams(&self) -> &Streams {
        &self.streams
    }

    pub(super) const fn streams_mut(&mut self) -> &mut Streams {
        &mut self.streams
    }

    /// The client's preface came in a packet that acknowledges so much.
    pub(super) const fn note_preface(&mut self, ack: Option<u64>) {
        self.server_start = ack;
    }

    pub(super) fn memory(&self) -> usize {
        let [up, down] = &self.sides;
        size_of::<Self>() + up.memory() + down.memory() + self.streams.memory()
    }

    /// A direction begins, of which nothing was seen before. What a server says first follows nothing that the client
    /// could have heard before it said its own first word.
    pub(super) fn start(&mut self, direction: Direction, start: &Start) {
        let of_client = self.client == Some(direction);
        if start.known || !of_client && self.server_start == Some(start.offset) {
            return;
        }
        let [up, down] = &mut self.sides;
        *(if direction == Direction::Up { up } else { down }) = Side::joined(super::look::new_search());
        self.streams.join(of_client);
    }

    /// What one end says.
    pub(super) fn hear(
        &mut self,
        desk: &mut Desk,
        direction: Direction,
        said: &Said<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        let Self { context, client, sides, streams, .. } = self;
        let [up, down] = sides;
        let (side, other) = if direction == Direction::Up { (up, down) } else { (down, up) };
        let mut fields = desk.fields.take().unwrap_or_default();
        let mut payload_max = None;
        let is_other_searching = other.is_searching();
        if *client == Some(direction.reverse()) {
            streams.set_request_pending(is_other_searching, desk, emit);
        }
        let mut tell = |event: Event<'_>| {
            if client.is_none() {
                *client = client_by(direction, &event);
                context.client = client.unwrap_or(context.client);
                if *client == Some(direction.reverse()) {
                    // what it asked may stand in what is still looked through, and is answered in this very piece
                    streams.set_request_pending(is_other_searching, desk, emit);
                }
            }
            if let What::PayloadMax(most) = event.what {
                payload_max = Some(most);
            }
            if let Some(client) = *client {
                streams.event(context, desk, direction == client, &event, emit);
            }
        };
        match said {
            Said::Data(data) => side.data(data, &mut fields, &mut tell),
            Said::Gap(gap) => side.gap(gap, &mut fields, &mut tell),
            Said::End(reason) => side.end(*reason, &mut fields, &mut tell),
            Said::Kept => side.go_on(&mut fields, &mut tell),
        }
        if let Some(most) = payload_max {
            other.allow(most);
        }
        desk.fields = Some(fields);
        if *client == Some(direction) {
            streams.set_request_pending(side.is_searching(), desk, emit);
        }
    }

    pub(super) fn finish(&mut self, desk: &mut Desk, cause: Causes, emit: &mut impl FnMut(Finished<'_>)) {
        self.streams.finish(desk, cause, emit);
    }
}

/// Requests and answers have other pseudo-header fields (RFC 9113 §8.3).
fn client_by(sender: Direction, event: &Event<'_>) -> Option<Direction> {
    let What::Fields { fields, promise, .. } = event.what else { return None };
    let Fields { method, path, authority, scheme, status, .. } = fields;
    if promise || status.is_some() {
        Some(sender.reverse())
    } else if method.or(*path).or(*authority).or(*scheme).is_some() {
        Some(sender)
    } else {
        None
    }
}
