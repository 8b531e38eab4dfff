//! What is allocated and not freed: by who called whom, and by where it was allocated.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use super::{Function, Place, Snapshot, Tree, seconds, stretch::Stretch};
use crate::{
    analyse::flame::{
        self, Kind, in_page, interned,
        name::{crate_of, kind_of},
        raised, shortened,
    },
    read::Recorded,
    record::{self, Allocation},
};

/// What has less than this of all bytes is told with others: narrower than anybody sees.
const LEAST_SHARE: u64 = 2_000;
/// Nodes of a tree. One takes 20 bytes in a page.
const MOST_NODES: usize = 4_000;
/// What the names of a tree's functions take in a page, in bytes.
const MOST_NAME_BYTES: usize = 80_000;
/// A function takes so much beside its name, in bytes.
const BYTES_PER_FUNCTION: usize = 40;
/// Places that are kept: what comes after has little.
const MOST_PLACES: usize = 60;
/// Places that are told of a leak.
const MOST_GROWN: usize = 3;
/// So many functions of a stack are shown beside a finding: what is further out is the runtime.
const MOST_CALLERS: usize = 24;

/// Bytes of a stack, or of a place, as [`Place`] has them.
#[derive(Debug, Default, Clone, Copy)]
struct Bytes {
    peak: u64,
    end: u64,
    before: u64,
    after: u64,
}

impl Bytes {
    const fn grown(self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    fn most(self) -> u64 {
        self.peak.max(self.end).max(self.after)
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            peak: self.peak + other.peak,
            end: self.end + other.end,
            before: self.before + other.before,
            after: self.after + other.after,
        }
    }
}

/// Where something grew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grown {
    pub(super) function: String,
    pub(super) of_crate: String,
    pub(super) bytes: u64,
    /// The stack of it that grew most, the innermost function first.
    pub(super) stack: Vec<String>,
}

/// What is kept of it.
pub(super) struct Kept {
    pub(super) functions: Vec<Function>,
    pub(super) crates: Vec<String>,
    pub(super) trees: Vec<Tree>,
    pub(super) places: Vec<Place>,
}

/// What was allocated and not freed, its functions by numbers.
pub(super) struct Live<'a> {
    names: Vec<&'a str>,
    kinds: Vec<Option<Kind>>,
    /// The functions of each stack, the outermost first.
    stacks: HashMap<u32, Vec<u32>>,
    bytes: BTreeMap<u32, Bytes>,
    /// When.
    at: Vec<(Snapshot, f64)>,
}

/// Stacks by the function that allocated and the last of ours.
type Places = BTreeMap<(u32, Option<u32>), (Bytes, Vec<(u32, Bytes)>)>;

impl<'a> Live<'a> {
    pub(super) fn of(recorded: &'a Recorded, stretches: &[Stretch]) -> Self {
        let peak = recorded.live.iter().max_by_key(|live| all(live));
        let end = recorded.live.last();
        let floors: Vec<_> = stretches
            .iter()
            .filter(|stretch| !stretch.is_warm_up)
            .filter_map(|stretch| lowest(&recorded.live, stretch))
            .collect();
        let few = (floors.len() / 3).max(1);
        // One floor alone has grown since nothing.
        let (first, last) = if floors.len() < 2 {
            (&[][..], &[][..])
        } else {
            (&floors[..few], &floors[floors.len() - few..])
        };
        let mut bytes = BTreeMap::new();
        sum(&mut bytes, peak.as_slice(), |bytes| &mut bytes.peak);
        sum(&mut bytes, end.as_slice(), |bytes| &mut bytes.end);
        sum(&mut bytes, first, |bytes| &mut bytes.before);
        sum(&mut bytes, last, |bytes| &mut bytes.after);
        let (names, stacks) = interned(recorded, bytes.keys().copied());
        let kinds = names.iter().map(|name| kind_of(name)).collect();
        let at = [(Snapshot::Peak, peak), (Snapshot::End, end), (Snapshot::Growth, last.last().copied())];
        let at = at.into_iter().filter_map(|(of, live)| Some((of, seconds(live?.at_micros)))).collect();
        Self { names, kinds, stacks, bytes, at }
    }

    /// Places that grew, the most first.
    pub(super) fn grown(&self) -> Vec<Grown> {
        let mut places: Vec<_> = self.places().into_iter().collect();
        places.retain(|(_, (bytes, _))| bytes.grown() > 0);
        places.sort_by_key(|(_, (bytes, _))| Reverse(bytes.grown()));
        let grown = places.iter().take(MOST_GROWN).map(|((function, _), (bytes, stacks))| {
            let most = stacks
                .iter()
                .max_by_key(|(_, bytes)| bytes.grown())
                .map_or(&[][..], |(stack, _)| self.functions(*stack));
            Grown {
                function: shortened(self.name(*function)),
                of_crate: crate_of(self.name(*function)).to_owned(),
                bytes: bytes.grown(),
                stack: self.shown(most),
            }
        });
        grown.collect()
    }

    /// Few enough for a page.
    pub(super) fn kept(&self) -> Kept {
        let mut places: Vec<_> = self.places().into_iter().map(|(at, (bytes, _))| (at, bytes)).collect();
        places.sort_by_key(|(_, bytes)| Reverse(bytes.most()));
        places.truncate(MOST_PLACES);
        let grown: Vec<_> = self.at.iter().map(|(of, seconds)| (*of, *seconds, self.tree(*of))).collect();
        let grown: Vec<_> = grown
            .into_iter()
            .filter(|(.., tree)| tree.samples > 0)
            .map(|(of, seconds, tree)| (of, seconds, self.least(&tree), tree))
            .collect();
        let mut numbers: BTreeSet<u32> =
            grown.iter().flat_map(|(_, _, least, tree)| tree.functions(*least)).collect();
        numbers.extend(places.iter().flat_map(|((function, ours), _)| [Some(*function), *ours]).flatten());
        let new: HashMap<u32, u32> = numbers.iter().copied().zip(0..).collect();
        let (functions, crates) = self.named(&numbers);
        Kept { functions, crates, trees: cut(grown, &new), places: renumbered(&places, &new) }
    }

