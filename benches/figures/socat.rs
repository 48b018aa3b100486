//! An echo behind a unix socket: what people put together from `socat` when a program should
//! outlive its link.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::{Context, ensure};

use crate::place::find;

const BUFFER_BYTES: usize = 256 << 10;

/// A socket with an echo behind it.
pub(crate) struct Socket {
    path: PathBuf,
    /// The process that listens, and what it says.
    listener: Option<(Child, BufReader<ChildStderr>)>,
}

impl Socket {
    /// `socat UNIX-LISTEN:... EXEC:cat`, for one connection: a server of a hosted program.
    pub(crate) fn of_cat(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join("cat.sock");
        let _ = std::fs::remove_file(&path);
        let mut child = Command::new(find("socat")?)
            .args(["-d", "-d", &format!("-b{BUFFER_BYTES}")])
            .arg(format!("UNIX-LISTEN:{}", path.display()))
            .arg("EXEC:cat")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("socat")?;
        let mut said = BufReader::new(child.stderr.take().context("it was piped")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let socket = Socket { path, listener: Some((child, said)) };
        ensure!(line.contains("listening"), "socat does not listen: {}", line.trim());
        Ok(socket)
    }

    /// The least that there can be, for any number of connections: a thread here that writes what
    /// it reads. It lives as long as we do.
    pub(crate) fn of_thread(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join("thread.sock");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || echo(&stream));
            }
        });
        Ok(Socket { path, listener: None })
    }

    /// The way from standard input and output to the socket.
    pub(crate) fn words(&self) -> [String; 3] {
        let socket = format!("UNIX-CONNECT:{}", self.path.display());
        [format!("-b{BUFFER_BYTES}"), "-".to_owned(), socket]
    }

    /// That way as a command on this machine.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(find("socat")?);
        command.args(self.words());
        Ok(command)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.listener {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

fn echo(mut stream: &UnixStream) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
