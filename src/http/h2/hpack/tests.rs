//! Examples of the RFC, and what a reader who missed something may say.

use super::{Broken, Fields, Table, decode};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The fields of a block, pseudo-header fields first; `?` for one that is not known.
fn told(fields: &Fields) -> Vec<String> {
    let text = |span: crate::call::Span| String::from_utf8(span.of(fields.text()).to_vec()).unwrap();
    let pseudo = [
        (":method", fields.method),
        (":scheme", fields.scheme),
        (":path", fields.path),
        (":authority", fields.authority),
    ];
    let pseudo = pseudo.into_iter().filter_map(|(name, span)| Some(format!("{name}: {}", text(span?))));
    let status = fields.status.map(|status| format!(":status: {status}"));
    let headers = fields.headers.iter().map(|header| {
        if header.name.is_known() {
            format!("{}: {}", text(header.name), text(header.value))
        } else {
            "?".into()
        }
    });
    pseudo.chain(status).chain(headers).collect()
}

fn read(table: &mut Table, block: &[u8]) -> (Vec<String>, Result<(), Broken>) {
    let mut fields = Fields::default();
    let result = decode(table, block, &mut fields);
    (told(&fields), result)
}

/// RFC 7541 §C.4: three requests in the Huffman code, one table.
const REQUESTS: [(&str, &[&str]); 3] = [
    (
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
    ),
    (
        "828684be5886a8eb10649cbf",
        &[
            ":method: GET",
            ":scheme: http",
            ":path: /",
            ":authority: www.example.com",
            "cache-control: no-cache",
        ],
    ),
    (
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        &[
            ":method: GET",
            ":scheme: https",
            ":path: /index.html",
            ":authority: www.example.com",
            "custom-key: custom-value",
        ],
    ),
];

/// RFC 7541 §C.6: three answers with a table of 256 bytes, so that entries are evicted.
const ANSWERS: [(&str, &[&str]); 3] = [
    (
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        &[
            ":status: 302",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
        ],
    ),
    (
        "4883640effc1c0bf",
        &[
            ":status: 307",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
        ],
    ),
    (
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        &[
            ":status: 200",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:22 GMT",
            "location: https://www.example.com",
            "content-encoding: gzip",
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ],
    ),
];

#[test]
fn the_examples_of_the_rfc() {
    let mut table = Table::default();
    for (block, expected) in REQUESTS {
        let (fields, result) = read(&mut table, &bytes(block));
        assert_eq!((fields, result), (owned(expected), Ok(())));
    }
    let mut table = Table::default();
    table.resize(256);
    for (block, expected) in ANSWERS {
        let (fields, result) = read(&mut table, &bytes(block));
        assert_eq!((fields, result), (owned(expected), Ok(())));
    }
    // evicted by then: the first entry of all
    assert_eq!(read(&mut table, &bytes("c3")).1, Err(Broken::Invalid));
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn behind_a_loss_what_is_older_is_unknown_and_what_is_newer_exact() {
    let mut table = Table::default();
    table.forget();
    // the first block of the examples is lost: `be` means its entry
    let (fields, result) = read(&mut table, &bytes(REQUESTS[1].0));
    assert_eq!(fields, [":method: GET", ":scheme: http", ":path: /", "?", "cache-control: no-cache"]);
    assert_eq!(result, Ok(()));
    let (fields, _) = read(&mut table, &bytes(REQUESTS[2].0));
    assert_eq!(
        fields,
        [":method: GET", ":scheme: https", ":path: /index.html", "?", "custom-key: custom-value"]
    );
    // both that were inserted since, in their order, then what was before
    assert_eq!(
        read(&mut table, &bytes("bebfc0")).0,
        ["custom-key: custom-value", "cache-control: no-cache", "?"]
    );
    // a literal whose name is not known: neither is it, nor its entry
    assert_eq!(read(&mut table, &bytes("7f010161bebf")).0, ["?", "?", "custom-key: custom-value"]);
    // a table that is emptied is known
    assert_eq!(read(&mut table, &bytes("203fe11fbe")).1, Err(Broken::Invalid));
}

#[test]
fn a_block_that_breaks_off_gives_what_is_before() {
    let whole = bytes(ANSWERS[0].0);
    for cut in 0..whole.len() {
        let (fields, result) = read(&mut Table::default(), &whole[..cut]);
        let all = owned(ANSWERS[0].1);
        assert_eq!(fields, all[..fields.len()], "{cut}");
        let at_a_border = [0, 4, 11, 35].contains(&cut);
        assert_eq!(result, if at_a_border { Ok(()) } else { Err(Broken::Short) }, "{cut}");
    }
}

#[test]
fn numbers_and_text_without_end_are_refused() {
    for block in ["ffffffffffff7f", "80", "00ff8080808080808001", "0085ffffffffff0161"] {
        assert_eq!(read(&mut Table::default(), &bytes(block)).1, Err(Broken::Invalid), "{block}");
    }
}

#[test]
fn few_bytes_that_stand_for_many_are_cut_off() {
    // an entry of 4,000 bytes, then named again and again
    let mut block = vec![0x40, 1, b'a', 0x7f, 0xa1, 0x1e];
    block.extend(vec![b'x'; 4000]);
    block.extend(vec![0xbe; 100_000]);
    let mut fields = Fields::default();
    assert_eq!(decode(&mut Table::default(), &block, &mut fields), Err(Broken::TooLong));
    assert!(fields.memory() < 4 * crate::limits::HEAD_BYTES_MAX);
}
