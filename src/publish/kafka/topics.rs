//! The topics: which are missing, and making them with the broker's own defaults.
//!
//! Brokers in production are often set not to make topics by themselves; and a topic that the broker makes has no
//! compaction, which the inventory needs.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::super::Kind;
use super::Notice;
use super::books::Books;
use crate::limits;

/// Partitions and replicas "as the broker has it": KIP-464, brokers from 2.4 on.
const BROKER_DEFAULT: i32 = -1;

/// The kinds whose topics the cluster does not have (or does not show to this client). It asks for all topics: asking
/// for one by name would make it.
pub(super) fn missing<C: ClientContext>(
    client: &Client<C>,
    timeout: Duration,
) -> Result<Vec<Kind>, KafkaError> {
    let metadata = client.fetch_metadata(None, timeout)?;
    let there = |kind: &Kind| metadata.topics().iter().any(|topic| topic.name() == kind.topic());
    Ok(Kind::ALL.into_iter().filter(|kind| !there(kind)).collect())
}

/// Makes the topics of these kinds; what can't be made is told.
pub(super) fn make(config: &ClientConfig, kinds: &[Kind]) -> Vec<Notice> {
    if kinds.is_empty() {
        return Vec::new();
    }
    let outcome = config.create_with_context(Books::default()).and_then(|admin: AdminClient<Books>| {
        let topics: Vec<_> = kinds.iter().map(|kind| new_topic(*kind)).collect();
        let patience = Duration::from_millis(limits::KAFKA_TOPICS_MS);
        let options = AdminOptions::new().request_timeout(Some(patience)).operation_timeout(Some(patience));
        block_on(admin.create_topics(&topics, &options))
    });
    let failed = |topics: String, reason: String| Notice::TopicsNotMade { topics, reason };
    match outcome {
        Ok(results) => results
            .into_iter()
            .filter_map(Result::err)
            .filter(|(_, code)| *code != RDKafkaErrorCode::TopicAlreadyExists)
            .map(|(topic, code)| failed(topic, code.to_string()))
            .collect(),
        Err(error) => {
            let topics: Vec<_> = kinds.iter().map(|kind| kind.topic()).collect();
            vec![failed(topics.join(", "), error.to_string())]
        }
    }
}

fn new_topic(kind: Kind) -> NewTopic<'static> {
    let topic = NewTopic::new(kind.topic(), BROKER_DEFAULT, TopicReplication::Fixed(BROKER_DEFAULT));
    match kind {
        // The current state of each operation: of one key only the last record matters.
        Kind::Endpoint => topic.set("cleanup.policy", "compact"),
        Kind::Call | Kind::Connection | Kind::Finding | Kind::Sensor => topic,
    }
}

/// Waits for the one future there is here; another thread, the admin client's, completes it.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
