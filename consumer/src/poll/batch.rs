//! Single requests become batches of up to ten.

use std::{collections::BTreeMap, time::Duration};

use tokio::time;

use crate::sync::{JoinSet, mpsc};

/// The most entries SQS takes in one request.
pub(super) const MAX_ENTRIES: usize = 10;
/// Batches under way at a time: while they are, the next ones fill.
const IN_FLIGHT: usize = 4;

/// Gathers items for up to `linger` after the first, and gives them, at most ten of one `kind` together, to `act`.
/// Ends when the line is closed and everything given to it is done.
pub(super) async fn batching<T, K, F>(
    mut items: mpsc::UnboundedReceiver<T>,
    linger: Duration,
    kind: impl Fn(&T) -> K,
    act: impl Fn(K, Vec<T>) -> F,
) where
    K: Ord,
    F: Future<Output = ()> + 'static,
{
    let mut under_way = JoinSet::new();
    let mut gathered = Vec::new();
    while gather(&mut items, &mut gathered, linger).await {
        let mut by_kind: BTreeMap<K, Vec<T>> = BTreeMap::new();
        for item in gathered.drain(..) {
            by_kind.entry(kind(&item)).or_default().push(item);
        }
        for (kind, batch) in by_kind {
            under_way.spawn_local(act(kind, batch));
        }
        while under_way.len() >= IN_FLIGHT {
            under_way.join_next().await;
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Waits for a first item, then for as many as come within `linger`. `false` at the end of the line.
async fn gather<T>(items: &mut mpsc::UnboundedReceiver<T>, into: &mut Vec<T>, linger: Duration) -> bool {
    let Some(first) = items.recv().await else { return false };
    into.push(first);
    let fill = async {
        while into.len() < MAX_ENTRIES {
            match items.recv().await {
                Some(item) => into.push(item),
                None => return,
            }
        }
    };
    // Items taken before the time is over stay taken: `recv` is cancel safe.
    let _ = time::timeout(linger, fill).await;
    true
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use tokio::task::LocalSet;

    use super::*;

    async fn batches(items: Vec<(u8, u32)>) -> Vec<(u8, usize)> {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (sender, receiver) = mpsc::unbounded_channel();
        items.into_iter().for_each(|item| sender.send(item).unwrap());
        drop(sender);
        let act = |kind, batch: Vec<_>| {
            let seen = Rc::clone(&seen);
            async move { seen.borrow_mut().push((kind, batch.len())) }
        };
        LocalSet::new().run_until(batching(receiver, Duration::from_millis(10), |item| item.0, act)).await;
        seen.take()
    }

    #[tokio::test(start_paused = true)]
    async fn items_go_in_batches_of_ten_at_most() {
        let sizes = batches((0..25).map(|n| (0, n)).collect()).await;
        assert_eq!(sizes, [(0, 10), (0, 10), (0, 5)]);
    }

    #[tokio::test(start_paused = true)]
    async fn items_of_two_kinds_never_share_a_batch() {
        let sizes = batches(vec![(1, 0), (2, 0), (1, 1)]).await;
        assert_eq!(sizes, [(1, 2), (2, 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_item_does_not_wait_long() {
        let (sender, receiver) = mpsc::unbounded_channel::<u8>();
        let (done, mut was_done) = mpsc::unbounded_channel();
        let begun = tokio::time::Instant::now();
        let act = move |(), batch: Vec<u8>| {
            let done = done.clone();
            async move { done.send(batch.len()).unwrap() }
        };
        let local = LocalSet::new();
        local.spawn_local(batching(receiver, Duration::from_millis(10), |_| (), act));
        sender.send(1).unwrap();
        assert_eq!(local.run_until(was_done.recv()).await, Some(1));
        assert_eq!(begun.elapsed(), Duration::from_millis(10));
    }
}
