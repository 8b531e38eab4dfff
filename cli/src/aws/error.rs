//! What can go wrong here, and what to do about it.

use std::{io, net::SocketAddr};

use crate::program::program;

/// Why there is no stand-in, or no resource in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The port is taken.
    #[error(
        "{0} is in use. If a stand-in runs there already, use it: eval \"$({program} aws --print-env --port {port})\". \
         Else choose another port with --port, or --port 0 for any free one",
        port = .0.port(),
        program = program()
    )]
    InUse(SocketAddr),
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {0}: {1}. --bind takes an address of this machine, --port a port from 1024 up")]
    Listen(SocketAddr, io::Error),
    /// `--print-env` names a port that is not known before a stand-in has started.
    #[error(
        "--print-env starts nothing, so it cannot know the port of --port 0: name the port, or --emulator URL"
    )]
    UnknownPort,
    /// A queue's URL ends in no name.
    #[error("{0:?} is not the URL of a queue, such as http://127.0.0.1:4566/000000000000/export-jobs")]
    NotAQueue(String),
    /// The emulator refused to make a resource, or could not be reached.
    #[error("cannot make {what}: {why}. Is an AWS stand-in running at that address, and are these its keys?")]
    Resource {
        /// Which one.
        what: String,
        /// The SDK's words.
        why: String,
    },
    /// A table that never becomes active.
    #[error("the table {0} is not active after {1} seconds. Look at the emulator's log, or delete the table")]
    NotActive(String, u64),
}

impl Error {
    /// Tells a taken port from the other reasons not to listen.
    pub(super) fn listen(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            _ => Self::Listen(address, error),
        }
    }
}
