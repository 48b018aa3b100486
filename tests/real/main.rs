//! Real processes, files and sockets: what no simulation can promise.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod house;
mod place;
mod proxy;

mod by_hand;
mod gone;
mod start;
mod trouble;
