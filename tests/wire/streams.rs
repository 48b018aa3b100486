//! Streams that a broken or hostile other side might send, near enough to the protocol to get far into
//! whatever reads them.
//!
//! How they are read is left to [`reading`](crate::reading).

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use reattach::proto::limits::{FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX};
use reattach::proto::{
    Bye, ByeReason, Channel, Frame, Hello, HostId, InstanceId, ProgramExit, Refusal, RefusalReason,
    SessionId, Welcome, encode,
};

use crate::corpus;

/// The types of frames that have a JSON body.
pub(crate) const JSON_TYPES: [u8; 5] = [1, 2, 3, 9, 10];

/// Right frames and wrong ones in a row, some of the bytes damaged.
pub(crate) fn streams() -> impl Strategy<Value = Vec<u8>> {
    (vec(pieces(), 1..8), vec(damage(), 0..4)).prop_map(|(pieces, damages)| {
        let mut stream = pieces.concat();
        damages.iter().for_each(|damage| damage.apply(&mut stream));
        stream
    })
}

/// Any frame of this version, with numbers that are small as often as absurd.
pub(crate) fn frames() -> impl Strategy<Value = Frame> {
    let channel = || select(vec![Channel::Input, Channel::Output, Channel::Errors, Channel::Signal]);
    let sentence = || "\\PC{0,40}";
    let refusals = vec![
        RefusalReason::OtherInstance,
        RefusalReason::Busy,
        RefusalReason::StaleAttempt,
        RefusalReason::Protocol,
        RefusalReason::Gap,
        RefusalReason::Ending,
        RefusalReason::Unknown,
    ];
    let goodbyes =
        vec![ByeReason::Closed, ByeReason::TakenOver, ByeReason::ProtocolError, ByeReason::Unknown];
    let exit =
        prop_oneof![any::<i32>().prop_map(ProgramExit::Code), any::<i32>().prop_map(ProgramExit::Signal)];
    let version = || prop_oneof![3 => Just(1u16), 1 => any::<u16>()];
    let instance = || (1..3u128).prop_map(InstanceId);
    let host = || prop::option::of((1..3u128).prop_map(HostId));
    let session = || (1..3u128).prop_map(SessionId);
    let data = (channel(), number(), vec(any::<u8>(), 0..80))
        .prop_map(|(channel, seq, payload)| Frame::Data { channel, seq, payload: payload.into() });
    let other =
        prop_oneof![
            (
                (version(), version()),
                session(),
                number(),
                prop::option::of(instance()),
                number(),
                number(),
                any::<bool>()
            )
                .prop_map(
                    |(protocol, session, attempt, instance, received, window, takeover)| {
                        Frame::Hello(Hello {
                            protocol,
                            session,
                            attempt,
                            instance,
                            received,
                            window,
                            takeover,
                            client: None,
                        })
                    }
                ),
            (version(), instance(), session(), number(), number(), number(), host()).prop_map(
                |(protocol, instance, session, received, start, window, host)| {
                    Frame::Welcome(Welcome { protocol, instance, session, received, start, window, host })
                }
            ),
            (select(refusals), sentence(), host())
                .prop_map(|(reason, message, host)| Frame::Refused(Refusal { reason, message, host })),
            (channel(), number()).prop_map(|(channel, seq)| Frame::Fin { channel, seq }),
            (number(), exit).prop_map(|(seq, exit)| Frame::Exit { seq, exit }),
            number().prop_map(Frame::Ack),
            number().prop_map(Frame::Ping),
            number().prop_map(Frame::Pong),
            (select(goodbyes), sentence(), number())
                .prop_map(|(reason, message, received)| Frame::Bye(Bye { reason, message, received })),
        ];
    prop_oneof![1 => data, 3 => other]
}

/// A frame with whatever length, type and body.
pub(crate) fn raw(length: u32, kind: u8, body: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], &[kind], body].concat()
}

/// A frame whose length is right, whatever its body.
pub(crate) fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    raw(u32::try_from(1 + body.len()).unwrap(), kind, body)
}

