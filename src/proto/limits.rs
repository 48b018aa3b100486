//! Every bound of the protocol and of both ends, each with its why.
//!
//! Times that a user may want to change are defaults of [`crate::session::ClientConfig`] and its
//! siblings and refer to the constants here; sizes are fixed, because both ends must agree on them.

mod ahead;
mod turns;
mod way;

use std::time::Duration;

pub use ahead::*;
pub use turns::*;
pub use way::*;

/// Protocol version spoken by this crate.
pub const PROTOCOL_VERSION: u16 = 1;

/// Oldest protocol version this crate still speaks.
pub const PROTOCOL_VERSION_MIN: u16 = 1;

/// Bytes that a frame may have after its length field.
///
/// One MiB: room for the largest single message that language servers send in practice (a full
/// semantic-token or completion answer is some hundred KiB), small enough that a garbled length
/// is noticed at once and that one frame never stands for a whole window.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Bytes of a frame's length field and type: the least that must arrive before anything is known.
pub const FRAME_HEADER_BYTES: usize = 5;

/// Bytes that a message's payload may have: a frame less its type, channel and number.
pub const PAYLOAD_BYTES_MAX: usize = FRAME_BYTES_MAX - 1 - 1 - 8;

/// Bytes into which a byte stream is cut, a frame each.
///
/// A frame counts only once it is whole, so on a link that dies every few seconds the chunk
/// decides whether replay makes progress: 32 KiB passes within the 15 seconds in which a link is
/// declared dead at 2.2 KB/s, and its header costs 0.04 %.
pub const CHUNK_BYTES: usize = 32 << 10;

/// Bytes of a handshake's JSON body (`Hello`, `Welcome`, `Refused`, `Bye`, `Exit`).
///
/// Ours are below 400; the rest is room for fields of later versions and for a long sentence.
pub const HANDSHAKE_BYTES_MAX: usize = 4 << 10;

/// Bytes of the sentence for people in a handshake; what is longer is cut when it is sent.
///
/// An error may quote what the other side sent. JSON writes a byte as six at worst, so this much
/// always fits into [`HANDSHAKE_BYTES_MAX`].
pub const SENTENCE_BYTES_MAX: usize = 512;

/// Bytes that a login shell or a wrapper may print before the preamble.
///
/// Banners are some KiB; a program that prints more is not on the way to a server.
pub const NOISE_BYTES_MAX: usize = 64 << 10;

/// Bytes of numbered frames that an end keeps for replay, per direction; the window it grants.
///
/// Must cover bandwidth times round trip, or the link runs dry: 8 MiB fills 640 Mbit/s at 100 ms.
/// It is also what a stalled consumer can cost in memory, on both ends.
pub const UNACKED_BYTES_MAX: usize = 8 << 20;

/// Numbered frames that an end keeps for replay, per direction.
///
/// Bounds the bookkeeping (some 64 bytes a frame) that the byte window alone would not: at one
/// byte a message, 8 MiB of payload would need half a GiB.
pub const UNACKED_FRAMES_MAX: usize = 128 << 10;

/// Numbered frames that an end takes and the application has not consumed: two senders' worth,
/// because one that takes over leaves another's behind. Ends and empty messages need no window,
/// so nothing else bounds them.
pub const UNCONSUMED_FRAMES_MAX: usize = 2 * UNACKED_FRAMES_MAX;

/// Silence after which the client probes.
///
/// Three intervals make the 15 seconds in which a dead link is noticed; an editor that is idle
/// sends 12 small frames a minute.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

/// Longest interval that a user may choose: a third of the silence that a server bears, so that
/// a probe may be lost, and the next one come late, on a link that is well.
pub const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(SILENCE_MAX.as_secs() / 3);

/// Probes in a row that may go unanswered; the answer to the last one is waited for as long as
/// for the others, so a dead link is noticed after `(1 + HEARTBEAT_MISSES_MAX)` intervals.
pub const HEARTBEAT_MISSES_MAX: u32 = 2;

/// Time that one probe has after a wake-up, a network change or the user's wish.
///
/// The user is looking at the editor: two seconds are more than any healthy round trip, and
/// short enough that a dead link is replaced before the first keystroke matters.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Time that one probe has after the kernel has told of a changed network.
///
/// An address or a route that changed is a reason to doubt the link, and a needless new login costs
/// less than another second of doubt. A host that is farther away has more: see [`TIMES_SEEN`].
pub const NETWORK_PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of the time that something took when it went well it gets the next time, if that is more than
/// the usual: a round trip, for [`NETWORK_PROBE_TIMEOUT`], and a login, for [`OPEN_TIMEOUT_MIN`].
///
/// Ways and hosts vary, seldom by more than that; a dead one holds up nobody for longer than it once took.
pub const TIMES_SEEN: u32 = 2;

