//! Any bytes as a row of segments of a few flows.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = eaves::flow::read_arbitrary(bytes);
});
