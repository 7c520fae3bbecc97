//! Every bound of the sensor in one place, each with its unit and its reason. Reaching one is a named outcome
//! with a counter, never a silent cut.

// ---- configuration ----

/// Workers that can be asked for: the kernel takes up to 256 sockets into a fanout group by default, and more
/// threads than that is a slip of the finger.
pub const WORKERS_MAX: usize = 256;
/// Memory budget of all workers together if none is given: holds some hundred thousand connections with holes.
pub const MEMORY_BYTES_DEFAULT: u64 = 1 << 30;
/// The least memory budget: the blocks, batches and tables of one worker need about this much.
pub const MEMORY_BYTES_MIN: u64 = 16 << 20;
/// How long a run waits for Kafka to take what is left, in seconds, if nothing is given.
pub const KAFKA_TIMEOUT_S_DEFAULT: u64 = 60;
/// The longest name of a sensor: that of a host name (RFC 1035 §2.3.4).
pub const SENSOR_NAME_BYTES_MAX: usize = 255;

// ---- capture ----

/// Bytes kept of a live frame if nothing is given, and the most that libpcap takes: longer than any frame, segments
/// that the host's own offloading joined included.
pub const SNAPLEN_BYTES_MAX: u32 = 256 << 10;
/// The least snap length: Ethernet, two VLAN tags, IPv6 and TCP with all its options need 122 bytes; below that not
/// even the headers are whole.
pub const SNAPLEN_BYTES_MIN: u32 = 128;
/// The kernel's ring of each worker if nothing is given: about half a second at 1 Gbit/s.
pub const RING_BYTES_DEFAULT: u32 = 64 << 20;
/// The least ring: libpcap's blocks are as large as the longest frame, and less than four can't be filled and read
/// at once.
pub const RING_BYTES_MIN: u32 = 4 * SNAPLEN_BYTES_MAX;
/// The largest ring: libpcap takes its size as a C `int`.
pub const RING_BYTES_MAX: u32 = i32::MAX as u32;

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
/// Link types of one file that are remembered, to be told of if nobody can read them.
pub const LINK_TYPES_TOLD_MAX: usize = 4;
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

/// The latest time that a packet has, in nanoseconds: in the year 2518. What a file says beyond is taken as that, so that
/// the deadlines behind it do not run together with the end of time, which stands for "never".
pub const TIME_NS_MAX: u64 = u64::MAX - (1 << 60);

/// Length of a round of live capture, in milliseconds: how long a call that is finished may wait for its place in
/// the order, and how soon a request to stop is seen.
pub const SLOT_MS: u64 = 20;
/// Frames that are read from the ring at a stretch: at a microsecond each this is far below a slot, and the clock is
/// asked rarely enough not to count.
pub const LIVE_BATCH_FRAMES: usize = 256;

/// Slots without a frame after which a capture ends though the kernel counted more frames than it handed over.
pub const LIVE_END_SLOTS: u32 = 25;
/// Live, the sensor tells of itself this often, in event time.
pub const REPORT_NS: u64 = 10_000_000_000;
/// Lines of a round whose memory is kept for the next ones; a longer text comes after a stall alone.
pub const LINES_SPARE_BYTES_MAX: usize = 8 << 20;

// ---- wire ----

/// Headers of encapsulation that are opened before a packet is given up: a mirror in a tunnel in an overlay needs
/// four, more is an attack on the sensor.
pub const TUNNEL_DEPTH_MAX: usize = 8;
/// Headers of all kinds that are read before a frame is given up: each of eight tunnels may bring tags, labels
/// and extension headers of its own. Bounds the work that one frame can ask for.
pub const HEADERS_MAX: usize = 64;
/// Datagrams that one frame completes inside each other: one around and one within each tunnel, more is an attack on
/// the sensor's stack. IPv6 can put a fragment directly into a datagram that was put together.
pub const NESTED_DATAGRAMS_MAX: usize = TUNNEL_DEPTH_MAX + 1;
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