/// A timeout that comes this much too late means that this process, not the peer, was asleep.
///
/// A busy machine delays a timer by milliseconds, rarely by a second; a suspended one by more.
pub const SUSPENSION_MIN: Duration = Duration::from_secs(2);

/// Failed attempts in a row after which the client pauses.
pub const ATTEMPTS_MAX: u32 = 3;

/// Attempts to connect for the first time, where ssh is turned away before the key exchange.
///
/// A hundred sessions that start within three seconds have a third of their logins turned away by an
/// sshd with its default `MaxStartups 10:30:100`; of six attempts all are, once in 700 sessions.
pub const FIRST_ATTEMPTS_MAX: u32 = 6;

/// Attempts that may follow each other at once. A link that dies once a second is used for five
/// seconds, longer than a bad access point needs to make up its mind.
pub const ALLOWANCE_BURST: u32 = 5;

/// Time after which one more attempt may be made: a host never sees more than twenty logins a minute,
/// and five, of one session; fail2ban's default allows five *failed* ones in ten minutes, ours succeed.
pub const ALLOWANCE_EVERY: Duration = Duration::from_secs(3);

/// The same on this machine, where an attempt is no login and costs a process of some milliseconds: a link
/// that dies once a second, for whatever reason, is back whenever it is up.
pub const ALLOWANCE_EVERY_HERE: Duration = Duration::from_millis(500);

/// What the first retry after a loss may wait. Sessions that lost their link together come back over
/// a fifth of a second, so that an sshd (10 logins under way at once, by default) meets them one after the
/// other; one alone does not feel it.
pub const FIRST_RETRY_SPREAD: Duration = Duration::from_millis(200);

/// The first pause of patience: by then a budget is used up after a network was away for 8 s at least.
pub const PATIENCE_MIN: Duration = Duration::from_secs(5);

/// The longest pause of patience: with its quarter of jitter, a session is tried again within 40 s of
/// the network's return, whoever is not told of that; a night of it is a thousand attempts.
pub const PATIENCE_MAX: Duration = Duration::from_secs(30);

/// First delay between two attempts; tripled each time. The first retry after a loss is immediate,
/// so three attempts span eight seconds: time for a name server or a VPN to come up after a wake.
pub const BACKOFF_MIN: Duration = Duration::from_secs(2);

/// Longest delay between two attempts: a user who watches gives up after half a minute.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// A session that was attached this long is stable: what broke its protocol before is forgotten.
pub const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Time to open a transport on a reconnect (ssh with keys needs one or two seconds, a slow one ten).
/// The first attach has no such deadline: a user may be typing a password.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Time to open the first transport of an outage; the next have twice and four times as long, then
/// [`OPEN_TIMEOUT`].
///
/// An open that began while packets were dropped waits for TCP's own pauses (1, 2, 4, 8 … seconds on
/// Linux), and would hold the way back long after the network's return. A login that is slower has more: see
/// [`TIMES_SEEN`].
pub const OPEN_TIMEOUT_MIN: Duration = Duration::from_secs(6);

/// Age from which an attempt that has not opened is replaced when a network changes; doubled each time.
///
/// A younger one has TCP's second try before it, a second after the first; and changes come in bursts
/// (link, address, route). Doubled, because where they never end a slow login must get through.
pub const HINT_GRACE: Duration = Duration::from_millis(500);

/// Age from which an attempt that has not opened is replaced when the user sends something: twice what
/// ssh with keys needs on a good network. One that was begun so is not replaced so.
pub const ACTIVITY_GRACE: Duration = Duration::from_secs(2);

/// Time between two attempts that are made because the user sends something. Who types on and on is back
/// a second after a network that fails at once is; who sends fifty lines a second tries no more often.
pub const ACTIVITY_PACE: Duration = Duration::from_secs(1);

/// Time from the server's preamble to its answer: some round trips on the worst usable link.
pub const ATTACH_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a transport's exit status after its output has ended. It carries the verdict "server
/// not running"; over ssh it is one packet behind the end of output.
pub const EXIT_WAIT: Duration = Duration::from_secs(1);