    fn tree(&self, of: Snapshot) -> flame::Tree {
        let mut tree = flame::Tree::default();
        for (stack, bytes) in &self.bytes {
            let bytes = match of {
                Snapshot::Peak => bytes.peak,
                Snapshot::End => bytes.end,
                Snapshot::Growth => bytes.grown(),
            };
            if bytes > 0 {
                tree.add(self.functions(*stack), bytes);
            }
        }
        tree
    }

    /// What is left of a tree with this fits into a page.
    fn least(&self, tree: &flame::Tree) -> u64 {
        let fits = |least| {
            let functions = tree.functions(least);
            let names = functions
                .iter()
                .map(|function| BYTES_PER_FUNCTION + in_page(&shortened(self.name(*function))));
            names.sum::<usize>() <= MOST_NAME_BYTES && tree.count(least) <= MOST_NODES
        };
        raised((tree.samples / LEAST_SHARE).max(1), fits)
    }

    fn named(&self, numbers: &BTreeSet<u32>) -> (Vec<Function>, Vec<String>) {
        let of = |number: &u32| crate_of(self.name(*number));
        let crates: BTreeSet<&str> = numbers.iter().map(of).collect();
        let number: HashMap<&str, u32> = crates.iter().copied().zip(0..).collect();
        let function = |of_crate: &str, at: &u32| Function {
            name: shortened(self.name(*at)),
            of_crate: number.get(of_crate).copied().unwrap_or(0),
            kind: self.kind(*at),
        };
        let functions = numbers.iter().map(|at| function(of(at), at)).collect();
        (functions, crates.into_iter().map(str::to_owned).collect())
    }

    fn places(&self) -> Places {
        let mut places = Places::new();
        for (stack, bytes) in &self.bytes {
            if let Some(place) = self.place(self.functions(*stack)) {
                let (sum, stacks) = places.entry(place).or_default();
                *sum = sum.plus(*bytes);
                stacks.push((*stack, *bytes));
            }
        }
        places
    }

    /// The innermost function that does not allocate for its caller, and the last of ours.
    fn place(&self, functions: &[u32]) -> Option<(u32, Option<u32>)> {
        let inwards = || functions.iter().rev().copied();
        let allocates = |function: &u32| matches!(self.kind(*function), None | Some(Kind::Allocator));
        let function = inwards().find(|function| !allocates(function)).or_else(|| inwards().next())?;
        Some((function, inwards().find(|function| self.kind(*function) == Some(Kind::Ours))))
    }

    /// A stack for people: without the allocator's own functions, the innermost first.
    fn shown(&self, functions: &[u32]) -> Vec<String> {
        let inwards = functions.iter().rev().copied();
        let ours = inwards.skip_while(|function| self.kind(*function) == Some(Kind::Allocator));
        ours.take(MOST_CALLERS).map(|function| shortened(self.name(function))).collect()
    }

    fn functions(&self, stack: u32) -> &[u32] {
        self.stacks.get(&stack).map_or(&[], Vec::as_slice)
    }

    fn name(&self, function: u32) -> &'a str {
        self.names.get(function as usize).copied().unwrap_or_default()
    }

    fn kind(&self, function: u32) -> Option<Kind> {
        self.kinds.get(function as usize).copied().flatten()
    }
}

fn cut(grown: Vec<(Snapshot, f64, u64, flame::Tree)>, new: &HashMap<u32, u32>) -> Vec<Tree> {
    let cut = |(of, seconds, least, tree): (_, _, _, flame::Tree)| Tree {
        of,
        seconds,
        bytes: tree.samples,
        least_bytes: least,
        nodes: tree.cut(least, new),
    };
    grown.into_iter().map(cut).collect()
}

fn renumbered(places: &[((u32, Option<u32>), Bytes)], new: &HashMap<u32, u32>) -> Vec<Place> {
    let number = |old: &u32| new.get(old).copied();
    let place = |((function, ours), bytes): &((u32, Option<u32>), Bytes)| {
        Some(Place {
            function: number(function)?,
            ours: ours.as_ref().and_then(number),
            peak_bytes: bytes.peak,
            end_bytes: bytes.end,
            before_bytes: bytes.before,
            after_bytes: bytes.after,
        })
    };
    places.iter().filter_map(place).collect()
}

fn all(live: &record::Live) -> u64 {
    live.allocations.iter().map(|allocation| allocation.bytes).sum()
}

/// What was told in a stretch since nothing is done, where that was the least.
fn lowest<'a>(live: &'a [record::Live], stretch: &Stretch) -> Option<&'a record::Live> {
    let is_quiet = |live: &&record::Live| {
        (stretch.settled_seconds..=stretch.until_seconds).contains(&seconds(live.at_micros))
    };
    live.iter().filter(is_quiet).min_by_key(|live| all(live))
}

/// Adds what each has on average.
fn sum(bytes: &mut BTreeMap<u32, Bytes>, live: &[&record::Live], to: fn(&mut Bytes) -> &mut u64) {
    let many = live.len().max(1) as u64;
    let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
    for Allocation { stack, bytes } in live.iter().flat_map(|live| &live.allocations) {
        *sums.entry(*stack).or_default() += bytes;
    }
    for (stack, sum) in sums {
        *to(bytes.entry(stack).or_default()) += sum / many;
    }
}