/// Nanoseconds after which an acknowledged hole is called a gap on a quiet flow: far more than any mirror delays.
pub const GAP_NS: u64 = 1_000_000_000;
/// Nanoseconds after which a hole that nobody acknowledged is called a gap: a retransmission that has not come by
/// then won't (RFC 6298 §2.4 doubles the time-out from 1 s; a fifth try comes after 31 s).
pub const HOLE_NS_MAX: u64 = 31_000_000_000;
/// Frames of a flow that was joined in its middle before its first position is settled: earlier bytes may still be
/// on their way through the mirror.
pub const JOIN_FRAMES: u32 = 32;
/// The same in nanoseconds, for a quiet flow.
pub const JOIN_NS: u64 = 1_000_000_000;
/// Nanoseconds that late bytes have to come in after a RST.
pub const CLOSING_NS: u64 = 1_000_000_000;
/// How far from the next byte a RST may stand to be believed: a window of the usual size.
pub const RESET_WINDOW_BYTES: u32 = 4 << 20;
/// Delivered but unacknowledged bytes that are remembered for a direction, so that a second copy can be compared
/// with the first: a usual window of a request or response.
pub const HISTORY_BYTES_MAX: usize = 16 << 10;
/// The room for them that a direction keeps when all it said was acknowledged.
pub const HISTORY_BYTES_KEPT: usize = 256;
/// Nanoseconds without a frame after which an open flow is given up: longer than the keep-alive interval of
/// servers and of TCP itself is usual between two calls of a long-lived client.
pub const IDLE_NS_MAX: u64 = 3_600_000_000_000;
/// The same for a flow without any payload: a port scan must not fill the table.
pub const EMPTY_NS_MAX: u64 = 60_000_000_000;
/// Nanoseconds that a closed flow is remembered, so that late copies of its frames don't look like a new one
/// (TIME-WAIT is twice the maximum segment lifetime, RFC 9293 §3.6.1; copies through a mirror come far sooner).
pub const CLOSED_NS: u64 = 10_000_000_000;
/// Entries of the queue of deadlines beyond two for each flow, before those that nothing waits for any more are taken
/// out: so few flows that going through them again and again would cost more than it saves.
pub const DEADLINES_SPARE: usize = 1024;
/// Frames of one round: the merge waits for the slowest worker once a round, so rounds are long enough that the
/// hand-over costs little, and short enough that a round's calls stay in the cache.
pub const ROUND_FRAMES: u64 = 2048;
/// So many rounds after a session of TLS 1.2 became known to one worker, it is known to all: at the same place of the input
/// for any number of workers, and late enough that none waits for the merge.
pub const SESSION_ROUNDS: u64 = 2 * ROUNDS_QUEUED as u64;
/// Connections that resume a session one after the other, each with the ticket that the one before got, and that are
/// read although the input ends behind them.
pub const SESSION_CHAIN_MAX: u64 = 16;
/// Rounds that wait in each channel between two threads: enough that a slow round of one does not stop the others.
pub const ROUNDS_QUEUED: usize = 4;
/// Segments of tunnelled and fragmented flows that wait for their owner in live capture: a slot at full line rate.
pub const HANDED_OVER_MAX: usize = 16 << 10;
/// Bytes of these segments, which may have 64 KiB each where the card joins frames: a slot at 10 Gbit/s are 25 MB.
/// Segments beyond are dropped.
pub const HANDED_OVER_BYTES_MAX: usize = 32 << 20;
/// Slots that a segment waits for those that came before it another way: a block of the ring that is not full is
/// handed over after one slot, two if the timer had just run.
pub const MAIL_WAIT_SLOTS: u64 = 3;
/// Slots after the last segment from another worker until a worker's own segments wait no more: a second.
pub const MAIL_ACTIVE_SLOTS: u64 = 50;
/// Segments that may wait so; beyond, all are taken at once. With full frames of Ethernet they are 100 MB.
pub const MAIL_SEGMENTS_MAX: usize = 64 << 10;
/// Bytes that may wait so, where frames are longer: some slots at 10 Gbit/s.
pub const MAIL_BYTES_MAX: usize = 96 << 20;
/// Slots of live capture whose lines wait for the merge, for each worker: a second and more of a stalled publisher.
pub const SLOTS_QUEUED: usize = 64;
/// A worker that has nothing to tell says how far the capture clock is when it went on by this much: often enough for
/// everything that is sent again once a minute, and too seldom to cost.
pub const QUIET_ANSWER_NS: u64 = 1_000_000_000;
/// Bytes of lines that a worker keeps while the merge is behind, before it drops the lines of whole slots.
pub const LINES_BEHIND_BYTES_MAX: usize = 64 << 20;