/// Silence after which the server drops a transport: twice what the client allows, so that the
/// client, who can say more about it, notices first.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Time that a transport has for its `Hello` after the preamble was sent.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Transports that may be attaching at once. The user's own proxies alone can connect, and more
/// than a few at once is a runaway loop.
pub const ATTACHING_MAX: usize = 16;

/// Life of a server without a client: a laptop closed in the evening is opened the next morning,
/// or after a long day; a weekend costs the state.
pub const IDLE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Life of a server of a session without a name whose client has died: nobody else knows of it. Long
/// enough that a client that was not dead after all comes back with all its attempts, and that
/// whoever looks for what became of a crashed editor still finds it running.
pub const ORPHAN_LIFETIME: Duration = Duration::from_secs(30);

/// Time for which a transport's output must stay open after its input has ended, so that the one end
/// is not half of the other. A process that dies closes both within the same call of the kernel; a
/// machine that is too busy for that delays it by less than what passes for a suspension.
pub const HALF_END_WAIT: Duration = Duration::from_secs(2);

/// Looks of which that wait is made: one that was late, because the host stood still, is a small part.
pub const HALF_END_LOOKS: u32 = 4;

/// Time for the answer to a word that is written to a transport whose input has ended: a round trip on
/// the worst usable link, as [`PROBE_TIMEOUT`].
pub const HALF_END_ANSWER: Duration = Duration::from_secs(2);

/// Life of a server that nobody ever attached to: its starter's link was cut, and the client that
/// wanted it has long used up its attempts.
pub const UNMET_LIFETIME: Duration = Duration::from_secs(120);

/// Time for a server to end by itself after SIGTERM, before SIGKILL: it ends the hosted program,
/// which has [`APP_GRACE`] of it.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// Time for the hosted program to end after its input ended and SIGTERM was sent.
pub const APP_GRACE: Duration = Duration::from_secs(2);

/// Time after a program's end in which its output may still come to an end by itself, although
/// something that it left behind holds it open. What it wrote itself is in the pipe by then.
pub const OUTPUT_GRACE: Duration = Duration::from_millis(200);

/// Bytes that a pipe can hold at most, by the default of Linux (`fs.pipe-max-size`): what a program
/// that has ended may have left in it.
pub const PIPE_HELD_BYTES_MAX: usize = 1 << 20;

/// Time for a last frame to be written to a transport that is being closed.
pub const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for a transport's process to end after SIGTERM, before SIGKILL: it has nothing to save.
pub const TRANSPORT_GRACE: Duration = Duration::from_millis(500);

/// Bytes of a process's environment that are searched for the mark of a transport: systems take as much as
/// that for all arguments and variables together, unless they are told to take more.
pub const ENVIRONMENT_BYTES_MAX: u64 = 2 << 20;

/// Times that what a transport started is looked for: whatever was found may have started something
/// meanwhile, and who does so for ever is not to be outrun.
pub const KIN_ROUNDS_MAX: usize = 3;

/// Time for the last lines of a transport's process that has ended, if something that it left
/// behind (an ssh master, say) holds its standard error open.
pub const LAST_WORDS_WAIT: Duration = Duration::from_millis(50);

/// Bytes of a line on a transport's standard error; the rest of a longer one is dropped.
pub const LINE_BYTES_MAX: usize = 4 << 10;

/// Time after SIGKILL for the kernel to let go of a lock: no program can delay that for long,
/// only a disk or a network file system that hangs.
pub const KILL_WAIT: Duration = Duration::from_secs(5);

/// Time for a server to become ready: it creates a few files and starts one program.
pub const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// Time for the user's login shell to say what environment it makes: one that does more than set variables
/// takes a second or two, and one that waits for somebody at a terminal would take for ever.
pub const LOGIN_SHELL_WAIT: Duration = Duration::from_secs(10);

/// Letters of a list of directories in a sentence about a program that is in none of them.
pub const SEARCH_PATH_LETTERS_MAX: usize = 400;

/// Time to wait for another starter of the same identifier: the sum of what one may need.
pub const STARTER_WAIT: Duration = Duration::from_secs(35);

/// Time for a lock to fall free after the server's socket has ended: the kernel closes sockets
/// before it releases locks, in the same exit. Who was told of the end and starts the next server at
/// once is not refused meanwhile.
pub const RELEASE_WAIT: Duration = Duration::from_millis(500);

/// Time between two looks at a lock that is waited for: far below what a person notices, and
/// some fifty system calls a second while it lasts.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Bytes of what the kernel tells at once about touched files: some ten of them, and the longest name
/// that there can be. More is told by the next read.
pub const NOTICE_BYTES: usize = 1 << 10;

