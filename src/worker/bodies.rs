//! Which bodies are wanted, and what they and the parameters of a request hold.

use crate::call::{Call, Facts, Message, Seen};
use crate::content;

/// Bodies that the content stage can read.
pub(super) fn wants_body(call: &Call, message: &Message) -> bool {
    let media_type = call.header(message, "content-type").known();
    let coding = call.header(message, "content-encoding");
    message.head_whole && matches!(coding, Seen::None) && content::reads(media_type)
}

pub(super) fn request_facts(
    call: &Call,
    body: Option<&[u8]>,
    fingerprint: &dyn Fn(&[u8]) -> u64,
) -> Option<Facts> {
    let target = call.target?.of(&call.buffer);
    let mut facts = content::parameters(target, fingerprint);
    if let Some(of_body) = body.and_then(|body| body_facts(call, &call.request, body, fingerprint)) {
        facts.leaves.extend(of_body.leaves);
    }
    Some(facts)
}

pub(super) fn body_facts(
    call: &Call,
    message: &Message,
    body: &[u8],
    fingerprint: &dyn Fn(&[u8]) -> u64,
) -> Option<Facts> {
    let media_type = call.header(message, "content-type").known();
    content::inspect_body(media_type, false, body, fingerprint)
}
