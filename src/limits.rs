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

// ---- credential ----

/// The longest token that is read as a JWT. Servers refuse a header line of 8 KiB and more.
pub const JWT_BYTES_MAX: usize = 8 << 10;
/// The longest claim of a JWT that is kept: issuers, subjects and scopes are names or addresses.
pub const CLAIM_BYTES_MAX: usize = 256;
/// Entries of a claim that is a list (audiences, scopes, roles); a longer list is unknown rather than cut.
pub const CLAIM_LIST_MAX: usize = 64;

// ---- record ----

/// The longest value whose fingerprint a connection remembers, so that it is computed once; longer ones are
/// computed again with each call.
pub const REMEMBERED_BYTES_MAX: usize = 2 << 10;
/// Values that a connection remembers in their masked form: a request mostly has a credential, a cookie, and perhaps two
/// keys.
pub const REMEMBERED_VALUES_MAX: usize = 4;

// ---- analysis ----

// ---- publish ----