const _: () = assert!(JOIN_FRAMES <= GAP_FRAMES, "a flow must be settled before holes in it are given up");
const _: () = assert!(HISTORY_BYTES_MAX < HOLD_BYTES_MAX);

// ---- tls ----

/// The longest record that is believed: 16 KiB of plaintext and 2048 bytes that protection may add (RFC 5246 §6.2.3).
pub const TLS_RECORD_BYTES_MAX: usize = (16 << 10) + 2048;
/// Plaintext of one record (RFC 8446 §5.1).
pub const TLS_PLAINTEXT_BYTES_MAX: usize = 16 << 10;
/// The longest handshake message that is kept; certificate chains have 2 KiB to 20 KiB. A longer one is passed over.
pub const HANDSHAKE_BYTES_MAX: usize = 64 << 10;
/// Handshake messages that are kept because the extended master secret is derived from them (RFC 7627): a chain of
/// certificates and the hellos.
pub const TRANSCRIPT_BYTES_MAX: usize = 64 << 10;
/// The longest name in a handshake that is kept: that of a host (RFC 1035 §3.1).
pub const TLS_NAME_BYTES_MAX: usize = 255;
/// Bytes of the names of protocols that a client offers: a browser's have some 20.
pub const TLS_ALPN_BYTES_MAX: usize = 512;
/// Names of one certificate that are told; those of content networks have a hundred.
pub const CERTIFICATE_NAMES_MAX: usize = 16;
/// Connections of which secrets are known, some 400 bytes each, and sessions that can be resumed, some 150 bytes each. The
/// oldest make room for new ones, and are counted.
pub const KEYS_MAX: usize = 1 << 20;
/// The longest line of a key log: label, client random and the longest secret have 203 bytes.
pub const KEYLOG_LINE_BYTES_MAX: usize = 1024;
/// Between two looks at the key logs of a capture, in milliseconds: far below what ciphertext waits for its secrets.
pub const KEYLOG_LOOK_MS: u64 = 100;
/// Bytes of a key log that are read at once.
pub const KEYLOG_PIECE_BYTES: usize = 64 << 10;
/// Bytes of one key log that are read at one look, so that neither a large one nor a pipe that never runs dry keeps the
/// others, or the end of the run, waiting. Secrets of some 5,000 connections.
pub const KEYLOG_LOOK_BYTES_MAX: usize = 4 << 20;
/// First bytes of a key log by which it is known again: behind a line of comment, the secrets of the first connection.
pub const KEYLOG_HEAD_BYTES: usize = 1024;
/// Last bytes that were read by which it is known that what follows is new: more than a line.
pub const KEYLOG_TAIL_BYTES: usize = 256;
/// Key logs that are followed, about 2 KiB each: those of a directory into which every process writes its own. What is
/// beyond is counted and said.
pub const KEYLOGS_MAX: usize = 4096;
/// Of those, the ones that are kept open: well within the 1024 files that a process may have by default. Others are
/// opened when they have grown.
pub const KEYLOGS_OPEN_MAX: usize = 256;
/// Looks in which nothing comes until a key log that was renamed is let go, an hour: its writer may have it open for as
/// long as it runs.
pub const KEYLOG_RENAMED_LOOKS_MAX: u64 = 36_000;
/// The same for one that was deleted, a minute: while it is open its bytes take room on the disk.
pub const KEYLOG_DELETED_LOOKS_MAX: u64 = 600;
/// Pieces of key logs that wait for a worker, which takes them every 20 ms; the reader of the logs waits.
pub const KEYLOG_PIECES_QUEUED: usize = 4;
/// How long a run that ends waits for the last look at the key logs, in milliseconds: a file system may be gone.
pub const KEYLOG_LAST_LOOK_MS: u64 = 2_000;
/// Bytes of all key logs that are read at that look: those of more connections than are ever waiting.
pub const KEYLOG_LAST_LOOK_BYTES_MAX: usize = 64 << 20;
/// Broken lines of one key log that are named; the rest is counted.
pub const KEYLOG_BROKEN_TOLD_MAX: u64 = 4;
/// Sentences about key logs in a run; what is beyond is in the counters.
pub const KEYLOG_SENTENCES_MAX: u64 = 100;
/// Key logs that others can read and that are named.
pub const KEYLOGS_OPEN_TO_OTHERS_TOLD_MAX: u64 = 4;
/// Rounds of sessions that one worker learned and that wait for another, which takes them every 20 ms. What finds no room
/// waits with its sender, within [`KEYS_MAX`].
pub const SESSIONS_QUEUED: usize = 64;
/// Sequence numbers that are tried on what may be the first record behind a hole. A window of 4 MiB holds 256 records of
/// full size; short ones are lost in smaller numbers.
pub const SEQUENCE_TRIES_MAX: u64 = 1024;
/// Bytes that are opened in vain behind one hole, before a connection is given up: thousands of false headers.
pub const TRIED_BYTES_MAX: u64 = 64 << 20;
/// What an attempt costs beside the bytes that it opens: as much as these would.
pub const TRY_BYTES: u64 = 256;
/// Names of one session, tickets and its id, that wait until its secret is known. Servers send two or so; the oldest make
/// room, and are counted.
pub const SESSION_NAMES_MAX: usize = 16;
/// Records in a row that do not open, before a connection is given up.
pub const BAD_RECORDS_MAX: u32 = 16;
/// Ends of records that are remembered in each direction, so that acknowledgements can be told in plaintext: a window of
/// 1 MiB of full records, in half a KiB of an idle connection's memory. What acknowledges an older record is not known.
pub const RECORD_ENDS_MAX: usize = 64;
/// Ciphertext of one connection that waits for its secrets, unless more room is given for all of them.
pub const TLS_HOLD_FLOW_BYTES_MAX: usize = 1 << 20;
/// Where more room is given: so many connections share it at least.
pub const TLS_HOLD_FLOWS_MIN: usize = 64;
/// Kinds of TLS that were not decrypted (server name, version, suite, reason) that a worker counts apart; of more of them
/// the server name is left out.
pub const UNDECRYPTED_MAX: usize = 4096;
/// How long a connection that has ended waits for its secrets, in nanoseconds: key logs are written within seconds, and
/// copied to another host once a minute.
pub const TLS_WAIT_NS: u64 = 60_000_000_000;
/// Connections that have ended and wait for their secrets, in each worker.
pub const TLS_WAITING_MAX: usize = 16 << 10;
/// Protocols that a client offers which are told: browsers offer two or three.
pub const ALPN_NAMES_MAX: usize = 16;
const _: () = assert!(KEYLOG_HEAD_BYTES > KEYLOG_TAIL_BYTES && KEYLOG_PIECE_BYTES > KEYLOG_HEAD_BYTES);
const _: () = assert!(KEYLOGS_OPEN_MAX < KEYLOGS_MAX);

