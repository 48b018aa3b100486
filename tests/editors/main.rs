//! Real editors and agents, headless, over real ssh, with the recipes of `docs/editors.md` as they stand there.
//!
//! A binary of its own, against the house's rule of one: it needs programs that no build has (editors,
//! language servers, packages from an index), takes minutes, and is asked for by name:
//! `cargo test --test editors -- --ignored --nocapture`. What is missing is said, and left out. Debian has
//! neovim, emacs-nox, elpa-eglot, vim, vim-ale, python3-pylsp, python3-pyflakes, python3-venv, clangd, nodejs, npm.

#![allow(clippy::unwrap_used, reason = "what tests share is tests, too")]

// The house's own place, link and sshd, of which editors need a part.
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../real/books.rs"]
mod books;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../real/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../real/link.rs"]
mod link;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../real/place.rs"]
mod place;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../real/processes.rs"]
mod processes;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../real/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../real/sshd.rs"]
mod sshd;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../real/wire.rs"]
mod wire;

mod packages;
mod scene;

mod agent;
mod debugger;
mod emacs;
mod lost;
mod neovim;
mod vim;
mod vs_code;
mod words;
