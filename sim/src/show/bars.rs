//! Bars while they are drawn: who has one that is open, and who stands where in a lane.

use std::collections::BTreeMap;

use super::cast::LaneId;
use super::story::{Bar, BarEnd, MarkId, Shape, Spot};
use super::words::Tone;

/// Somebody who has one bar at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Actor {
    Client(u32),
    Link(u32),
    Proxy(u32),
    Server(u32),
    Lock,
    Host,
    /// An entry of the scenario, in one of its lanes.
    Fault(u32, LaneId),
}

/// All bars so far.
#[derive(Debug, Default)]
pub(super) struct Bars {
    bars: Vec<Bar>,
    /// The bar of each who has one.
    open: BTreeMap<Actor, usize>,
    /// Who stands where in a lane.
    slots: BTreeMap<LaneId, Vec<Option<Actor>>>,
}

impl Bars {
    /// All of them; those that are still open last until the end.
    pub(super) fn all(self) -> Vec<Bar> {
        self.bars
    }

    pub(super) fn has(&self, actor: Actor) -> bool {
        self.open.contains_key(&actor)
    }

    /// Where somebody stands; at the lane's first place, who does not.
    pub(super) fn spot(&self, actor: Actor, lane: LaneId) -> Spot {
        let slot = self.open.get(&actor).map_or(0, |bar| self.bars[*bar].slot);
        Spot { lane, slot }
    }

    pub(super) fn begin(&mut self, from: MarkId, actor: Actor, lane: LaneId, shape: Shape, tone: Tone) {
        // A fault lies over its whole lane.
        let slot = if shape == Shape::Band { 0 } else { self.take_slot(actor, lane) };
        self.open.insert(actor, self.bars.len());
        let (label, detail) = (String::new(), String::new());
        self.bars.push(Bar { lane, slot, from, to: None, shape, tone, label, detail, end: BarEnd::Open });
    }

    pub(super) fn name(&mut self, actor: Actor, label: &str, detail: &str) {
        let bar = &mut self.bars[self.open[&actor]];
        bar.label = label.to_owned();
        bar.detail = detail.to_owned();
    }

    /// A bar goes on in another way.
    pub(super) fn change(&mut self, at: MarkId, actor: Actor, tone: Tone, detail: &str) {
        let Some(bar) = self.open.get(&actor) else {
            return;
        };
        let Bar { lane, shape, .. } = self.bars[*bar];
        self.end(at, actor, BarEnd::Open);
        self.begin(at, actor, lane, shape, tone);
        self.name(actor, "", detail);
    }

    /// A bar ends; with anything but [`BarEnd::Open`], its place is free.
    pub(super) fn end(&mut self, at: MarkId, actor: Actor, end: BarEnd) {
        let Some(bar) = self.open.remove(&actor) else {
            return;
        };
        let bar = &mut self.bars[bar];
        bar.to = Some(at);
        if end != BarEnd::Open {
            for place in self.slots.entry(bar.lane).or_default() {
                if *place == Some(actor) {
                    *place = None;
                }
            }
        }
        bar.end = end;
    }

    /// The first free place in a lane; the same one for as long as somebody is there.
    fn take_slot(&mut self, actor: Actor, lane: LaneId) -> usize {
        let places = self.slots.entry(lane).or_default();
        let place = places.iter().position(|place| *place == Some(actor));
        let place = place.or_else(|| places.iter().position(Option::is_none)).unwrap_or(places.len());
        if place == places.len() {
            places.push(None);
        }
        places[place] = Some(actor);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_for_as_long_as_somebody_stands_there() {
        let mut bars = Bars::default();
        let (first, second, third) = (Actor::Link(0), Actor::Link(1), Actor::Link(2));
        bars.begin(0, first, 1, Shape::Pole, Tone::Busy);
        bars.begin(1, second, 1, Shape::Pole, Tone::Busy);
        bars.change(2, first, Tone::Good, "open");
        assert_eq!([first, second].map(|link| bars.spot(link, 1).slot), [0, 1]);
        bars.end(3, first, BarEnd::Cap);
        bars.begin(4, third, 1, Shape::Pole, Tone::Busy);
        assert_eq!(bars.spot(third, 1).slot, 0);
        assert!(!bars.has(first));
        assert_eq!(bars.all().len(), 4);
    }
}