/// Ciphertext of all connections that waits for secrets if nothing is given.
pub const TLS_HOLD_BYTES_DEFAULT: u64 = 64 << 20;
const _: () = assert!(TLS_HOLD_FLOW_BYTES_MAX * TLS_HOLD_FLOWS_MIN == TLS_HOLD_BYTES_DEFAULT as usize);

// ---- quic ----

/// Flows of QUIC that are counted in each worker, some 500 bytes each, and 3 KiB at most.
pub const QUIC_FLOWS_MAX: usize = 1 << 16;
/// How long nothing may come before a flow of QUIC is told, in nanoseconds: ends agree on far less (30 s are usual), and keep
/// their connections alive within that.
pub const QUIC_IDLE_NS: u64 = 300_000_000_000;
/// Flows whose first packets are being opened in each worker, up to 34 KiB each.
pub const QUIC_OPENING_MAX: usize = 1024;
/// How often keys are derived for the packets of a flow: once for a connection, once more behind a Retry or for another
/// version, and for some packets that are damaged.
pub const QUIC_DERIVATIONS_MAX: u32 = 16;
/// Bytes of the first message of one end: a ClientHello with post-quantum key shares has 2 KiB.
pub const QUIC_CRYPTO_BYTES_MAX: usize = 16 << 10;
/// Pieces of it that are there while others between them are not: browsers shuffle a dozen.
pub const QUIC_CRYPTO_RANGES_MAX: usize = 64;

