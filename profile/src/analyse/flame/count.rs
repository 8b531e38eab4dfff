//! Samples by function, crate, kind and thread.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use super::{
    CrateShare, Function, Kind, KindShare,
    name::{CUT_OFF, UNNAMED, crate_of, kind_of, last_part, without_closures},
};
use crate::read::Recorded;

/// The sampler notes so many frames of a stack: one that has them all lacks its outermost functions.
pub(super) const MOST_FRAMES: usize = 128;
/// A stack that has all frames all the same ends with one of these.
const OUTERMOST: [&str; 6] = ["clone3", "clone", "__clone", "start_thread", "_start", "main"];
/// So many functions of a stack are shown beside a finding: what is further out is the runtime.
const MOST_CALLERS: usize = 12;
/// A longer name is cut off: it is hundreds of type parameters, and a page is small.
const LONGEST_NAME: usize = 400;

/// All samples, their functions by numbers.
pub(super) struct Counts<'a> {
    pub(super) samples: u64,
    pub(super) cpu_seconds: f64,
    pub(super) names: Vec<&'a str>,
    kinds_of: Vec<Option<Kind>>,
    crates_of: Vec<&'a str>,
    pub(super) own: Vec<u64>,
    pub(super) total: Vec<u64>,
    /// By thread and stack.
    pub(super) threads: BTreeMap<&'a str, BTreeMap<u32, u64>>,
    /// The functions of each stack, the outermost first.
    pub(super) stacks: HashMap<u32, Vec<u32>>,
    by_stack: BTreeMap<u32, u64>,
}

/// A function of ours, its closures with it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ours {
    /// Samples that have it innermost, but for functions of the language and of the C library that it calls: these do
    /// what they are called for.
    pub(super) own: u64,
    /// Samples that have it anywhere.
    pub(super) total: u64,
    /// Samples that have no other function of ours below it.
    pub(super) last: u64,
}

impl<'a> Counts<'a> {
    pub(super) fn of(recorded: &'a Recorded) -> Self {
        let (mut threads, mut by_stack) = (BTreeMap::<_, BTreeMap<u32, u64>>::new(), BTreeMap::new());
        let (mut samples, mut cpu_seconds) = (0, 0.0);
        for second in &recorded.samples {
            for sample in &second.samples {
                let count = u64::from(sample.count);
                *threads.entry(sample.thread.as_str()).or_default().entry(sample.stack).or_default() += count;
                *by_stack.entry(sample.stack).or_default() += count;
                samples += count;
                cpu_seconds += f64::from(sample.count) / f64::from(second.hertz.max(1));
            }
        }
        let (names, stacks) = interned(recorded, by_stack.keys().copied());
        let kinds_of = names.iter().map(|name| kind_of(name)).collect();
        let crates_of = names.iter().map(|name| crate_of(name)).collect();
        let nothing = vec![0; names.len()];
        let (own, total) = (nothing.clone(), nothing);
        let counts =
            Self { samples, cpu_seconds, names, kinds_of, crates_of, own, total, threads, stacks, by_stack };
        counts.counted()
    }

    fn counted(mut self) -> Self {
        for (stack, count) in &self.by_stack {
            let functions = self.stacks.get(stack).map_or(&[][..], Vec::as_slice);
            if let Some(own) = functions.last().and_then(|last| self.own.get_mut(*last as usize)) {
                *own += count;
            }
            for function in functions.iter().collect::<BTreeSet<_>>() {
                if let Some(total) = self.total.get_mut(*function as usize) {
                    *total += count;
                }
            }
        }
        self
    }

    /// Each stack, the outermost function first, and how often it was seen.
    fn each(&self) -> impl Iterator<Item = (&[u32], u64)> {
        let functions = |stack| self.stacks.get(stack).map_or(&[][..], Vec::as_slice);
        self.by_stack.iter().map(move |(stack, count)| (functions(stack), *count))
    }