/// Text that is nearly a handshake, nearly JSON, or neither.
pub(crate) fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![
        4 => select(vec!["protocol", "session", "attempt", "instance", "received", "window", "takeover"]),
        2 => select(vec!["start", "reason", "message", "code", "signal"]),
        1 => Just("colour"),
    ];
    let field = (key, values()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
    // Fields may come twice, or not at all.
    let object = vec(field, 0..9).prop_map(|fields| format!("{{{}}}", fields.join(",")).into_bytes()).boxed();
    let nested = (select(vec!["[", "{\"a\":", "{\"session\":["]), 1..1000usize)
        .prop_map(|(open, depth)| open.repeat(depth).into_bytes());
    let garbled = (object.clone(), any::<Index>(), any::<u8>()).prop_map(|(mut body, at, byte)| {
        let at = at.index(body.len());
        body[at] = byte;
        body
    });
    prop_oneof![6 => object, 2 => garbled, 1 => nested, 1 => vec(any::<u8>(), 0..60)]
}

fn values() -> impl Strategy<Value = String> {
    let digits = vec(select(vec!['0', '1', '9']), 1..400).prop_map(|digits| digits.into_iter().collect());
    prop_oneof![
        any::<u64>().prop_map(|number| number.to_string()),
        (0..9u8).prop_map(|number| number.to_string()),
        select(vec![
            "-1",
            "1e999",
            "-0.0",
            "1.5",
            "18446744073709551616",
            "null",
            "true",
            "[]",
            "{}",
            "[1,1]"
        ])
        .prop_map(str::to_owned),
        select(vec![
            "[9,1]",
            "[1,1,1]",
            "\"busy\"",
            "\"closed\"",
            "\"\\ud800\"",
            "\"\\n\\u001b[2J\"",
            "\"\u{7f}\""
        ])
        .prop_map(str::to_owned),
        any::<u128>().prop_map(|id| format!("\"{id:032x}\"")),
        "\\PC{0,20}".prop_map(|text| format!("{text:?}")),
        (1..3000usize).prop_map(|length| format!("\"{}\"", "ü".repeat(length))),
        digits,
    ]
}

/// Small as often as absurd.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..6u64, 1 => Just(u64::MAX), 1 => Just(1 << 62), 1 => any::<u64>()]
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let right = frames().prop_map(|frame| {
        let mut bytes = BytesMut::new();
        encode(&frame, &mut bytes);
        bytes.to_vec()
    });
    let handshake = (select(JSON_TYPES.to_vec()), bodies()).prop_map(|(kind, body)| framed(kind, &body));
    let any_body = (0..12u8, vec(any::<u8>(), 0..40)).prop_map(|(kind, body)| framed(kind, &body));
    let bounds: Vec<u32> = [0, 1, HANDSHAKE_BYTES_MAX, FRAME_BYTES_MAX, u32::MAX as usize]
        .into_iter()
        .flat_map(|bound| [bound.saturating_sub(1), bound, bound.saturating_add(1)])
        .filter_map(|length| u32::try_from(length).ok())
        .collect();
    let length = (select(bounds), 0..12u8, vec(any::<u8>(), 0..20))
        .prop_map(|(length, kind, body)| raw(length, kind, &body));
    let files: Vec<_> = corpus::files().into_iter().map(|(_, bytes)| bytes).collect();
    prop_oneof![12 => right, 4 => handshake, 2 => any_body, 2 => length, 2 => select(files)]
}

/// What happens to bytes on a bad way.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    CutOff(Index),
    Lose(Index, Index),
    Repeat(Index, Index),
    Insert(Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<Index>;
    prop_oneof![
        2 => (index(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => index().prop_map(Damage::CutOff),
        1 => (index(), index()).prop_map(|(from, to)| Damage::Lose(from, to)),
        1 => (index(), index()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        1 => (index(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

impl Damage {
    fn apply(&self, stream: &mut Vec<u8>) {
        if stream.is_empty() {
            return;
        }
        let length = stream.len();
        let range = |from: &Index, to: &Index| {
            let (from, to) = (from.index(length), to.index(length));
            from.min(to)..from.max(to)
        };
        match self {
            Damage::Flip(at, bit) => stream[at.index(length)] ^= 1 << bit,
            Damage::CutOff(at) => stream.truncate(at.index(length)),
            Damage::Lose(from, to) => drop(stream.drain(range(from, to))),
            Damage::Repeat(from, to) => {
                let range = range(from, to);
                let again = stream[range.clone()].to_vec();
                stream.splice(range.end..range.end, again);
            }
            Damage::Insert(at, bytes) => {
                let at = at.index(length);
                stream.splice(at..at, bytes.iter().copied());
            }
        }
    }
}
