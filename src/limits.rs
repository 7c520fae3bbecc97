//! Every bound of the sensor in one place, each with its unit and its reason. Reaching one is a named outcome
//! with a counter, never a silent cut.

// ---- capture ----

/// Size of a block that a capture file is read into. Small enough that a block is still in the core's cache when
/// its frames are parsed, large enough that the call to read it costs nothing beside.
pub const BLOCK_BYTES: usize = 512 << 10;
/// The longest frame that is believed; libpcap's own ceiling for a snap length is 256 KiB, D-Bus and USB captures
/// reach 128 MiB. More than this in a record header means that the file is corrupt there.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

// ---- wire ----

/// Headers of encapsulation that are opened before a packet is given up: a mirror in a tunnel in an overlay needs
/// four, more is an attack on the sensor.
pub const TUNNEL_DEPTH_MAX: usize = 8;

// ---- flow ----

/// Bytes that one direction of a flow may hold while a hole before them may still be filled.
pub const HOLD_BYTES_MAX: usize = 4 << 20;
/// Further frames of a flow after which an acknowledged hole is called a gap. A mirror may deliver a frame some
/// dozen places late; a real tap is far more orderly.
pub const GAP_FRAMES: u32 = 64;

// ---- http ----

/// The longest head of a message that is kept; servers refuse far shorter ones (nginx 32 KiB, Apache 8 KiB a line).
pub const HEAD_BYTES_MAX: usize = 256 << 10;

// ---- content ----

/// A body up to this size is inspected whole; of a longer one nothing is said.
pub const BODY_INSPECTED_BYTES_MAX: usize = 1 << 20;

// ---- analysis ----

// ---- publish ----

/// Lines that are gathered before a file is written: enough that the calls to write cost nothing beside the copy.
pub const NDJSON_BUFFER_BYTES: usize = 256 << 10;
/// A piece of lines from this size on goes to the file as it lies; below, a copy is cheaper than a call to write.
pub const NDJSON_DIRECT_BYTES: usize = 32 << 10;
const _: () = assert!(NDJSON_DIRECT_BYTES <= NDJSON_BUFFER_BYTES);
/// After so many bytes a compressed file is flushed, so that no more than these are lost with a sensor that is
/// killed. A flush costs some dozen bytes of ratio.
pub const COMPRESSED_FLUSH_BYTES: usize = 8 << 20;

/// Bytes of records that the Kafka client holds until they are acknowledged, in KiB; beyond, the publisher waits.
/// About half a second of a busy sensor, and well within a sensor's memory.
pub const KAFKA_QUEUE_KBYTES: usize = 64 << 10;
/// Records that the Kafka client holds: each costs it about 600 bytes besides its own (headers, bookkeeping).
pub const KAFKA_QUEUE_RECORDS: usize = 64 << 10;
/// Records between two looks at the delivery reports.
pub const KAFKA_POLL_RECORDS: u32 = 128;
/// How long nothing may be acknowledged until that is said, in milliseconds: longer than a broker takes to elect a
/// leader in the usual case, shorter than a person waits without wondering.
pub const KAFKA_SILENCE_MS: u64 = 2_000;
/// How long the making of topics may take at the broker, in milliseconds.
pub const KAFKA_TOPICS_MS: u64 = 15_000;
/// How long the client gets to report on the records that it is told to forget, in milliseconds; it takes a few.
pub const KAFKA_PURGE_MS: u64 = 5_000;
/// The most of a message from the Kafka client that is kept, in bytes.
pub const KAFKA_TROUBLE_BYTES_MAX: usize = 512;

/// Rows of each list of the summary; the rest is counted. Whoever wants more reads the records.
pub const SUMMARY_ROWS_MAX: usize = 20;
