//! Trees of calls, small enough for a page.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use super::{Node, Thread, count::Counts};

/// What has less than this of all samples is told with others: narrower than a pixel of a wide screen.
const LEAST_SHARE: f64 = 0.000_5;
/// Nodes of the tree of all threads, and of all other trees together. A page of 60 s has 1 MB at most, a node 20 bytes.
const MOST_NODES: usize = 8_000;
/// What the names of functions take in a page, in bytes.
const MOST_NAME_BYTES: usize = 300_000;
/// A function takes so much beside its name, in bytes.
const BYTES_PER_FUNCTION: usize = 60;
/// More threads than this are shown together: nobody looks at so many.
const MOST_THREADS: usize = 40;

/// What is kept of all functions and trees.
pub(super) struct Kept {
    /// Of functions, the most total samples first.
    pub(super) numbers: Vec<u32>,
    pub(super) threads: Vec<Thread>,
    pub(super) least_of_functions: u64,
    pub(super) least_of_all: u64,
    pub(super) least_of_threads: u64,
}

/// Keeps what is worth it. A node's function is always kept: it has no fewer samples than the node.
pub(super) fn keep(counts: &Counts<'_>) -> Kept {
    let first = first_least(counts.samples);
    let least_of_functions = raised(first, |least| fits(counts, least));
    let mut numbers: Vec<u32> = (0..)
        .zip(&counts.total)
        .filter(|(_, total)| **total >= least_of_functions)
        .map(|(number, _)| number)
        .collect();
    numbers.sort_by_key(|number| Reverse(counts.total.get(*number as usize)));
    let new: HashMap<u32, u32> = numbers.iter().copied().zip(0..).collect();
    let mut groups = groups(counts).into_iter();
    let all: Vec<Group> = groups.by_ref().take(1).collect();
    let others: Vec<Group> = groups.collect();
    let least_of = |groups: &[Group]| raised(least_of_functions, |least| nodes(groups, least) <= MOST_NODES);
    let (least_of_all, least_of_threads) = (least_of(&all), least_of(&others));
    let cut = |groups: Vec<Group>, least| {
        groups.into_iter().map(|group| group.cut(least, &new)).collect::<Vec<_>>()
    };
    let threads = cut(all, least_of_all).into_iter().chain(cut(others, least_of_threads)).collect();
    Kept { numbers, threads, least_of_functions, least_of_all, least_of_threads }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small part of a count")]
fn first_least(samples: u64) -> u64 {
    ((super::float(samples) * LEAST_SHARE).ceil() as u64).max(1)
}

/// The least from there on that is enough: whatever is above one that is, is as well.
pub(in crate::analyse) fn raised(least: u64, is_enough: impl Fn(u64) -> bool) -> u64 {
    let (mut below, mut enough) = (least, least);
    while !is_enough(enough) {
        (below, enough) = (enough + 1, 2 * enough);
    }
    while below < enough {
        let middle = u64::midpoint(below, enough);
        if is_enough(middle) {
            enough = middle;
        } else {
            below = middle + 1;
        }
    }
    enough
}

fn fits(counts: &Counts<'_>, least: u64) -> bool {
    let kept = counts.names.iter().zip(&counts.total).filter(|(_, total)| **total >= least);
    kept.map(|(name, _)| BYTES_PER_FUNCTION + in_page(name)).sum::<usize>() <= MOST_NAME_BYTES
}

/// A bracket takes six bytes in a script.
pub(in crate::analyse) fn in_page(name: &str) -> usize {
    name.len() + 5 * name.matches('<').count()
}

fn nodes(groups: &[Group], least: u64) -> usize {
    groups.iter().map(|group| group.tree.count(least)).sum()
}

/// Threads that are shown together.
struct Group {
    name: String,
    threads: usize,
    tree: Tree,
}

impl Group {
    fn of(name: String, threads: &[&str], counts: &Counts<'_>) -> Self {
        let mut tree = Tree::default();
        for (stack, count) in threads.iter().filter_map(|thread| counts.threads.get(*thread)).flatten() {
            if let Some(functions) = counts.stacks.get(stack) {
                tree.add(functions, *count);
            }
        }
        Self { name, threads: threads.len(), tree }
    }

    fn cut(self, least: u64, new: &HashMap<u32, u32>) -> Thread {
        let nodes = self.tree.cut(least, new);
        Thread { name: self.name, threads: self.threads, samples: self.tree.samples, nodes }
    }
}

/// All threads, the workers, and each one.
fn groups(counts: &Counts<'_>) -> Vec<Group> {
    let mut threads: Vec<(&str, u64)> =
        counts.threads.iter().map(|(name, stacks)| (*name, stacks.values().sum())).collect();
    threads.sort_by_key(|(_, samples)| Reverse(*samples));
    let names: Vec<&str> = threads.into_iter().map(|(name, _)| name).collect();
    let workers: Vec<&str> = names.iter().copied().filter(|name| is_worker(name)).collect();
    let mut groups = vec![Group::of("all threads".to_owned(), &names, counts)];
    if workers.len() > 1 {
        groups.push(Group::of("workers".to_owned(), &workers, counts));
    }
    let (shown, others) = names.split_at(names.len().min(MOST_THREADS));
    groups.extend(shown.iter().map(|name| Group::of((*name).to_owned(), &[name], counts)));
    if !others.is_empty() {
        groups.push(Group::of(format!("{} other threads", others.len()), others, counts));
    }
    groups
}

fn is_worker(name: &str) -> bool {
    let number = name.strip_prefix("worker-");
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Calls, each caller before what it calls.
#[derive(Default)]
pub(in crate::analyse) struct Tree {
    pub(in crate::analyse) samples: u64,
    nodes: Vec<Grown>,
    /// By caller and function.
    at: HashMap<(Option<usize>, u32), usize>,
}

struct Grown {
    function: u32,
    caller: Option<usize>,
    own: u64,
    total: u64,
}

impl Tree {
    pub(in crate::analyse) fn add(&mut self, functions: &[u32], count: u64) {
        self.samples += count;
        let mut caller = None;
        for function in functions {
            let next = self.nodes.len();
            let at = *self.at.entry((caller, *function)).or_insert(next);
            if at == next {
                self.nodes.push(Grown { function: *function, caller, own: 0, total: 0 });
            }
            if let Some(node) = self.nodes.get_mut(at) {
                node.total += count;
            }
            caller = Some(at);
        }
        if let Some(last) = caller.and_then(|at| self.nodes.get_mut(at)) {
            last.own += count;
        }
    }

    /// The functions of the nodes that are left by [`Self::cut`].
    pub(in crate::analyse) fn functions(&self, least: u64) -> HashSet<u32> {
        self.nodes.iter().filter(|node| node.total >= least).map(|node| node.function).collect()
    }

    /// So many nodes are left by [`Self::cut`].
    pub(in crate::analyse) fn count(&self, least: u64) -> usize {
        let is_kept = |at: &Option<usize>| {
            at.and_then(|at| self.nodes.get(at)).is_none_or(|caller| caller.total >= least)
        };
        let (kept, rare): (Vec<_>, Vec<_>) = self.nodes.iter().partition(|node| node.total >= least);
        let callers: HashSet<_> = rare.into_iter().map(|node| node.caller).filter(is_kept).collect();
        kept.len() + callers.len()
    }

    /// Without those with fewer samples, which are one below each caller.
    pub(in crate::analyse) fn cut(&self, least: u64, new: &HashMap<u32, u32>) -> Vec<Node> {
        let mut below: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
        for (at, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.total >= least) {
            below.entry(node.caller).or_default().push(at);
        }
        let mut cut = Vec::new();
        let mut ahead = self.called(None, 0, &below, self.samples);
        while let Some(next) = ahead.pop() {
            let (at, depth) = match next {
                Ahead::Others(node) => {
                    cut.push(node);
                    continue;
                }
                Ahead::Grown(at, depth) => (at, depth),
            };
            let Some(node) = self.nodes.get(at) else { continue };
            let function = new.get(&node.function).copied();
            cut.push(Node { depth, function, own: node.own, total: node.total });
            ahead.extend(self.called(Some(at), depth + 1, &below, node.total - node.own));
        }
        cut
    }

    /// What a caller calls, with so many samples in all: the last is the first to be told.
    fn called(
        &self,
        caller: Option<usize>,
        depth: u32,
        below: &HashMap<Option<usize>, Vec<usize>>,
        samples: u64,
    ) -> Vec<Ahead> {
        let total = |at: &usize| self.nodes.get(*at).map_or(0, |node| node.total);
        let mut called = below.get(&caller).cloned().unwrap_or_default();
        called.sort_by_key(total);
        let rare = samples - called.iter().map(total).sum::<u64>();
        let others = Node { depth, function: None, own: rare, total: rare };
        let others = (rare > 0).then_some(Ahead::Others(others));
        others.into_iter().chain(called.into_iter().map(|at| Ahead::Grown(at, depth))).collect()
    }
}

/// What is yet to be told.
enum Ahead {
    Grown(usize, u32),
    Others(Node),
}
