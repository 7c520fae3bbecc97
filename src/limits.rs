//! Every bound of the sensor in one place, each with its unit and its reason. Reaching one is a named outcome
//! with a counter, never a silent cut.

// ---- capture ----

/// Size of a block that a capture file is read into. Small enough that a block is still in the core's cache when
/// its frames are parsed, large enough that the call to read it costs nothing beside.
pub const BLOCK_BYTES: usize = 512 << 10;
/// The longest frame that is believed; libpcap's own ceiling for a snap length is 256 KiB, D-Bus and USB captures
/// reach 128 MiB. More than this in a record header means that the file is corrupt there.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Options behind a packet in a pcapng block: comments and flags. A block that is longer than the longest frame
/// and these is corrupt.
pub const PACKET_OPTIONS_BYTES_MAX: usize = 1 << 20;
/// Interfaces that one pcapng section may describe; packets of further ones are counted as unplaced. A capture on
/// every port of a large switch has some hundred.
pub const INTERFACES_MAX: usize = 1 << 16;
/// Decryption secrets from capture files that wait to be handed on. A connection needs about 700 bytes of them, so
/// this is enough for a hundred thousand; what is beyond is left out and said.
pub const SECRETS_BYTES_MAX: usize = 64 << 20;
/// Blocks that may wait for their last holder before they are filled again (16 MiB in all). A block beyond this is
/// freed by its last holder instead.
pub const BLOCKS_POOLED_MAX: usize = 32;
/// Block size of one file when many are read at the same time, and to find out a file's first packet.
pub const BLOCK_BYTES_SMALL: usize = 64 << 10;
/// So many files may be read at the same time with blocks of full size (8 MiB in all).
pub const FILES_WITH_LARGE_BLOCKS: usize = 16;
/// Layers of compression around a capture that are undone: a packed file that somebody packed again.
pub const COMPRESSION_LAYERS_MAX: usize = 3;

const _: () = assert!(BLOCK_BYTES_SMALL <= BLOCK_BYTES && BLOCK_BYTES < FRAME_BYTES_MAX);
// A frame's place in its block is told in 32 bits.
const _: () = assert!(FRAME_BYTES_MAX + PACKET_OPTIONS_BYTES_MAX + BLOCK_BYTES < u32::MAX as usize);

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
