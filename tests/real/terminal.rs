//! A terminal of a test's own, and a program that has it to itself.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::place::wait_until;

/// The user's side of a terminal: a keyboard, and a screen that forgets nothing.
pub(crate) struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    path: String,
    /// Shown letters that were waited for.
    seen: usize,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let path = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        let keyboard = File::from(keyboard);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut shown, kept) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        // Held open by us as well, so that nobody's end is the terminal's.
        let noctty = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
        let held = OpenOptions::new().read(true).write(true).custom_flags(noctty).open(&path).unwrap();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            // Until the last terminal file is closed with its test.
            while let Ok(count @ 1..) = shown.read(&mut chunk) {
                kept.lock().unwrap().extend_from_slice(&chunk[..count]);
                if Arc::strong_count(&kept) == 1 {
                    break;
                }
            }
            drop(held);
        });
        Terminal { keyboard, screen, path, seen: 0 }
    }

    /// Starts a program whose terminal it is. Its input and errors are there, its output is a pipe.
    pub(crate) fn run(&self, command: &Command) -> Child {
        let mut words = vec![command.get_program().to_owned()];
        words.extend(command.get_args().map(ToOwned::to_owned));
        // The first terminal that the leader of a session opens is its own.
        let mut leader = Command::new("setsid");
        leader.args(["sh", "-c", r#"exec 2<>"$0" <&2 2>&2; exec "$@""#]).arg(&self.path).args(words);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        leader.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Types.
    pub(crate) fn type_in(&mut self, letters: &str) {
        self.keyboard.write_all(letters.as_bytes()).unwrap();
    }

    /// Waits until this is shown, after what was waited for before.
    pub(crate) fn until(&mut self, what: &str) {
        let (screen, seen) = (Arc::clone(&self.screen), self.seen);
        let mut found = None;
        let look = || {
            let all = screen.lock().unwrap();
            let text = &all[seen..];
            found = text.windows(what.len()).position(|part| part == what.as_bytes());
            found.is_some()
        };
        if !crate::place::becomes_so(look) {
            panic!("still no {what:?} on the screen: {:?}", self.shown());
        }
        self.seen += found.unwrap() + what.len();
    }

    /// All that was shown.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }
}

/// What a program writes, kept on a thread.
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(crate) fn of(mut stream: impl Read + Send + 'static) -> Self {
        let all = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&all);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut chunk) {
                kept.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        });
        Kept(all)
    }

    /// Waits until it is this long, and says what it is.
    pub(crate) fn at_least(&self, bytes: usize) -> String {
        wait_until("output", || self.0.lock().unwrap().len() >= bytes);
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}
