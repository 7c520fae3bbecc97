//! What the analysis sees of a call: what its record carries, after redaction, so that the same analysis runs
//! beside the sensor and behind Kafka.
//!
//! One exception: under `strict` the analysis in the sensor's own process sees the path (masked as under
//! `standard`), because the template that it makes of it is what remains; nothing printed has the path.

use super::half::media_type_shown;
use super::json::Writer;
use super::memo::Memo;
use super::redact::Redaction;
use super::view::{Body, View};
use crate::analysis::{Credential, Half, Observation};
use crate::call::{Call, Facts, Leaf, Message, Protocol, Seen};

impl Writer {
    /// What [`super::parse::call`] reads back from the line that [`Writer::call`] writes. `memo` is that of the call's
    /// connection.
    pub fn observation(&mut self, call: &Call, memo: &mut Memo) -> Observation {
        let view = View::of(call, &mut self.names, &mut self.redactor.parameters);
        let route = self.route(&view, call.client.ip(), memo);
        let credential = view.credential.map(|found| {
            let found = memo.credential(&found, &mut self.redactor, self.redaction);
            Credential { kind: found.kind.to_owned(), fingerprint: found.fingerprint }
        });
        memo.trim();
        Observation {
            id: call.id,
            time: call.time,
            duration_us: call.duration_ns.map(|nanos| nanos / 1_000),
            client: call.client,
            server: call.server,
            protocol: call.protocol.name().to_owned(),
            method: view.method.map(|method| self.owned(method)),
            authority: view.authority.map(|authority| self.owned(authority)),
            path: view.path.map(|path| self.owned(&path.to_vec())),
            status: call.status,
            request: self.half_observed(&call.request, &view.request),
            response: self.half_observed(&call.response, &view.response),
            credential,
            route: route.as_str().to_owned(),
            complete: call.causes.is_empty(),
            continues: call.protocol == Protocol::WebSocket || call.part.is_some_and(|part| part.number > 0),
        }
    }

    fn half_observed(&mut self, message: &Message, body: &Body<'_>) -> Half {
        if !message.seen {
            return Half::default();
        }
        let media_type = match body.media_type.map(|value| media_type_shown(self.redaction, value)) {
            Seen::Known(Some(value)) => Seen::Known(self.owned(value)),
            Seen::None => Seen::None,
            _ => Seen::Unknown,
        };
        let facts = message.facts.as_ref().map(|facts| self.facts_observed(facts));
        Half { body_bytes: message.body_bytes, media_type, facts }
    }

    fn facts_observed(&mut self, facts: &Facts) -> Facts {
        let leaves = facts.leaves.iter().map(|leaf| {
            let shown = self.leaf_shown(leaf);
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            Leaf { at: text(shown.at), masked: text(shown.masked), ..leaf.clone() }
        });
        Facts { leaves: leaves.collect() }
    }

    /// The text as it stands in the record.
    fn owned(&mut self, bytes: &[u8]) -> String {
        self.shown.clear();
        let masked = self.redaction != Redaction::None && self.redactor.text(bytes, &mut self.shown);
        String::from_utf8_lossy(if masked { &self.shown } else { bytes }).into_owned()
    }
}
