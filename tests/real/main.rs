//! Real processes, files and sockets: what no simulation can promise.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod books;
mod client;
mod dice;
mod guest;
mod kit;
mod link;
mod place;
mod processes;
mod proxy;
mod rate;
mod sshd;
#[cfg(target_os = "linux")]
mod terminal;
mod typist;
mod wire;

mod agent;
mod bounds;
mod by_hand;
mod chroot;
mod crowded;
mod crowds;
mod editor;
mod elsewhere;
mod ending;
mod examples;
mod fake;
mod far_country;
mod finding;
mod full;
mod gone;
mod handover;
mod house;
mod idle;
mod installing;
mod interrupting;
mod keeping;
#[cfg(target_os = "linux")]
mod keyboard;
mod leftovers;
mod listing;
mod loss;
mod noise;
#[cfg(target_os = "linux")]
mod notices;
mod on_state;
mod ordeals;
mod orphan;
mod outages;
mod program;
mod retry;
mod seat;
mod settings;
mod shared;
mod shells;
mod slow;
mod speaks;
mod ssh;
mod start;
mod streams;
mod tables;
mod traffic;
mod trouble;
mod wishes;
mod words;
mod wrong;