// ---- http ----

/// The longest head of a message that is kept; servers refuse far shorter ones (nginx 32 KiB, Apache 8 KiB a line).
pub const HEAD_BYTES_MAX: usize = 256 << 10;

/// Header lines of one head that are kept; servers refuse far fewer (Apache 100, nginx by size).
pub const HEADER_LINES_MAX: usize = 1024;
/// The longest chunk extension or trailer line that is believed.
pub const CHUNK_LINE_BYTES_MAX: u32 = 16 << 10;
/// Bytes that wait for the answer to a CONNECT or an upgrade: an eager client sends its first message of the other
/// protocol, a TLS ClientHello has at most 16 KiB a record.
pub const VERDICT_BYTES_MAX: usize = 64 << 10;
/// Segments of one direction that are looked at before a connection is given up as unknown: behind the greetings
/// of a proxy protocol HTTP may begin.
pub const LOOK_SEGMENTS: u32 = 12;
/// The same for a connection that was joined in its middle, in turns of its ends: a message that was under way may
/// be long, but behind it the next turn begins with a start line if it is HTTP.
pub const LOOK_TURNS: u32 = 12;
/// Tunnels through CONNECT that are entered one in another: a chain of two proxies is seen in practice, more is
/// made to be entered without end.
pub const TUNNELS_MAX: u32 = 8;
/// Bytes of one direction that are looked through for frames of HTTP/2 where it was joined in its middle: a dozen frames
/// of the usual size.
pub const LOOK_FRAMES_BYTES_MAX: usize = 256 << 10;
/// Bytes that decide what a connection speaks.
pub const LOOK_BYTES: usize = 32;

// ---- exchange ----

// ---- http/h2 ----

/// The dynamic table of one direction: sixteen times the size that a connection begins with; servers announce 4 KiB,
/// some 64 KiB. Entries beyond are unknown when they are used.
pub const HPACK_TABLE_BYTES_MAX: usize = 64 << 10;
/// Bytes in which the next frame is looked for behind a hole. A frame has to be whole to be believed; those of servers
/// have 16 KiB, those of some uploads up to 1 MiB, which are passed by.
pub const H2_SEARCH_BYTES_MAX: usize = 64 << 10;
/// Of those, what is kept of bytes in which none was found: as many frames as their sender may make, at their longest.
pub const H2_SEARCH_FRAMES_KEPT: usize = 4;
/// Header blocks up to this size are tried as HPACK where a frame is looked for; what is longer proves nothing there.
pub const H2_SEARCH_BLOCK_BYTES_MAX: usize = 512;
/// Bits by which frames have to be unlikely among the bytes around them, beside those for the number of places: of 2^12
/// searches through bytes in which each stands for itself, one would be deceived.
pub const H2_SEARCH_BITS: u32 = 12;
/// So many heads of frames in a row are believed whatever is around them.
pub const H2_SEARCH_HEADS: u32 = 24;
/// Segments that these bytes may have come in.
pub const H2_SEARCH_PIECES_MAX: usize = 512;
/// Places in them that look like the head of a frame and wait for its end: more than a few are bytes that were made to.
pub const H2_SEARCH_OPEN_MAX: usize = 64;
/// Frames of one header block. The longest head that is kept needs 16 of the usual size; floods send them without end
/// (CVE-2024-27316).
pub const H2_BLOCK_FRAMES_MAX: u32 = 64;
/// Streams of one connection that have not ended: servers allow 100 to 1,000.
pub const H2_STREAMS_MAX: usize = 1024;
/// Bytes of the heads of a connection's open streams: some thousand of usual ones. With more the oldest call is told.
pub const H2_HEADS_BYTES_MAX: usize = 4 << 20;
/// Blocks of an answer that may be its head, because their status is not known: interim answers, and then the head.
pub const H2_ANSWER_HEADS_MAX: u32 = 8;
/// Streams that ended and of which a late frame is still known for what it is.
pub const H2_ENDED_STREAMS_KEPT: usize = 64;
/// Streams that wait for what may be under way although one end reset them: those of a round trip.
pub const H2_RESET_STREAMS_KEPT: usize = 16;
/// Streams that their client reset before they were answered. More of them, and more than half of all, are a flood.
pub const H2_RESETS_MAX: u64 = 200;
/// Room for answers that is next to none: nobody reads them in pieces as short.
pub const H2_WINDOW_BYTES_SMALL: u32 = 64;
/// How often a client may make as little room on one connection: a test of a server does it a few times.
pub const H2_WINDOWS_SMALL_MAX: u64 = 100;

