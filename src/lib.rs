//! Eaves: a passive sensor for API traffic.
//!
//! One direction, one owner at each stage:
//!
//! ```text
//! capture ─ Frame ─▶ wire ─ Segment ─▶ flow ─ Chunk ─▶ tls ─ Chunk ─▶ http ─ HttpEvent ─▶ exchange ─ Call
//!     ─▶ record ─ JSON line ─▶ merge ─▶ analysis ─ Record ─▶ publish
//! ```
//!
//! A worker owns its flows from the frame to the finished JSON line. Everything up to `exchange` does no I/O and
//! reads no clock; time is the packet's.

pub mod cli;
pub mod config;
pub mod limits;
pub mod metrics;
pub mod time;

pub mod capture;
pub mod wire;

pub mod flow;
pub mod tls;

pub mod sensitive;

pub mod call;
pub mod http;
pub mod quic;

pub mod exchange;

pub mod connection;

pub mod content;
pub mod credential;
pub mod record;

pub mod analysis;
pub mod detect;
pub mod inventory;

pub mod publish;

pub mod merge;
pub mod sensor;
pub mod worker;