/// Bytes that a read makes room for: system calls, not copies, dominate what a hop costs, and
/// beyond 256 KiB they no longer do.
pub const READ_BYTES: usize = 256 << 10;

/// Spare room below which a read buffer is renewed, so that bulk reads stay bulk.
pub const READ_BYTES_MIN: usize = 64 << 10;

/// Bytes that a read makes room for where no bulk is expected: most messages of an editor fit, and
/// a buffer of this size may be kept for hours.
pub const SMALL_READ_BYTES: usize = 8 << 10;

/// Spare room below which such a buffer is renewed.
pub const SMALL_READ_BYTES_MIN: usize = 2 << 10;

/// Time without anything to read after which bulk has ended: its buffers go, and free memory is
/// given back. Long enough that no pause within one costs more than it saves.
pub const BULK_REST: Duration = Duration::from_secs(2);

/// Free bytes that our programs keep in case there is more bulk, until [`BULK_REST`] is over: as much
/// as the windows of both directions.
pub const FREE_BYTES_MAX: usize = 2 * UNACKED_BYTES_MAX;

/// Queued bytes from which on a transport is given no more frames: one bulk write. More would
/// only queue up before what is urgent.
pub const WRITE_BYTES_MAX: usize = 256 << 10;

/// Bytes up to which what is queued for a write is copied together: below it, a copy is cheaper
/// than a slice of its own.
pub const COPY_BYTES_MAX: usize = 2 << 10;

/// Slices a write: more do not make it faster.
pub const SLICES_MAX: usize = 64;

/// Signals that wait for an application to heed them; a user who sent more has made the point.
pub const SIGNALS_MAX: usize = 16;

/// Changes of a client's state that are kept for slow watchers: some outages' worth.
pub const CHANGES_MAX: usize = 64;

/// Bytes on standard error that nobody reads, beyond which a client takes no more output either:
/// as much as it holds in the other direction.
pub const UNREAD_ERRORS_BYTES_MAX: usize = UNACKED_BYTES_MAX;

/// Bytes that pipes and sockets are asked to hold while there is bulk, where the system lets us.
///
/// Two reads' worth: while one is worked on, the other side fills the next. The first 96 MiB of a session
/// over ssh, with eight processes on two cores, come at 0.86 of the pace of `ssh HOST cat` through pipes of
/// 256 KiB, as fast as that through 512 KiB, and no faster through 1 MiB (medians of 15 to 25 rounds). An ordinary user has 64 MiB for all pipes
/// (`fs.pipe-user-pages-soft` of Linux), and small ones from there on: so it is only for bulk.
pub const PIPE_BYTES: usize = 512 << 10;

/// Time from one notice of a changed network to the next: a network that comes up changes a link, some
/// addresses and some routes within moments, and each notice may cost an attempt.
pub const NETWORK_PAUSE: Duration = Duration::from_millis(500);

/// Bytes of a message from the kernel about the network; its own are made to fit into a page or two, and
/// what is longer counts as a change.
pub const NETWORK_MESSAGE_BYTES: usize = 8 << 10;

/// Messages about the network that are heard in a row before other tasks get their turn: what the
/// kernel keeps for us by default.
pub const NETWORK_READS_MAX: usize = 256;

/// Links, and addresses, that are known from before, so that what is only repeated is not taken for
/// news: more than a host of many containers has.
pub const NETWORK_KNOWN_MAX: usize = 4096;

/// Time for a client to answer whoever rings at it on this machine, and for them to say what they want:
/// neither does anything else first, and one that is stopped is not waited for.
pub const BELL_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of what is said at a client's bell: a word and a name there, a name, a host and a state back.
pub const BELL_LINE_BYTES_MAX: usize = 4 << 10;

/// Clients that are rung at once: few descriptors, and those that do not answer cost a second together.
pub const BELLS_RUNG_AT_ONCE: usize = 16;

/// Clients of one user on one machine that are rung at all.
pub const BELLS_RUNG_MAX: usize = 4096;

/// Bells that a client looks at when it hangs its own, in search of those that killed clients left:
/// more than it can leave itself, few enough that a hundred clients do not wake each other.
pub const BELLS_SWEPT_MAX: usize = 4;

/// Seconds after which a bell that was not finished never will be: making one takes moments.
pub const BELL_DRAFT_SECONDS: u64 = 60;

/// Time that a command about a change of state has when the client ends, before it is killed; and as
/// much again for the one about the end.
pub const ON_STATE_GRACE: Duration = Duration::from_secs(1);

