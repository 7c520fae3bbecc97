//! TLS on a connection, and the connection inside it, which is looked at afresh.

use super::{Connection, Stage};
use crate::call::Causes;
use crate::exchange::{Desk, Finished};
use crate::flow::Chunk;
use crate::limits::TUNNELS_MAX;
use crate::tls::{Event, Reason, Session, Tls};
use crate::wire::{Direction, FlowKey};

/// TLS, and the connection inside it.
#[derive(Debug)]
pub(super) struct Secured {
    pub(super) tls: Tls,
    pub(super) inner: Connection,
}

impl Secured {
    pub(super) fn chunk<E: FnMut(Finished<'_>)>(
        &mut self,
        key: &FlowKey,
        desk: &mut Desk,
        direction: Direction,
        chunk: &Chunk<'_>,
        emit: &mut E,
    ) {
        let Self { tls, inner } = self;
        if *chunk == Chunk::Rewritten {
            return inner.chunk(key, desk, direction, *chunk, emit);
        }
        let mut bench = desk.tls.lend();
        tls.push(direction, chunk, &mut bench, &mut |event| inner.hear(key, desk, event, emit));
        desk.tls.take_back(bench);
    }
}

impl Connection {
    /// TLS begins with these bytes, or was under way and can't be read for that reason.
    pub(super) fn begin_tls(&mut self, client: Direction, hidden: Option<Causes>, bytes: &[u8]) {
        // a ClientHello is where TLS begins, whatever was before it
        let begins = matches!(bytes, [0x16, 3, 0..=3, _, _, 1, ..]);
        let reason = match hidden.filter(|_| !begins) {
            None if matches!(bytes, [0x16, 3, 0..=3, _, _, 2, ..]) => {
                // a ServerHello: what it answers was not seen
                self.client = Some(client.reverse());
                Some(Reason::GapInHandshake)
            }
            Some(Causes::JOINED_MIDSTREAM) => Some(Reason::JoinedMidstream),
            Some(_) => Some(Reason::GapInHandshake),
            None if self.tunnels >= TUNNELS_MAX => {
                self.stage = Stage::GivenUp { protocol: "tls", reason: "too_deep" };
                return;
            }
            // a ClientHello of SSL 2 in front of a later version
            None if bytes.first() != Some(&0x16) => Some(Reason::UnsupportedSuite),
            None => None,
        };
        if let Some(reason) = reason {
            self.stage = Stage::GivenUp { protocol: "tls", reason: reason.name() };
            return;
        }
        let inner = Self {
            opener: self.opener,
            last: self.last,
            tunnels: self.tunnels + 1,
            ..Self::blank(self.id, self.interface, self.first)
        };
        self.stage = Stage::Tls(Box::new(Secured { tls: Tls::new(client, self.opener), inner }));
    }

    /// What was seen of the TLS that it is told with: of TLS inside TLS the innermost that was reached.
    pub(super) fn session(&self) -> Option<Session> {
        match &self.stage {
            Stage::Tls(secured) if secured.tls.reason().is_none() => match &secured.inner.stage {
                Stage::Tls(_) => secured.inner.session(),
                // its hello was not seen, and that of the one around it says nothing of it
                Stage::GivenUp { protocol: "tls", .. } => None,
                _ => Some(secured.tls.session().clone()),
            },
            Stage::Tls(secured) => Some(secured.tls.session().clone()),
            _ => self.tls.as_deref().cloned(),
        }
    }

    /// What TLS says to the connection inside it.
    pub(super) fn hear<E: FnMut(Finished<'_>)>(
        &mut self,
        key: &FlowKey,
        desk: &mut Desk,
        event: Event<'_>,
        emit: &mut E,
    ) {
        match event {
            Event::Opened(session) => self.tls = Some(session),
            Event::Chunk(direction, chunk) => {
                if let Chunk::Data(data) = &chunk
                    && let Some(bytes) = self.bytes.get_mut(direction.index())
                {
                    *bytes += data.bytes.len() as u64;
                }
                self.chunk(key, desk, direction, chunk, emit);
            }
        }
    }
}
