//! Any bytes as a body of gRPC.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = eaves::http::grpc::read_arbitrary(bytes);
});
