//! The bodies of a call as they come: what is kept of them for inspection, and the messages in them.

use super::lasting::Lasting;
use super::order::Asked;
use super::{Desk, cause_of, keep};
use crate::call::{Anomalies, Call, Causes, Message, Seen, Span};
use crate::http::Cut;
use crate::http::grpc::{Framing, Reader};
use crate::limits::GRPC_MESSAGE_BYTES_MAX;
use crate::time::Timestamp;

impl Asked {
    /// Bytes of a body; returns how many are kept for inspection, which stay in the books until the call is told.
    #[inline]
    pub(super) fn keep_body(&mut self, of_request: bool, bytes: &[u8]) -> usize {
        let (body, reader) = self.body_mut(of_request);
        if let Some(reader) = reader {
            reader.data(bytes);
        }
        let kept = keep(body, bytes);
        self.kept_bytes += kept;
        if let Some(lasting) = &mut self.lasting {
            lasting.add(of_request, bytes.len() as u64);
        }
        kept
    }

    /// Bytes of a body are missing; how many, if that is known.
    pub(super) fn lose_body(&mut self, of_request: bool, len: Option<u64>) {
        let (body, reader) = self.body_mut(of_request);
        *body = None;
        if let Some(reader) = reader {
            reader.missing(len);
        }
    }

    /// Bytes of a body of HTTP/1 are missing.
    pub(super) fn lose_some_body(&mut self, of_request: bool, len: u64, cut: Option<Cut>) {
        self.lose_body(of_request, Some(len));
        if let Some(lasting) = &mut self.lasting {
            lasting.add(of_request, len);
            lasting.note_hole(cut.map_or(Causes::EMPTY, |cut| cause_of(cut, of_request)));
        }
    }

    #[inline]
    const fn body_mut(&mut self, of_request: bool) -> (&mut Option<Vec<u8>>, &mut Option<Box<Reader>>) {
        let [request, response] = &mut self.readers;
        if of_request { (&mut self.request_body, request) } else { (&mut self.response_body, response) }
    }

    /// The body of that half, which begins, consists of messages.
    pub(super) fn expect_messages(&mut self, of_request: bool, framing: Framing) {
        let reader = Reader::new(framing, !of_request);
        self.kept_bytes += reader.memory_max();
        *self.body_mut(of_request).1 = Some(Box::new(reader));
    }

    /// A request of HTTP/1 may be one of gRPC-Web, which is always a POST. Returns when its first part is told at the latest.
    #[inline]
    pub(super) fn expect_grpc_web_request(&mut self, desk: &Desk) -> Timestamp {
        if self.call.method.is_some_and(|method| method.of(&self.call.buffer) == b"POST")
            && let Some(framing) = framing(&self.call, &self.call.request)
        {
            self.expect_messages(true, framing);
            let due = self.place.time.plus(desk.part_ns);
            self.lasting = Some(Box::new(Lasting::new(due, self.call.causes)));
            return due;
        }
        Timestamp::MAX
    }

    /// The answer to such a request.
    #[inline]
    pub(super) fn expect_grpc_web_response(&mut self) {
        if let [Some(_), _] = self.readers
            && let Some(framing) = framing(&self.call, &self.call.response)
        {
            self.expect_messages(false, framing);
        }
    }

    /// Nothing was counted since messages were last taken.
    pub(super) fn is_silent(&self) -> bool {
        self.readers.iter().flatten().all(|reader| reader.is_silent())
    }

    /// Puts what was counted since this was last asked into a call.
    pub(super) fn take_messages(&mut self, call: &mut Call) {
        let [request, response] = &mut self.readers;
        for (reader, message) in [(request, &mut call.request), (response, &mut call.response)] {
            if reader.as_ref().is_some_and(|reader| reader.is_malformed()) {
                call.anomalies.insert(Anomalies::INVALID_FRAME);
            }
            message.messages = reader.as_mut().map(|reader| Box::new(reader.take()));
        }
    }

    /// The call is told: it gets what is left to tell of its messages.
    #[inline]
    pub(super) fn close_messages(&mut self) {
        if let Some(part) = &mut self.call.part {
            part.is_last = true;
        }
        if self.readers.iter().any(Option::is_some) {
            self.close_readers();
        }
    }

    fn close_readers(&mut self) {
        let [request, response] = std::mem::take(&mut self.readers);
        if let Some(response) = &response {
            self.note_grpc_end(response.trailer("grpc-status"), response.trailer("grpc-message"));
        }
        let call = &mut self.call;
        for (reader, message) in [(request, &mut call.request), (response, &mut call.response)] {
            if reader.as_ref().is_some_and(|reader| reader.is_malformed()) {
                call.anomalies.insert(Anomalies::INVALID_FRAME);
            }
            message.messages = reader.map(|mut reader| Box::new(reader.take()));
        }
    }

    /// How a call of gRPC ended, if this says so: in trailers, in a head that is both ("Trailers-Only"), or behind the
    /// messages of gRPC-Web.
    pub(super) fn note_grpc_end(&mut self, status: Option<&[u8]>, message: Option<&[u8]>) {
        let status = status.and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        let call = &mut self.call;
        let Some(status) = status else { return };
        call.grpc_status = Some(status);
        if let Some(message) = message.filter(|_| call.grpc_message.is_none()) {
            let message = message.get(..message.len().min(GRPC_MESSAGE_BYTES_MAX)).unwrap_or_default();
            let start = call.buffer.len() as u32;
            call.buffer.extend_from_slice(message);
            call.grpc_message = Some(Span { start, end: call.buffer.len() as u32 });
        }
    }
}

/// How messages stand in a body of HTTP/1, if it is not coded.
fn framing(call: &Call, message: &Message) -> Option<Framing> {
    let framing = Framing::of(call.header(message, "content-type").known()?)?;
    let is_plain = match call.header(message, "content-encoding") {
        Seen::Known(coding) => coding.eq_ignore_ascii_case(b"identity"),
        Seen::None => true,
        Seen::Unknown => false,
    };
    is_plain.then_some(framing)
}
