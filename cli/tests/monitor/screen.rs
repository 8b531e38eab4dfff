//! The monitor on a pseudo-terminal.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use nix::{
    pty::{Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{LocalFlags, tcgetattr},
    },
    unistd::Pid,
};

/// Longer than anything takes on a loaded machine: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program on a terminal of 100 columns.
pub(crate) struct Screen {
    child: Child,
    terminal: File,
    output: Receiver<Vec<u8>>,
    pub(crate) written: Vec<u8>,
}

impl Screen {
    pub(crate) fn start(mut command: Command) -> Self {
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let terminal = File::from(pty.master);
        let (mut reader, (bytes, output)) = (terminal.try_clone().unwrap(), channel());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if bytes.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, terminal, output, written: Vec::new() }
    }

    /// Waits until `text` was written.
    pub(crate) fn shows(&mut self, text: &str) {
        while !contains(&self.written, text) {
            let Ok(bytes) = self.output.recv_timeout(PATIENCE) else {
                panic!("{text:?} is not in {}", String::from_utf8_lossy(&self.written));
            };
            self.written.extend(bytes);
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Whether lines are edited and echoed, as a shell expects them.
    pub(crate) fn is_cooked(&self) -> bool {
        let flags = tcgetattr(&self.terminal).unwrap().local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn contains(written: &[u8], text: &str) -> bool {
    written.windows(text.len()).any(|window| window == text.as_bytes())
}
