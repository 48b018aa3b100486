//! Both machines, given whatever a stream of bytes decodes to, in whatever state it brought them:
//! never a panic, and windows that hold.
#![no_main]

#[path = "../../tests/wire/reading.rs"]
mod reading;
#[path = "../../tests/wire/sides.rs"]
mod sides;

use libfuzzer_sys::fuzz_target;
use reattach::session::First;
use sides::{ClientSide, Machine, ServerSide, Step, take};

fuzz_target!(|script: &[u8]| {
    for first in [First::Start, First::Takeover] {
        play(&mut ClientSide::new(first), script);
    }
    play(&mut ServerSide::new(), script);
});

/// A byte says what happens, the next ones how much of it.
fn play(machine: &mut impl Machine, mut script: &[u8]) {
    while let Some((verb, rest)) = script.split_first() {
        let amount = rest.first().copied().unwrap_or_default();
        let argument = rest.get(1..).unwrap_or_default();
        script = argument;
        match verb % 8 {
            0 => take(machine, &Step::Reopen),
            1 | 2 => take(machine, &Step::Attach),
            3 => {
                let [sent, taken, written] = [amount & 3, amount >> 2 & 3, amount >> 4 & 3].map(usize::from);
                take(machine, &Step::Own(sent, taken, written));
            }
            4 => take(machine, &Step::Pass(u64::from(amount) * 200)),
            fitting => {
                let (stream, later) = argument.split_at(argument.len().min(usize::from(amount)));
                script = later;
                if fitting == 5 {
                    take(machine, &Step::Stream(stream.to_vec()));
                } else {
                    let (frames, _) = reading::read_whole(stream);
                    frames.into_iter().for_each(|frame| take(machine, &Step::Fitting(frame)));
                }
            }
        }
    }
}
