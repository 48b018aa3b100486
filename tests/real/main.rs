//! Real processes, files and sockets: what no simulation can promise.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod client;
mod dice;
mod house;
mod link;
mod place;
mod processes;
mod proxy;

mod bounds;
mod by_hand;
mod ending;
mod gone;
mod loss;
mod noise;
mod seat;
mod start;
mod traffic;
mod trouble;
