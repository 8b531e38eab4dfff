//! When the last of a body came.

use std::{cell::Cell, rc::Rc, time::Instant};

use bytes::Bytes;

use crate::{fail::TaskFault, ports::Body};

/// A body that notes when the last of it came.
pub(in crate::work) struct Timed<B> {
    body: B,
    ended: Rc<Cell<Option<Instant>>>,
}

impl<B> Timed<B> {
    pub(in crate::work) fn new(body: B) -> Self {
        Self { body, ended: Rc::default() }
    }

    /// When the last of it came, once it has.
    pub(in crate::work) fn ended(&self) -> Rc<Cell<Option<Instant>>> {
        Rc::clone(&self.ended)
    }
}

impl<B: Body> Body for Timed<B> {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TaskFault> {
        let chunk = self.body.chunk().await;
        if matches!(chunk, Ok(None)) {
            self.ended.set(Some(Instant::now()));
        }
        chunk
    }
}
