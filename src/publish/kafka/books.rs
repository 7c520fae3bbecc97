//! What the client library reports: deliveries, errors and log lines. It calls back while it is polled; the lock is
//! never contended, it only makes the state shareable as the library wants it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

use super::super::{Dropped, Kind, Tally};
use crate::limits;

/// Why a record was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    TimedOut,
    Unacknowledged,
    TooLarge,
    NotAuthorised,
    NoTopic,
    Refused,
    GaveUp,
}

impl Reason {
    pub(super) fn of(error: &KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::PurgeQueue | Code::MessageTimedOut) => Self::TimedOut,
            Some(Code::PurgeInflight) => Self::Unacknowledged,
            Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => Self::TooLarge,
            Some(
                Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication,
            ) => Self::NotAuthorised,
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
                Self::NoTopic
            }
            _ => Self::Refused,
        }
    }

    const fn counter(self, dropped: &mut Dropped) -> &mut u64 {
        match self {
            Self::TimedOut => &mut dropped.timed_out,
            Self::Unacknowledged => &mut dropped.unacknowledged,
            Self::TooLarge => &mut dropped.too_large,
            Self::NotAuthorised => &mut dropped.not_authorised,
            Self::NoTopic => &mut dropped.no_topic,
            Self::Refused => &mut dropped.refused,
            Self::GaveUp => &mut dropped.gave_up,
        }
    }
}

/// The books, and the last trouble.
#[derive(Default)]
pub(super) struct Books {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    acknowledged: u64,
    trouble: Option<String>,
    troubles: u64,
    refusal: Option<String>,
    fatal: Option<String>,
}

impl Books {
    pub(super) fn emit(&self, kind: usize) {
        self.on_account(kind, |tally, kind| tally.account(kind).emitted += 1);
    }

    /// Kafka or its client does not take a record: why, is kept of the first.
    pub(super) fn refuse(&self, kind: usize, error: &KafkaError) {
        let reason = Reason::of(error);
        self.drop_record(kind, reason);
        if !matches!(reason, Reason::TimedOut | Reason::Unacknowledged) {
            self.state().refusal.get_or_insert_with(|| error.to_string());
        }
    }

    pub(super) fn drop_record(&self, kind: usize, reason: Reason) {
        self.on_account(kind, |tally, kind| *reason.counter(&mut tally.account(kind).dropped) += 1);
    }

    /// Keeps a message of the client library in place of the one before.
    pub(super) fn note(&self, message: &str) {
        let mut state = self.state();
        let ends = message.char_indices().map(|(start, character)| start + character.len_utf8());
        let kept = ends.take_while(|end| *end <= limits::KAFKA_TROUBLE_BYTES_MAX).count();
        state.trouble = Some(message.chars().take(kept).collect());
        state.troubles += 1;
    }

    /// As [`Books::note`], unless there is a message already.
    pub(super) fn note_first(&self, message: &str) {
        if self.state().trouble.is_none() {
            self.note(message);
        }
    }

    /// Records that Kafka acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.state().acknowledged
    }

    pub(super) fn tally(&self) -> Tally {
        self.state().tally
    }

    pub(super) fn trouble(&self) -> (Option<String>, u64) {
        let state = self.state();
        (state.trouble.clone(), state.troubles)
    }

    pub(super) fn refusal(&self) -> Option<String> {
        self.state().refusal.clone()
    }

    /// The error after which the producer takes nothing more.
    pub(super) fn fatal(&self) -> Option<String> {
        self.state().fatal.clone()
    }

    fn on_account(&self, kind: usize, change: impl FnOnce(&mut Tally, Kind)) {
        if let Some(kind) = Kind::ALL.get(kind) {
            change(&mut self.state().tally, *kind);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Books {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, message: &str) {
        self.note(message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => {
                self.state().fatal.get_or_insert_with(|| reason.to_owned());
            }
            // It says only that every single broker is down: the line before says why.
            Some(RDKafkaErrorCode::AllBrokersDown) => {}
            _ => self.note(reason),
        }
    }
}

impl ProducerContext for Books {
    /// [`Kind::index`] of the record.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, kind: usize) {
        match result {
            Ok(_) => {
                self.state().acknowledged += 1;
                self.on_account(kind, |tally, kind| tally.account(kind).delivered += 1);
            }
            Err((error, _)) => self.refuse(kind, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_their_counters() {
        use RDKafkaErrorCode as Code;
        let books = Books::default();
        for code in [
            Code::PurgeQueue,
            Code::PurgeInflight,
            Code::MessageSizeTooLarge,
            Code::TopicAuthorizationFailed,
            Code::UnknownTopicOrPartition,
            Code::PolicyViolation,
        ] {
            books.emit(Kind::Call.index());
            books.drop_record(Kind::Call.index(), Reason::of(&KafkaError::MessageProduction(code)));
        }
        books.emit(Kind::Call.index());
        assert_eq!(books.tally().of(Kind::Call).on_the_way(), 1);
        books.drop_record(Kind::Call.index(), Reason::GaveUp);
        let mut counts = Vec::new();
        books.tally().of(Kind::Call).dropped.each(|name, count| counts.push((name, count)));
        let expected = [
            ("write_failed", 0),
            ("timed_out", 1),
            ("unacknowledged", 1),
            ("too_large", 1),
            ("not_authorised", 1),
            ("no_topic", 1),
            ("refused", 1),
            ("gave_up", 1),
        ];
        assert_eq!(counts, expected);
        assert!(books.tally().closed());
    }

    #[test]
    fn messages_are_kept_within_bounds() {
        let books = Books::default();
        books.note(&"ä".repeat(limits::KAFKA_TROUBLE_BYTES_MAX));
        let (trouble, count) = books.trouble();
        assert_eq!((trouble.unwrap().len(), count), (limits::KAFKA_TROUBLE_BYTES_MAX, 1));
    }
}
