//! The same calls over HTTP/2, as the endpoints of another library speak it: what both ends of a connection write.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use fastrand::Rng;
use http::{HeaderName, HeaderValue, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::{request, response};

/// Calls that are under way at once.
const STREAMS: u64 = 4;
const PIPE_BYTES: usize = 1 << 20;

/// Bytes, and the end that wrote them: 0 is the client.
pub(crate) struct Written {
    pub(crate) end: usize,
    pub(crate) bytes: Vec<u8>,
}

/// One end of a pipe; what is written to it is noted.
pub(super) struct Tap {
    pipe: DuplexStream,
    end: usize,
    written: Rc<RefCell<Vec<Written>>>,
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(context, into)
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.pipe).poll_write(context, bytes);
        if let (Poll::Ready(Ok(taken)), end) = (&polled, self.end) {
            let (mut written, bytes) = (self.written.borrow_mut(), &bytes[..*taken]);
            match written.last_mut().filter(|last| last.end == end) {
                Some(last) => last.bytes.extend_from_slice(bytes),
                None => written.push(Written { end, bytes: bytes.to_vec() }),
            }
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }
}

/// Both ends of a pipe, and what will be written to them.
pub(super) fn taps() -> (Rc<RefCell<Vec<Written>>>, [Tap; 2]) {
    let written = Rc::new(RefCell::new(Vec::new()));
    let (left, right) = tokio::io::duplex(PIPE_BYTES);
    let ends = [(0, left), (1, right)].map(|(end, pipe)| Tap { pipe, end, written: Rc::clone(&written) });
    (written, ends)
}

/// What both ends write in so many calls of a customer, numbered from `first`, in its order.
pub(crate) fn conversation(
    random: &mut Rng,
    customer: u64,
    first: u64,
    calls: u64,
) -> io::Result<Vec<Written>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (written, [client, server]) = taps();
    let mut answers = random.fork();
    let (asked, answered) = runtime.block_on(async {
        let asked = ask(client, random, customer, first..first + calls, || {});
        tokio::join!(asked, answer(server, &mut answers, first))
    });
    asked.and(answered).map_err(io::Error::other)?;
    Ok(written.take())
}

/// Asks all calls, one round after the other; `heard` is called when the last one is answered.
pub(super) async fn ask(
    wire: impl AsyncRead + AsyncWrite + Unpin,
    random: &mut Rng,
    customer: u64,
    calls: std::ops::Range<u64>,
    heard: impl FnOnce(),
) -> Result<(), h2::Error> {
    let (sender, connection) = h2::client::handshake(wire).await?;
    let talk = async move {
        let mut sender = sender;
        for round in calls.clone().step_by(STREAMS as usize) {
            let mut under_way = Vec::new();
            for call in round..calls.end.min(round + STREAMS) {
                let (head, body) = asking(&request(random, customer, call));
                sender = sender.ready().await?;
                let (response, mut stream) = sender.send_request(head, body.is_empty())?;
                if !body.is_empty() {
                    stream.send_data(body, true)?;
                }
                under_way.push(response);
            }
            for response in under_way {
                let mut body = response.await?.into_body();
                while let Some(part) = body.data().await {
                    body.flow_control().release_capacity(part?.len())?;
                }
            }
        }
        heard();
        Ok(())
    };
    let (talked, ended) = tokio::join!(talk, connection);
    talked.and(ended)
}

pub(super) async fn answer(
    wire: impl AsyncRead + AsyncWrite + Unpin,
    random: &mut Rng,
    first: u64,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(wire).await?;
    let mut call = first;
    while let Some(accepted) = connection.accept().await {
        let (_, mut answer) = accepted?;
        let (head, body) = answering(&response(random, call));
        answer.send_response(head, false)?.send_data(body, true)?;
        call += 1;
    }
    Ok(())
}

/// The start line, the fields and the body of a message of HTTP/1.
fn parts(message: &str) -> (&str, Vec<(HeaderName, HeaderValue)>, Bytes) {
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let mut lines = head.split("\r\n");
    let start = lines.next().unwrap_or_default();
    let fields = lines.filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.parse().ok()?, value.parse().ok()?))
    });
    (start, fields.collect(), Bytes::copy_from_slice(body.as_bytes()))
}

fn asking(message: &str) -> (Request<()>, Bytes) {
    let (start, fields, body) = parts(message);
    let mut words = start.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request::new(());
    *request.method_mut() = method.parse().unwrap_or_default();
    *request.version_mut() = http::Version::HTTP_2;
    for (name, value) in fields {
        if name == http::header::HOST {
            let uri = format!("http://{}{path}", value.to_str().unwrap_or_default());
            *request.uri_mut() = uri.parse().unwrap_or_default();
        } else {
            request.headers_mut().append(name, value);
        }
    }
    (request, body)
}

fn answering(message: &str) -> (Response<()>, Bytes) {
    let (start, fields, body) = parts(message);
    let mut response = Response::new(());
    let status = start.split(' ').nth(1).and_then(|status| status.parse().ok());
    *response.status_mut() = status.unwrap_or_default();
    *response.version_mut() = http::Version::HTTP_2;
    for (name, value) in fields {
        response.headers_mut().append(name, value);
    }
    (response, body)
}