/// Requests that wait for their answers on one connection; browsers pipelined 8, load generators 100.
pub const PIPELINE_MAX: usize = 1024;
/// Calls that a worker keeps for use again.
pub const SPARE_CALLS: usize = 64;
/// The largest buffer of such a call; heads have 1 KiB to 8 KiB, and those of an attack are not kept.
pub const SPARE_CALL_BYTES_MAX: usize = 32 << 10;

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

/// How long a call that consists of messages (WebSocket, a stream of gRPC) lasts until it is told in parts, and how long each
/// part is, if nothing is given, in seconds: a conversation of days is known within minutes.
pub const CALL_MAX_S_DEFAULT: u64 = 300;
/// The shortest that can be asked for, in seconds: each part costs a record.
pub const CALL_MAX_S_MIN: u64 = 1;
/// Bits of evidence by which frames of WebSocket are believed behind a hole. A segment has 13 to 22 of them, so two or three
/// in a row are needed; a connection has at most some billion segments (30 bits).
pub const WEBSOCKET_BITS_ENOUGH: u32 = 36;

/// Trailers of gRPC-Web that are read: a status and a message. What is beyond is not looked at.
pub const GRPC_WEB_TRAILERS_BYTES_MAX: usize = 4 << 10;
/// Bytes of `grpc-message` that a record has: a sentence, not a stack trace.
pub const GRPC_MESSAGE_BYTES_MAX: usize = 1 << 10;

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
/// How long nothing may be acknowledged once the run was asked to end, in milliseconds: a broker that answers has done
/// so by then, and whoever pressed the keys is waiting.
pub const KAFKA_STOPPED_MS: u64 = 5_000;
/// How long the making of topics may take at the broker, in milliseconds.
pub const KAFKA_TOPICS_MS: u64 = 15_000;
/// How long the client gets to report on the records that it is told to forget, in milliseconds; it takes a few.
pub const KAFKA_PURGE_MS: u64 = 5_000;
/// The most of a message from the Kafka client that is kept, in bytes.
pub const KAFKA_TROUBLE_BYTES_MAX: usize = 512;

/// How long after the first signal another one is taken for the same, in milliseconds: `timeout` and terminals under
/// `sudo` send it to the process and to its group.
pub const SAME_SIGNAL_MS: u64 = 1_000;

/// Rows of each list of the summary; the rest is counted. Whoever wants more reads the records.
pub const SUMMARY_ROWS_MAX: usize = 20;
/// Endpoints and findings that are kept for the summary, 2 KiB each and up to twice as many for a moment. Far more than
/// it shows, so that another can take the place of a finding that is withdrawn.
pub const FOREMOST_MAX: usize = 1024;
const _: () = assert!(SUMMARY_ROWS_MAX < FOREMOST_MAX);
