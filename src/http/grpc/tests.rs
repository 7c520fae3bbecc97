//! Messages of gRPC, in any pieces and behind holes.

use super::*;

fn framed(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags];
    bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn counted(framing: Framing, pieces: &[&[u8]]) -> Reader {
    let mut reader = Reader::new(framing, true);
    for piece in pieces {
        reader.data(piece);
    }
    reader
}

#[test]
fn media_types_and_what_only_begins_like_one() {
    for (media_type, framing) in [
        ("application/grpc", Some(Framing::Native)),
        ("Application/gRPC+proto", Some(Framing::Native)),
        ("application/grpc; charset=x", Some(Framing::Native)),
        ("application/grpc-web+proto", Some(Framing::Web)),
        ("application/grpc-web-text", Some(Framing::WebText)),
        ("application/grpcx", None),
        ("application/grp", None),
        ("text/plain", None),
    ] {
        assert_eq!(Framing::of(media_type.as_bytes()), framing, "{media_type}");
    }
}

#[test]
fn messages_cut_anywhere_count_the_same() {
    let body = [framed(0, b"abc"), framed(1, b""), framed(1, &[7; 300])].concat();
    for cut in 0..=body.len() {
        let (front, back) = body.split_at(cut);
        let messages = counted(Framing::Native, &[front, back]).take();
        assert_eq!((messages.count, messages.bytes, messages.compressed), (3, 303, 2), "cut at {cut}");
    }
}

#[test]
fn a_hole_inside_a_message_hides_nothing_and_one_over_its_end_the_rest() {
    for (len, count, bytes) in [(Some(2), 2, 13), (Some(4), 1, 3), (None, 1, 3)] {
        let mut reader = counted(Framing::Native, &[&framed(0, b"abcde")[..8]]);
        reader.missing(len);
        reader.data(&framed(0, b"12345678"));
        let messages = reader.take();
        assert_eq!((messages.count, messages.bytes), (count, bytes), "{len:?} bytes missing");
    }
}

#[test]
fn flags_that_nobody_has_defined_end_the_count() {
    let body = [framed(0, b"a"), framed(2, b"bb"), framed(0, b"c")].concat();
    assert_eq!(counted(Framing::Native, &[&body]).take().count, 1);
    // trailers in a body are those of gRPC-Web
    assert_eq!(counted(Framing::Native, &[&framed(0x80, b"grpc-status:0\r\n")]).trailer("grpc-status"), None);
}

#[test]
fn trailers_of_grpc_web() {
    let body = [framed(0, b"abc"), framed(0x80, b"grpc-status: 5\r\nGrpc-Message:not%20here\r\n")].concat();
    let reader = counted(Framing::Web, &[&body[..10], &body[10..]]);
    assert_eq!(reader.trailer("grpc-status"), Some(b"5".as_slice()));
    assert_eq!(reader.trailer("grpc-message"), Some(b"not%20here".as_slice()));
    assert_eq!(reader.trailer("grpc"), None);
}

#[test]
fn what_the_head_and_the_trailers_say() {
    assert_eq!(names(b"/shop.v1.Cart/Add"), Some((b"shop.v1.Cart".as_slice(), b"Add".as_slice())));
    assert_eq!(names(b"/prefix/shop.Cart/Add"), Some((b"prefix/shop.Cart".as_slice(), b"Add".as_slice())));
    for path in ["", "/", "/x", "//x", "/x/", "x/y"] {
        assert_eq!(names(path.as_bytes()), None, "{path}");
    }
    for (value, micros) in [
        ("1H", Some(3_600_000_000)),
        ("2M", Some(120_000_000)),
        ("10S", Some(10_000_000)),
        ("99999999m", Some(99_999_999_000)),
        ("5u", Some(5)),
        ("1500n", Some(1)),
        ("100000000S", None),
        ("S", None),
        ("-1S", None),
        ("1s", None),
        ("", None),
    ] {
        assert_eq!(timeout_us(value.as_bytes()), micros, "{value}");
    }
    assert_eq!(message(b"50%25 of %C3%A4 %zz%4"), "50% of ä %zz%4".as_bytes());
}

#[test]
fn base64_in_pieces_that_are_padded_each() {
    // two messages, encoded one by one: AAAAAAFh and AAAAAAJiYg==
    let text = b"AAAAAAFhAAAAAAJiYg==gAAAAA9ncnBjLXN0YXR1czowDQo=";
    for cut in 0..text.len() {
        let mut reader = counted(Framing::WebText, &[&text[..cut], &text[cut..]]);
        assert_eq!(reader.trailer("grpc-status"), Some(b"0".as_slice()), "cut at {cut}");
        let messages = reader.take();
        assert_eq!((messages.count, messages.bytes), (2, 3), "cut at {cut}");
    }
    assert_eq!(counted(Framing::WebText, &[b"AAAAAAFh!AAA"]).take().count, 1);
}

#[test]
fn a_line_of_trailers_that_has_not_ended_says_nothing() {
    let trailers = b"grpc-status:13\r\ngrpc-message:no\r\n";
    let body = framed(0x80, trailers);
    for end in 0..body.len() {
        let reader = counted(Framing::Web, &[&body[..end]]);
        let status = reader.trailer("grpc-status");
        assert!(status.is_none() || status == Some(b"13"), "{end}");
        assert_eq!(reader.trailer("grpc-message"), None, "{end}");
    }
    assert_eq!(counted(Framing::Web, &[&body]).trailer("grpc-message"), Some(b"no".as_slice()));
}

#[test]
fn what_begins_no_message_is_named() {
    for (framing, body) in [
        (Framing::Native, &[2, 0, 0, 0, 1, 7][..]),
        (Framing::Native, &[0x80, 0, 0, 0, 1, 7]),
        (Framing::Web, &[0x1f, 0x8b, 8, 0, 0, 0]),
        (Framing::WebText, b"AAAA?AAA"),
    ] {
        let mut reader = counted(framing, &[body]);
        assert!(reader.is_malformed(), "{body:?}");
        assert_eq!(reader.take().count, 0);
    }
    let mut lost = counted(Framing::Native, &[&framed(0, b"abc")[..2]]);
    lost.missing(None);
    assert!(!lost.is_malformed(), "a hole is no mistake of the sender");
}
