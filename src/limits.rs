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
/// Secrets told of one body or one target. A leak has a few; a list of a hundred says no more than its first 64.
pub const LEAVES_MAX: usize = 64;
/// Levels of JSON whose names stand in a pointer; real answers have a dozen, deeper nesting is an attack on parsers.
pub const JSON_DEPTH_MAX: usize = 64;
/// The longest JSON pointer in a record; a longer one ends in `…`. Names are for people, and keys may be whole texts.
pub const POINTER_BYTES_MAX: usize = 256;
/// The longest name of a parameter in a record, for the same reason.
pub const PARAMETER_NAME_BYTES_MAX: usize = 64;

// ---- analysis ----

// ---- publish ----
