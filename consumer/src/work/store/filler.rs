//! Fills parts from a body, chunk by chunk, and keeps count and checksum of all that came.

use bytes::{Bytes, BytesMut};

use super::checksum::Checksum;
use crate::{
    fail::{Reason, TaskFault},
    ports::Body,
};

/// A body on its way into parts.
#[derive(Debug)]
pub(super) struct Filler<B> {
    body: B,
    length: Option<u64>,
    max_bytes: u64,
    bytes: u64,
    checksum: Checksum,
    /// What came with the last part's end and belongs to the next.
    rest: Bytes,
    ended: bool,
}

impl<B: Body> Filler<B> {
    pub(super) fn new(body: B, length: Option<u64>, max_bytes: u64) -> Self {
        Self {
            body,
            length,
            max_bytes,
            bytes: 0,
            checksum: Checksum::default(),
            rest: Bytes::new(),
            ended: false,
        }
    }

    /// The next part: so many bytes, fewer only at the end. Afterwards [`Filler::ended`] says whether that was all.
    pub(super) async fn fill(&mut self, part_bytes: u64) -> Result<Bytes, TaskFault> {
        let wanted = usize::try_from(part_bytes).unwrap_or(usize::MAX);
        let expected =
            self.length.map_or(part_bytes, |length| length.saturating_sub(self.bytes).min(part_bytes));
        let mut part = BytesMut::with_capacity(usize::try_from(expected).unwrap_or_default());
        while part.len() < wanted {
            if self.rest.is_empty() && !self.next().await? {
                break;
            }
            let taken = self.rest.split_to(self.rest.len().min(wanted - part.len()));
            part.extend_from_slice(&taken);
        }
        if self.rest.is_empty() && !self.ended {
            self.next().await?;
        }
        Ok(part.freeze())
    }

    /// Reads the next chunk that is not empty. `false` at the end.
    async fn next(&mut self) -> Result<bool, TaskFault> {
        while let Some(chunk) = self.body.chunk().await? {
            self.bytes += chunk.len() as u64;
            if self.bytes > self.max_bytes {
                return Err(too_large(self.max_bytes));
            }
            self.checksum.update(&chunk);
            if !chunk.is_empty() {
                self.rest = chunk;
                return Ok(true);
            }
        }
        self.ended = true;
        self.check_length().map(|()| false)
    }

    fn check_length(&self) -> Result<(), TaskFault> {
        match self.length {
            Some(length) if length != self.bytes => {
                let detail = format!("the source promised {length} bytes and sent {}", self.bytes);
                Err(TaskFault::retry(Reason::Truncated, detail))
            }
            _ => Ok(()),
        }
    }

    /// The source told it, and it is held to it.
    pub(super) const fn knows_its_length(&self) -> bool {
        self.length.is_some()
    }

    /// All of the body is in the parts.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn checksum(&self) -> String {
        self.checksum.base64()
    }
}

pub(super) fn too_large(max_bytes: u64) -> TaskFault {
    TaskFault::last(Reason::TooLarge, format!("the file has more than MAX_FILE_BYTES={max_bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    struct Chunks(VecDeque<Bytes>);

    impl Body for Chunks {
        async fn chunk(&mut self) -> Result<Option<Bytes>, TaskFault> {
            Ok(self.0.pop_front())
        }
    }

    fn filler(sizes: &[usize], length: Option<u64>, max: u64) -> Filler<Chunks> {
        let mut next = 0_u8;
        let chunks = sizes.iter().map(|size| {
            (0..*size)
                .map(|_| {
                    next = next.wrapping_add(1);
                    next
                })
                .collect::<Bytes>()
        });
        Filler::new(Chunks(chunks.collect()), length, max)
    }

    proptest! {
        #[test]
        fn parts_are_the_body_cut_at_their_size(
            sizes in proptest::collection::vec(0_usize..20, 0..12), part in 1_u64..16,
        ) {
            let whole: Vec<u8> = (1..=sizes.iter().sum::<usize>()).map(|n| u8::try_from(n % 256).unwrap()).collect();
            let mut filler = filler(&sizes, None, u64::MAX);
            let mut parts = Vec::new();
            while !filler.ended() {
                parts.push(filler.fill(part).now_or_never().unwrap().unwrap());
            }
            prop_assert_eq!(parts.concat(), whole.clone());
            let (last, full) = parts.split_last().unwrap();
            prop_assert!(full.iter().all(|p| p.len() as u64 == part));
            prop_assert!(last.len() as u64 <= part && (!last.is_empty() || full.is_empty()));
            prop_assert_eq!(filler.checksum(), Checksum::of(&whole));
        }
    }

    #[test]
    fn a_body_shorter_or_longer_than_promised_is_truncated() {
        for length in [9, 11] {
            let fault = filler(&[5, 5], Some(length), 100).fill(100).now_or_never().unwrap().unwrap_err();
            assert_eq!(fault.reason(), "truncated");
        }
    }

    #[test]
    fn an_endless_body_ends_at_the_limit() {
        let mut filler = filler(&[10; 100], None, 55);
        let fault = filler.fill(1_000).now_or_never().unwrap().unwrap_err();
        assert_eq!((fault.reason(), filler.bytes()), ("tooLarge", 60));
    }
}
