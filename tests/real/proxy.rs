//! A proxy that runs, with a client's hands on its standard streams.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};

use bytes::BytesMut;
use reattach::proto::{Decoder, Frame, Hello, InstanceId, PREAMBLE, SessionId, Verdict, encode};

use crate::place::verdict;

/// A running proxy.
pub(crate) struct Proxy {
    child: Child,
    input: Option<ChildStdin>,
    heard: Decoder,
}

impl Proxy {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        Proxy { child, input, heard: Decoder::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the server's first bytes; false if the proxy ended instead.
    pub(crate) fn is_attached(&mut self) -> bool {
        let output = self.child.stdout.as_mut().unwrap();
        let mut chunk = [0; 4096];
        while self.heard.buffered_bytes() < PREAMBLE.len() {
            match output.read(&mut chunk).unwrap() {
                0 => return false,
                count => self.heard.push(&chunk[..count]),
            }
        }
        assert!(self.heard.buffer_mut().starts_with(PREAMBLE));
        true
    }

    /// Says Hello for a new session and gives the instance that answers.
    pub(crate) fn hello(&mut self) -> InstanceId {
        assert!(self.is_attached());
        self.skip_preamble();
        let hello = Hello {
            protocol: (1, 1),
            session: SessionId(u128::from(self.pid())),
            attempt: 1,
            instance: None,
            received: 0,
            window: 1 << 20,
            takeover: false,
            client: None,
        };
        self.say(&Frame::Hello(hello));
        match self.next_frame() {
            Some(Frame::Welcome(welcome)) => welcome.instance,
            other => panic!("not welcome: {other:?}"),
        }
    }

    /// After it is attached: what comes next are frames.
    pub(crate) fn skip_preamble(&mut self) {
        let _ = self.heard.buffer_mut().split_to(PREAMBLE.len());
    }

    /// Sends a frame.
    pub(crate) fn say(&mut self, frame: &Frame) {
        let mut bytes = BytesMut::new();
        encode(frame, &mut bytes);
        self.input.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    /// The next frame that comes, or `None` at the end.
    pub(crate) fn next_frame(&mut self) -> Option<Frame> {
        let output = self.child.stdout.as_mut().unwrap();
        let mut chunk = [0; 4096];
        loop {
            if let Some(frame) = self.heard.next_frame().unwrap() {
                return Some(frame);
            }
            match output.read(&mut chunk).unwrap() {
                0 => return None,
                count => self.heard.push(&chunk[..count]),
            }
        }
    }

    /// The client's input ends.
    pub(crate) fn hang_up(&mut self) {
        self.input = None;
    }

    /// Its streams, and what came and was not asked for yet: for who reads and writes on threads.
    pub(crate) fn take_streams(&mut self) -> (ChildStdin, ChildStdout, Decoder) {
        let output = self.child.stdout.take().unwrap();
        (self.input.take().unwrap(), output, std::mem::take(&mut self.heard))
    }

    /// Waits for its exit, whatever it says.
    pub(crate) fn exit(&mut self) -> ExitStatus {
        let mut errors = self.child.stderr.take().unwrap();
        errors.read_to_end(&mut Vec::new()).unwrap();
        self.child.wait().unwrap()
    }

    /// Waits for the proxy's exit, the client's input still open unless it hung up.
    pub(crate) fn wait(mut self) -> Verdict {
        let mut output = Output { status: Default::default(), stdout: Vec::new(), stderr: Vec::new() };
        self.child.stdout.take().unwrap().read_to_end(&mut output.stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_end(&mut output.stderr).unwrap();
        output.status = self.child.wait().unwrap();
        verdict(&output)
    }

    /// Whether the proxy has exited.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Kills the proxy.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
