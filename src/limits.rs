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

// ---- inventory ----

/// Operations that the inventory holds; each takes up to 12 KiB (mostly its histogram). A large company's gateway serves
/// two or three thousand; more than these means that some value is taken for a word.
pub const OPERATIONS_MAX: usize = 8192;
/// Segments of a path that its template keeps. Real ones have a dozen; behind the last stands `{…}`.
pub const PATH_SEGMENTS_MAX: usize = 48;
/// The longest segment that is looked at; what is longer is text that somebody wrote, or data.
pub const SEGMENT_BYTES_MAX: usize = 256;
/// The longest method that names an operation; the longest one registered with IANA has 17 letters.
pub const METHOD_BYTES_MAX: usize = 24;
/// The longest host name (RFC 1035 §3.1).
pub const HOST_BYTES_MAX: usize = 253;
/// Kinds of credential that are counted for one operation by name; the sensor knows a dozen. Others are `other`.
pub const CREDENTIAL_KINDS_MAX: usize = 16;
/// Distinct clients of one operation that are counted exactly; more are estimated within 3 %.
pub const CLIENTS_EXACT_MAX: usize = 128;
/// Latencies above an hour are counted as an hour, so that one sleeper can't make a histogram large.
pub const LATENCY_US_MAX: u64 = 3_600_000_000;
/// Routes under which a word must have been seen at its place before `strict` shows it: a name of a person in a path
/// is asked for by few.
pub const PROVEN_ROUTES_MIN: usize = 10;
/// Places of words that are learned under `strict`, 88 bytes each while unproven. A word beyond stays `{…}`.
pub const PLACES_MAX: usize = 65_536;

// ---- analysis ----

/// An epoch of event time: baselines are closed at its end (DESIGN: the state closed two epochs before).
pub const EPOCH_NS: u64 = 10_000_000_000;
/// Operations or other keys for which one detector remembers anything; with the two bounds below at most 33 MiB. Only calls
/// with a suspicious value make a key, so that few operations ever have one. Calls beyond are not judged, and counted.
pub const DETECTOR_KEYS_MAX: usize = 2048;
/// Fields of one operation for which a detector remembers anything. Fields beyond are not judged.
pub const DETECTOR_FIELDS_MAX: usize = 16;
/// Distinct values of one field that a detector remembers: enough to tell a family of identifiers.
pub const FIELD_VALUES_MAX: usize = 64;
/// Findings that may be open at the same time, some 2 KiB each. A further one is refused and counted.
pub const FINDINGS_OPEN_MAX: usize = 16_384;
/// A finding that nothing supported for a day is over; what comes later is a new one.
pub const FINDING_QUIET_NS: u64 = 24 * 3600 * 1_000_000_000;
/// Supporting calls that a finding lists (RULES: the first 50).
pub const FINDING_CALLS_MAX: usize = 50;
/// Pieces of evidence that a finding shows (RULES: at most 5).
pub const FINDING_EVIDENCE_MAX: usize = 5;
/// Live, a record that changes is sent again at most this often.
pub const RESEND_NS: u64 = 60_000_000_000;

// ---- publish ----
