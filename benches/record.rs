//! What it costs to turn a call into its record, per call of an ordinary size: seven headers there, six back.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use eaves::call::{Anomalies, Call, Causes, HeaderSpan, Message, Protocol, Span};
use eaves::credential::Fingerprinter;
use eaves::record::{Memo, Redaction, Writer, parse};
use eaves::time::Timestamp;

const REQUEST: &str = "GET /api/v1/products/123456?page=4&sort=price HTTP/1.1\r\nHost: api1.shop.test\r\n\
    Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.00000000002a.0000000000000000000511f6\r\nAccept: application/json\r\n\
    User-Agent: shop-ios/3.2 (iPhone15,2; iOS 19.1)\r\nX-Request-Id: 000000000000002a\r\n\
    Accept-Language: en-GB,en;q=0.9\r\nCookie: sid=0000000000000000000000000000002a\r\n\r\n";
const RESPONSE: &str = "HTTP/1.1 200 X\r\nServer: nginx\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n\
    Content-Type: application/json\r\nX-Call: 000000000000002a\r\nContent-Length: 1234\r\n\r\n";

fn span(start: usize, length: usize) -> Span {
    Span { start: start as u32, end: (start + length) as u32 }
}

fn call() -> Call {
    let buffer = [REQUEST, RESPONSE].concat().into_bytes();
    let mut headers = Vec::new();
    let mut half = |head: &str, mut at: usize, body_bytes: u64| {
        let first = headers.len();
        for line in head.split_inclusive("\r\n") {
            if let Some((name, value)) = line.trim_end().split_once(": ") {
                headers.push(HeaderSpan {
                    name: span(at, name.len()),
                    value: span(at + name.len() + 2, value.len()),
                });
            }
            at += line.len();
        }
        let head_bytes = Some(head.len() as u64);
        let headers = first..headers.len();
        Message {
            seen: true,
            headers,
            head_whole: true,
            plain: true,
            head_bytes,
            body_bytes: Some(body_bytes),
            facts: None,
            messages: None,
        }
    };
    let request = half(REQUEST, 0, 0);
    let response = half(RESPONSE, REQUEST.len(), 1234);
    Call {
        id: 0x2D99_787A_926D_4693_2E05_6F4F_41C5_8F3B,
        connection: 0x4693_2E05_6F4F_41C5_8F3B,
        interface: 0,
        vni: None,
        client: ([10, 0, 0, 42], 1066).into(),
        server: ([10, 200, 0, 3], 80).into(),
        time: Timestamp::from_nanos(1_700_000_000_123_456_000),
        duration_ns: Some(420_000),
        ttfb_ns: Some(410_000),
        protocol: Protocol::Http11,
        tls: None,
        buffer,
        headers,
        method: Some(span(0, 3)),
        target: Some(span(4, 41)),
        authority: None,
        grpc_status: None,
        grpc_message: None,
        part: None,
        stream_id: None,
        status: Some(200),
        request,
        response,
        causes: Causes::EMPTY,
        anomalies: Anomalies::EMPTY,
    }
}

fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(1));
    let call = call();
    for redaction in [Redaction::None, Redaction::Standard, Redaction::Strict] {
        let mut writer = Writer::new("bench", redaction, Fingerprinter::new(&[7; 32]), None);
        let (mut out, mut memo) = (Vec::with_capacity(1 << 20), Memo::default());
        group.bench_function(format!("call/{redaction}"), |bencher| {
            bencher.iter(|| {
                if out.len() > 1 << 19 {
                    out.clear();
                }
                black_box(writer.call(&mut out, black_box(&call), &mut memo));
            });
        });
        group.bench_function(format!("call of a new connection/{redaction}"), |bencher| {
            bencher.iter_batched(
                Memo::default,
                |mut memo| {
                    if out.len() > 1 << 19 {
                        out.clear();
                    }
                    black_box(writer.call(&mut out, black_box(&call), &mut memo));
                    memo
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("observation/{redaction}"), |bencher| {
            bencher.iter(|| black_box(writer.observation(black_box(&call), &mut memo)));
        });
        out.clear();
        writer.call(&mut out, &call, &mut memo);
        group.bench_function(format!("parse/{redaction}"), |bencher| {
            bencher.iter(|| black_box(parse::call(black_box(&out))));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = record
}
criterion_main!(benches);