/// Bytes of a message of JSON-RPC that are kept back until it is whole: as much as a stalled consumer may
/// cost anyway. What language servers send at once is some hundred KiB, rarely a few MiB.
pub const HELD_BYTES_MAX: usize = UNACKED_BYTES_MAX;

/// Bytes of such a message's header: two fields, one of them a number.
pub const SPEECH_HEADER_BYTES_MAX: usize = 1 << 10;

/// Bytes of a request's id, as it is written: a number, a UUID, or such with a name before it.
pub const REQUEST_ID_BYTES_MAX: usize = 256;

/// Requests that are followed at once: editors have dozens open; this many cost 5 MiB with the longest ids.
pub const OPEN_REQUESTS_MAX: usize = 16 << 10;

/// Time for an editor to read why its requests failed, before its client ends all the same: one that is
/// busy reads a moment later, one that is stopped never will.
pub const ANSWERS_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that a proxy writes first on each of its two sockets, the same on both: 128 random bits,
/// so that the server never pairs one proxy's input with another's output.
pub const TOKEN_BYTES: usize = 16;

/// Time for both halves of a proxy's attachment to arrive.
pub const PAIR_TIMEOUT: Duration = Duration::from_secs(5);

/// Letters of an identifier, so that any path built from it stays short.
pub const IDENTIFIER_LETTERS_MAX: usize = 64;

/// Bytes of a socket's path, below what every system takes (104 with the final zero on macOS,
/// 108 on Linux). A longer one moves the sockets to a short directory.
pub const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Bytes of a record, a tombstone or an intent: ours are below one KiB, but a command line is part
/// of it. What is longer is not ours.
pub const RECORD_BYTES_MAX: usize = 64 << 10;

/// Bytes that a server keeps for its last word from its start: some 300 are needed, and no file system gives
/// less than this.
pub const TOMBSTONE_BYTES: usize = 1 << 10;

/// Bytes of a command line in a record: enough to recognise it by.
pub const RECORD_COMMAND_BYTES_MAX: usize = 4 << 10;

/// Bytes of a server's log before it starts over: some ten thousand lines, of which a server
/// writes a few per attachment.
pub const LOG_BYTES_MAX: u64 = 1 << 20;

/// Bytes of the log's end that are searched for the reason of a failed start.
pub const LOG_TAIL_BYTES: u64 = 4 << 10;

/// Bytes of the line by which a server tells that it is ready, or why it is not: one sentence,
/// which may name two paths.
pub const READY_LINE_BYTES_MAX: usize = 16 << 10;

/// Time that the relay goes on for the server's side after the client's has ended, and for what
/// is on its way to the client after the server's has: a reader that has stalled for longer than
/// this will not come back for it. Longer than a server takes to tell whose death an end was.
pub const RELAY_GRACE: Duration = Duration::from_secs(10);

/// Bytes that a terminal takes at once without blocking once it says that it is writable.
pub const TERMINAL_BYTES: usize = 1024;

/// Age after which what a server left behind is removed by the next one that starts under any
/// identifier: a week, so that a client that returns after some days still learns why its server
/// is gone.
pub const LEFTOVERS_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Directories that one start looks at for leftovers: some milliseconds. More are left to the
/// next starts, which begin elsewhere.
pub const SWEPT_DIRECTORIES_MAX: usize = 256;

/// Descriptors that a process of ours may need at once: a first attachment takes 29, and a new one
/// may come while the last is still being closed.
pub const DESCRIPTORS_MIN: u64 = 40;

/// Bytes of a file of settings: some thousand hosts. What is longer was not written by a person.
pub const SETTINGS_BYTES_MAX: usize = 1 << 20;

/// Servers that one command ends at once: each takes a second or two, and some descriptors, of its own.
pub const STOPPED_AT_ONCE: usize = 8;

/// Letters of a command in a row of a table, so that a row stays on a line of a wide terminal.
pub const COMMAND_LETTERS_MAX: usize = 50;

/// Letters of a client's name there.
pub const CLIENT_LETTERS_MAX: usize = 24;

/// Descriptors that a starter keeps from its server where the system has no list of those that are
/// open: far more than a shell leaves behind.
pub const DESCRIPTORS_TRIED_MAX: i32 = 256;

/// Time for a step of the demonstration before that calls itself failed: ten times what a slow
/// machine needs.
pub const DEMO_STEP_TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
#[allow(
    clippy::assertions_on_constants,
    reason = "a bound without its why is a failed test, not a failed build"
)]
mod tests;
