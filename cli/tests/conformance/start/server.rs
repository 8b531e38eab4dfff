//! A process that serves on a port, and never outlives its test.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    path::Path,
    process::{self, Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time,
};

use crate::wait::until;

/// Below the ports that the kernel gives to clients: nobody takes one between the look and the server's start by
/// chance.
const PORTS: Range<u16> = 20_000..32_000;

/// For one answer. Whoever is slower is asked again.
const PATIENCE: Duration = Duration::from_secs(10);

/// One process, killed, and waited for, when it is dropped.
pub(crate) struct Server {
    child: Mutex<Child>,
    port: u16,
    /// Its home, its temporary files, its log: gone with it.
    folder: TempDir,
}

impl Server {
    /// Starts what `command` makes of a free port and an empty folder.
    pub(super) fn start(command: impl FnOnce(u16, &Path) -> Command) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let mut command = command(port, folder.path());
        command.env("HOME", folder.path()).env("TMPDIR", folder.path()).current_dir(folder.path());
        let log = File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        // It stays in the group of its test: whoever ends a test that hangs ends it too.
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { child: Mutex::new(child), port, folder }
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Waits until it answers HTTP, whatever it answers.
    ///
    /// # Panics
    /// Shows its log when it ends first.
    pub(super) async fn answers(&self) {
        until("a server to answer", async || {
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.log());
            time::timeout(PATIENCE, self.ask()).await.ok()?.ok()
        })
        .await;
    }

    async fn ask(&self) -> io::Result<u8> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream
            .write_all(b"GET /_localstack/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            .await?;
        stream.read_u8().await
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        // Fails only for one that has ended.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Tests beside this one are other processes, or other threads of this one: each begins to look elsewhere.
fn free_port() -> u16 {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let look = || process::id().wrapping_mul(16).wrapping_add(LOOKS.fetch_add(1, Ordering::Relaxed));
    let mut ports = std::iter::repeat_with(|| {
        PORTS.start + u16::try_from(look() % u32::from(PORTS.end - PORTS.start)).unwrap()
    });
    ports.find(free).unwrap()
}
