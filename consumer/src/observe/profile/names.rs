//! What functions are called.
//!
//! Of this program, as its symbol table has them, which images keep. What debugging information there may be beside it
//! would name functions that were inlined as well, but in part without their paths, and takes seconds to be read.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::Path,
};

use object::{Object, ObjectSegment, ObjectSymbol, ReadCache, SymbolKind};

/// The program that runs.
const PROGRAM: &str = "/proc/self/exe";

/// The names of functions: each takes time to be found, and is found once.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Read when the first one is asked for.
    program: Option<Program>,
    found: HashMap<usize, Option<String>>,
}

impl Names {
    /// The functions of a stack, the innermost first.
    pub(super) fn of(&mut self, addresses: impl IntoIterator<Item = usize>) -> Vec<String> {
        let program = self.program.get_or_insert_with(Program::read);
        let found = &mut self.found;
        let name = |address: usize| found.entry(address).or_insert_with(|| program.name(address)).clone();
        addresses.into_iter().filter_map(name).collect()
    }
}

/// Functions of this program.
#[derive(Debug, Default)]
struct Program {
    /// Where it is in memory, less where it says that it is.
    moved_by: u64,
    /// Where it begins and ends in memory.
    span: (u64, u64),
    /// By where each begins.
    functions: Vec<Symbol>,
}

/// A function, as its symbol has it.
#[derive(Debug)]
struct Symbol {
    address: u64,
    /// 0 of a symbol of assembler.
    size: u64,
    name: Box<str>,
}

impl Program {
    /// One that cannot be read has no functions of which the names are known.
    fn read() -> Self {
        Self::of(Path::new(PROGRAM)).unwrap_or_else(|error| {
            tracing::warn!(%error, "the names of functions are not known");
            Self::default()
        })
    }

    fn of(path: &Path) -> anyhow::Result<Self> {
        // Of the file, its symbols alone are read.
        let cache = ReadCache::new(File::open(path)?);
        let file = object::File::parse(&cache)?;
        let first = file.segments().find(|segment| segment.file_range().0 == 0);
        let span = mapped(&fs::read_link(PROGRAM)?)?;
        let symbols =
            file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition());
        let functions = symbols.filter_map(|symbol| {
            Some(Symbol { address: symbol.address(), size: symbol.size(), name: symbol.name().ok()?.into() })
        });
        let mut functions: Vec<_> = functions.collect();
        functions.sort_unstable_by_key(|symbol| symbol.address);
        let moved_by = span.0.wrapping_sub(first.map_or(0, |segment| segment.address()));
        Ok(Self { moved_by, span, functions })
    }

    fn name(&self, address: usize) -> Option<String> {
        let at = u64::try_from(address).ok()?;
        if (self.span.0..self.span.1).contains(&at) { self.own(at) } else { elsewhere(address) }
    }

    fn own(&self, at: u64) -> Option<String> {
        // Where a call returns to may be behind the function that it was made in.
        let at = at.wrapping_sub(self.moved_by).saturating_sub(1);
        let place = self.functions.partition_point(|symbol| symbol.address <= at).checked_sub(1)?;
        let Symbol { address, size, name } = self.functions.get(place)?;
        (*size == 0 || at - address < *size).then(|| format!("{:#}", rustc_demangle::demangle(name)))
    }
}

/// A function of a library.
fn elsewhere(address: usize) -> Option<String> {
    let mut name = None;
    backtrace::resolve(address as *mut _, |symbol| name = symbol.name().map(|name| format!("{name:#}")));
    name
}

/// Where a file is mapped, from its first to its last byte in memory (proc_pid_maps(5)).
fn mapped(program: &Path) -> io::Result<(u64, u64)> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut spans =
        maps.lines().filter(|line| line.ends_with(&*program.to_string_lossy())).filter_map(|line| {
            let (begin, end) = line.split_once(' ')?.0.split_once('-')?;
            Some((u64::from_str_radix(begin, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
        });
    let first = spans.next().ok_or(io::ErrorKind::NotFound)?;
    Ok((first.0, spans.next_back().unwrap_or(first).1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn a_function_of_this_program() -> u32 {
        std::process::id()
    }

    #[test]
    fn a_function_has_its_whole_path_without_the_hash() {
        // Where a call would return to.
        let within = a_function_of_this_program as fn() -> u32 as usize + 1;
        let names = Names::default().of([within]);
        assert_eq!(names, [concat!(module_path!(), "::a_function_of_this_program")]);
    }

    #[test]
    fn what_is_no_function_has_no_name() {
        assert_eq!(Names::default().of([0, 1, usize::MAX]), [""; 0]);
    }
}
