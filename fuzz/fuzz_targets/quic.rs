//! Any bytes as datagrams of QUIC.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = eaves::quic::read_arbitrary(bytes);
});