    fn name(&self, function: u32) -> &'a str {
        self.names.get(function as usize).copied().unwrap_or_default()
    }

    fn crate_name(&self, function: u32) -> &'a str {
        self.crates_of.get(function as usize).copied().unwrap_or_default()
    }

    fn kind(&self, function: u32) -> Option<Kind> {
        self.kinds_of.get(function as usize).copied().flatten()
    }

    /// Each crate's share, the most samples of their own first.
    pub(super) fn crates(&self) -> Vec<CrateShare> {
        let mut shares: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (functions, count) in self.each() {
            let of = |function: &u32| self.crate_name(*function);
            if let Some(innermost) = functions.last() {
                shares.entry(of(innermost)).or_default().0 += count;
            }
            for name in functions.iter().map(of).collect::<BTreeSet<_>>() {
                shares.entry(name).or_default().1 += count;
            }
        }
        let of = |(name, (own, total)): (&str, _)| CrateShare { name: name.to_owned(), own, total };
        let mut shares: Vec<_> = shares.into_iter().map(of).collect();
        shares.sort_by_key(|share| Reverse((share.own, share.total)));
        shares
    }

    /// Each kind's share.
    pub(super) fn kinds(&self) -> Vec<KindShare> {
        let (mut own, mut total) = (BTreeMap::<_, u64>::new(), BTreeMap::<_, u64>::new());
        for (functions, count) in self.each() {
            let innermost = functions.iter().rev().find_map(|function| self.kind(*function));
            let innermost = innermost.unwrap_or(Kind::Other);
            *own.entry(innermost).or_default() += count;
            if innermost != Kind::Runtime {
                let kinds: BTreeSet<_> =
                    functions.iter().filter_map(|function| self.kind(*function)).collect();
                kinds.into_iter().for_each(|kind| *total.entry(kind).or_default() += count);
            }
        }
        let of = |map: &BTreeMap<Kind, u64>, kind| map.get(&kind).copied().unwrap_or(0);
        let calls_everything = |kind| matches!(kind, Kind::Ours | Kind::Runtime | Kind::Other);
        let share = |kind| KindShare {
            kind,
            own: of(&own, kind),
            total: (!calls_everything(kind)).then(|| of(&total, kind)),
        };
        Kind::ALL.into_iter().map(share).collect()
    }

    /// Functions of ours by their names, without those that only begin something.
    pub(super) fn ours(&self) -> BTreeMap<&'a str, Ours> {
        let mut found: BTreeMap<&str, Ours> = BTreeMap::new();
        for (functions, count) in self.each() {
            let is_ours = |function: &&u32| self.kind(**function) == Some(Kind::Ours);
            let name = |function: &u32| without_closures(self.name(*function));
            let innermost = functions.iter().rev().find(|function| self.kind(**function).is_some());
            if let Some(innermost) = innermost.filter(is_ours) {
                found.entry(name(innermost)).or_default().own += count;
            }
            if let Some(last) = functions.iter().rev().find(is_ours) {
                found.entry(name(last)).or_default().last += count;
            }
            for name in functions.iter().filter(is_ours).map(name).collect::<BTreeSet<_>>() {
                found.entry(name).or_default().total += count;
            }
        }
        found
    }

    /// Functions of others, and how many samples they have of their own.
    pub(super) fn others(&self) -> impl Iterator<Item = (&'a str, u64)> {
        let functions = self.names.iter().zip(&self.own).zip(&self.kinds_of);
        functions.filter(|(_, kind)| **kind != Some(Kind::Ours)).map(|((name, own), _)| (*name, *own))
    }

    /// Of the stacks with a function, closures left out, the one that was seen most often: from that function outwards,
    /// [`MOST_CALLERS`] at most.
    pub(super) fn heaviest(&self, name: &str) -> Vec<&'a str> {
        let name = without_closures(name);
        let place = |functions: &[u32]| {
            functions.iter().rposition(|function| without_closures(self.name(*function)) == name)
        };
        let of_stack = |(functions, count): (&[u32], u64)| {
            let outwards = functions.get(..=place(functions)?)?.iter().rev();
            Some((count, outwards.map(|function| self.name(*function)).take(MOST_CALLERS).collect()))
        };
        self.each()
            .filter_map(of_stack)
            .max_by_key(|(count, _)| *count)
            .map_or_else(Vec::new, |found| found.1)
    }

    /// A function as it is kept.
    pub(super) fn function(&self, number: u32, crates: &[CrateShare]) -> Function {
        let name = self.name(number);
        let of_crate = crates.iter().position(|share| share.name == self.crate_name(number)).unwrap_or(0);
        let of = |counts: &[u64]| counts.get(number as usize).copied().unwrap_or(0);
        Function {
            name: shortened(name),
            of_crate: u32::try_from(of_crate).unwrap_or(0),
            kind: self.kind(number),
            own: of(&self.own),
            total: of(&self.total),
        }
    }
}

/// Where something of ours begins: all that a thread does is below it.
pub(super) fn is_entry(name: &str) -> bool {
    const ENTRIES: [&str; 7] = ["main", "run", "worker_main", "on_this_thread", "spawn", "hire", "block_on"];
    ENTRIES.contains(&last_part(name))
}

/// A name that is not too long for a page.
pub(in crate::analyse) fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((at, _)) => format!("{}…", name.get(..at).unwrap_or_default()),
        None => name.to_owned(),
    }
}

/// Names by number, and the numbers of each stack, the outermost function first.
pub(in crate::analyse) fn interned(
    recorded: &Recorded,
    stacks: impl Iterator<Item = u32>,
) -> (Vec<&str>, HashMap<u32, Vec<u32>>) {
    let mut names = Vec::new();
    let mut numbers = HashMap::new();
    let mut number = |name| {
        *numbers.entry(name).or_insert_with(|| {
            names.push(name);
            u32::try_from(names.len() - 1).unwrap_or(u32::MAX)
        })
    };
    let stacks =
        stacks.map(|stack| (stack, outermost_first(recorded.frames(stack)).map(&mut number).collect()));
    let stacks = stacks.collect();
    (names, stacks)
}

/// A stack's functions as they call each other. One that nobody told is one without a name.
fn outermost_first(frames: &[String]) -> impl Iterator<Item = &str> {
    let is_cut =
        frames.len() >= MOST_FRAMES && frames.last().is_some_and(|last| !OUTERMOST.contains(&last.as_str()));
    let named = |name: &str| !name.is_empty();
    let shown = move |name| if named(name) { name } else { UNNAMED };
    let first = is_cut.then_some(CUT_OFF).or_else(|| frames.is_empty().then_some(UNNAMED));
    first.into_iter().chain(frames.iter().rev().map(move |name| shown(name.as_str())))
}
