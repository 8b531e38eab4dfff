//! The monitor on a pseudo-terminal.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
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

const ROWS: u16 = 30;
const COLUMNS: u16 = 100;

/// A program on a terminal, and what a reader sees there.
pub(crate) struct Screen {
    child: Child,
    terminal: File,
    output: Receiver<Vec<u8>>,
    seen: vt100::Parser,
}

impl Screen {
    pub(crate) fn start(mut command: Command) -> Self {
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
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
        Self { child, terminal, output, seen: vt100::Parser::new(ROWS, COLUMNS, 0) }
    }

    /// Waits until the screen is as it should be.
    pub(crate) fn until(&mut self, wanted: &str, is: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is(self.seen.screen()) {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.seen.process(&bytes),
                Err(_) => panic!("not {wanted}:\n{}", self.seen.screen().contents()),
            }
        }
    }

    /// Waits until `text` stands on the screen.
    pub(crate) fn shows(&mut self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    /// Whether anything on the screen has a colour.
    pub(crate) fn is_coloured(&self) -> bool {
        let screen = self.seen.screen();
        let cells = (0..ROWS).flat_map(|row| (0..COLUMNS).filter_map(move |column| screen.cell(row, column)));
        let none = vt100::Color::Default;
        cells.into_iter().any(|cell| (cell.fgcolor(), cell.bgcolor()) != (none, none))
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
