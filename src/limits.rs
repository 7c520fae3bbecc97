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
/// Headers of all kinds that are read before a frame is given up: each of eight tunnels may bring tags, labels
/// and extension headers of its own. Bounds the work that one frame can ask for.
pub const HEADERS_MAX: usize = 64;
/// How long a fragment waits for the rest of its datagram: Linux waits 30 s (`ipfrag_time`).
pub const FRAGMENT_WAIT_NS: u64 = 30_000_000_000;
/// Bytes of fragments that may wait: four times what Linux allows a host (`ipfrag_high_thresh`, 4 MiB), because a
/// mirror shows the fragments of many hosts.
pub const FRAGMENT_BYTES_MAX: usize = 16 << 20;
/// Datagrams that may wait for fragments, and completed ones that are remembered: 16 Mi bytes hold this many
/// datagrams of 4 KiB.
pub const FRAGMENTED_DATAGRAMS_MAX: usize = 4096;
/// How long the fragments of a completed datagram are known again. A mirror shows both copies of a packet within
/// milliseconds; identifications may come round after seconds.
pub const FRAGMENT_COPY_NS: u64 = 1_000_000_000;
/// Fragments of one datagram that are known again: 64 KiB at an MTU of 1500 are 45.
pub const FRAGMENT_COPIES_MAX: usize = 64;

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
