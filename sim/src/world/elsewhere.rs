//! The name of the host leads to another machine, or the login ends before a proxy runs.
//!
//! A session's first attach says which machine is its own: that is the world's host, and all others are
//! elsewhere. There, real machines answer: a proxy that finds no server, or a server of the same name that
//! is somebody else's.

use bytes::BytesMut;
use reattach::proto::limits::{PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};
use reattach::proto::verdict::EXIT_LOST;
use reattach::proto::{
    Decoder, Frame, Hello, HostId, InstanceId, Notice, PREAMBLE, ProgramExit, SessionId, Verdict, encode,
};
use reattach::session::launch::{self, Boot, Evidence, Lock, Mode, View};
use reattach::session::server::{self, Effect, News};
use reattach::session::{LaunchConfig, ServerConfig};

use super::{LinkId, World};
use crate::machine::{ClientMachine as _, Kit, LaunchMachine as _, ServerMachine as _};

/// Any but the host of the world.
const ELSEWHERE: HostId = HostId(2);

/// Whose the server elsewhere is, and which it is.
const STRANGER: SessionId = SessionId(u128::MAX);
const INSTANCE: InstanceId = InstanceId(u128::MAX);

/// What is elsewhere, as a scenario numbers it.
const NOBODY: u32 = 0;

/// A server elsewhere, at the end of a link that has led there.
pub(super) struct Elsewhere<S> {
    link: LinkId,
    server: S,
    decoder: Decoder,
}

impl<K: Kit> World<'_, K> {
    /// Whether a login does not come to the host of its session: a shell ends it, or another machine answers.
    pub(super) fn goes_astray(&mut self, id: LinkId) -> bool {
        let link = &self.links[id as usize];
        let trouble = *self.weather.client(link.client);
        if let Some(code) = trouble.shell_ends {
            let status = ProgramExit::Code(i32::try_from(code).expect("a code"));
            self.proxy_output_ends(id, status);
            return true;
        }
        let has_home = self.sessions[link.session as usize].has_home;
        let Some(what) = trouble.elsewhere.filter(|_| has_home) else {
            return false;
        };
        self.links[id as usize].elsewhere = true;
        self.say(id, &Notice::Started { host: Some(ELSEWHERE), found: None });
        match what {
            NOBODY => self.find_nobody_elsewhere(id),
            _ => self.find_somebody_elsewhere(id),
        }
        true
    }

    fn find_nobody_elsewhere(&mut self, id: LinkId) {
        let link = &self.links[id as usize];
        let instance = self.clients[link.client as usize].machine.inner().instance();
        let (now, host) = (self.now, Some(ELSEWHERE));
        let config = LaunchConfig { host, ..LaunchConfig::default() };
        let mut machine = K::Launch::new(config, Mode::Reconnect(instance), now);
        while let Some(effect) = machine.poll_effect() {
            match effect {
                launch::Effect::Exit(verdict) => return self.ends_elsewhere(id, verdict),
                launch::Effect::Look => {
                    let evidence = Evidence::none(Boot(7));
                    let view = View { starter_busy: false, lock: Lock::Free, evidence };
                    machine.handle_input(now, launch::Input::Saw(view));
                }
                other => unreachable!("own bug: a proxy that finds nothing {other}"),
            }
        }
    }

    fn find_somebody_elsewhere(&mut self, id: LinkId) {
        let config = ServerConfig { host: Some(ELSEWHERE), ..self.scenario.setting.server() };
        let mut server = K::Server::new(config, INSTANCE, self.now);
        let hello = Hello {
            protocol: (PROTOCOL_VERSION_MIN, PROTOCOL_VERSION),
            session: STRANGER,
            attempt: 1,
            instance: None,
            received: 0,
            window: 0,
            takeover: false,
            client: None,
        };
        server.handle_input(self.now, server::Input::Opened(1));
        server.handle_input(self.now, server::Input::Transport(1, News::Frame(Frame::Hello(hello))));
        server.handle_input(self.now, server::Input::Opened(2));
        let link = &mut self.links[id as usize];
        let wire = link.wire(&self.scenario.setting, &self.weather);
        link.down.push(self.now, &wire, PREAMBLE);
        self.schedule_down(id);
        self.elsewhere.push(Elsewhere { link: id, server, decoder: Decoder::new() });
    }

    /// What has come to a server elsewhere; its answer is its last word on this link.
    pub(super) fn heard_elsewhere(&mut self, id: LinkId, bytes: usize) {
        let link = &mut self.links[id as usize];
        let wire = link.wire(&self.scenario.setting, &self.weather);
        let bytes = link.up.take_bytes(bytes).to_vec();
        let Some(place) = self.elsewhere.iter().position(|there| there.link == id) else {
            return;
        };
        let there = &mut self.elsewhere[place];
        there.decoder.push(&bytes);
        while let Ok(Some(frame)) = there.decoder.next_frame() {
            there.server.handle_input(self.now, server::Input::Transport(2, News::Frame(frame)));
        }
        while let Some(effect) = there.server.poll_effect() {
            let Effect::Close(2, last) = effect else {
                continue;
            };
            if let Some(last) = last {
                let mut bytes = BytesMut::new();
                encode(&last, &mut bytes);
                link.down.push(self.now, &wire, &bytes);
            }
            self.elsewhere.swap_remove(place);
            let message = "the server has ended this attachment".to_owned();
            let (host, instance) = (Some(ELSEWHERE), Some(INSTANCE));
            return self
                .ends_elsewhere(id, Verdict { code: EXIT_LOST, reason: None, host, instance, message });
        }
    }

    fn ends_elsewhere(&mut self, id: LinkId, verdict: Verdict) {
        let code = verdict.code;
        self.say(id, &Notice::Exit(verdict));
        self.proxy_output_ends(id, ProgramExit::Code(code));
    }
}
