//! What functions are called.
//!
//! Of this program, as its symbol table has them, which images keep. What debugging information there may be beside it
//! would name functions that were inlined as well, but in part without their paths, and takes seconds to be read.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    ops::Range,
    path::Path,
    sync::Arc,
};

use anyhow::Context as _;
use object::{Object, ObjectSegment, ObjectSymbol, ReadCache, Segment, SymbolKind};

/// The program that runs.
const PROGRAM: &str = "/proc/self/exe";

/// The names of functions: each takes time to be found, and is found once. Those of generic functions have thousands of
/// letters, and each is kept once.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Read when the first one is asked for.
    program: Option<Program>,
    names: HashSet<Arc<str>>,
    found: HashMap<usize, Option<Arc<str>>>,
}

impl Names {
    /// With the program read, and its libraries: what that allocates is then nothing new. With debugging information of the
    /// C library that is tens of megabytes.
    pub(super) fn read() -> Self {
        for address in libraries() {
            let _ = elsewhere(address);
        }
        Self { program: Some(Program::read()), ..Self::default() }
    }

    /// The functions of a stack, the innermost first.
    pub(super) fn of(&mut self, addresses: impl IntoIterator<Item = usize>) -> Vec<Arc<str>> {
        let program = self.program.get_or_insert_with(Program::read);
        let (names, found) = (&mut self.names, &mut self.found);
        let mut once = |name: String| match names.get(name.as_str()) {
            Some(known) => Arc::clone(known),
            None => {
                let new = Arc::<str>::from(name);
                names.insert(Arc::clone(&new));
                new
            }
        };
        let name = |address: usize| {
            found.entry(address).or_insert_with(|| program.name(address).map(&mut once)).clone()
        };
        addresses.into_iter().filter_map(name).collect()
    }
}

/// Functions of this program.
#[derive(Debug, Default)]
struct Program {
    /// Where it is in memory, less where it says that it is.
    moved_by: u64,
    /// Where its code is in memory.
    code: Range<u64>,
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
        let Mapped { code, offset } = Mapped::read(&fs::read_link(PROGRAM)?)?;
        // It is mapped from the beginning of a page on, which may have the end of the segment before.
        let holds = |segment: &Segment<'_, '_, _>| {
            let (begin, size) = segment.file_range();
            (begin - begin % segment.align().max(1)..begin + size).contains(&offset)
        };
        let segment = file.segments().filter(holds).last().context("no segment is mapped as code")?;
        let address = (segment.address() + offset).wrapping_sub(segment.file_range().0);
        let symbols =
            file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition());
        let functions = symbols.filter_map(|symbol| {
            Some(Symbol { address: symbol.address(), size: symbol.size(), name: symbol.name().ok()?.into() })
        });
        let mut functions: Vec<_> = functions.collect();
        functions.sort_unstable_by_key(|symbol| symbol.address);
        Ok(Self { moved_by: code.start.wrapping_sub(address), code, functions })
    }

    fn name(&self, address: usize) -> Option<String> {
        let at = u64::try_from(address).ok()?;
        if self.code.contains(&at) { self.own(at) } else { elsewhere(address) }
    }

    fn own(&self, at: u64) -> Option<String> {
        // Where a call returns to may be behind the function that it was made in.
        let at = at.wrapping_sub(self.moved_by).saturating_sub(1);
        let place = self.functions.partition_point(|symbol| symbol.address <= at).checked_sub(1)?;
        let Symbol { address, size, name } = self.functions.get(place)?;
        (*size == 0 || at - address < *size).then(|| format!("{:#}", rustc_demangle::demangle(name)))
    }
}

/// An address in the code of each library.
fn libraries() -> Vec<usize> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    // Behind its beginning: what is looked up is where a call returns to.
    let within = |(_, mapped): (&str, Mapped)| usize::try_from(mapped.code.start + 1).ok();
    Mapped::all(&maps).filter(|(path, _)| path.contains(".so")).filter_map(within).collect()
}

/// A function of a library.
fn elsewhere(address: usize) -> Option<String> {
    let mut name = None;
    backtrace::resolve(address as *mut _, |symbol| name = symbol.name().map(|name| format!("{name:#}")));
    name
}

/// Where a program's code is in memory, and where in its file (proc_pid_maps(5)). Whoever reads the program for its symbols
/// may have mapped it a second time: not as code.
#[derive(Debug, PartialEq, Eq)]
struct Mapped {
    code: Range<u64>,
    offset: u64,
}

impl Mapped {
    fn read(program: &Path) -> anyhow::Result<Self> {
        Self::of(&fs::read_to_string("/proc/self/maps")?, program)
            .context("the program is not mapped as code")
    }

    fn of(maps: &str, program: &Path) -> Option<Self> {
        let program = program.to_str()?;
        Self::all(maps).find_map(|(path, mapped)| (path == program).then_some(mapped))
    }

    /// Each file that is mapped as code.
    fn all(maps: &str) -> impl Iterator<Item = (&str, Self)> {
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        maps.lines().filter_map(move |line| {
            let (fields, path) = line.split_at_checked(line.find('/')?)?;
            let mut fields = fields.split_ascii_whitespace();
            let ((begin, end), rights, offset) =
                (fields.next()?.split_once('-')?, fields.next()?, fields.next()?);
            let mapped = Self { code: number(begin)?..number(end)?, offset: number(offset)? };
            rights.contains('x').then_some((path, mapped))
        })
    }
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
        assert_eq!(names, [concat!(module_path!(), "::a_function_of_this_program").into()]);
    }

    #[test]
    fn a_program_that_is_mapped_twice_is_found_where_its_code_is() {
        let maps = "7f2f3e9a9000-7f2f3eaf5000 r--p 00000000 fe:00 9995392   /bin/the program\n\
                    7f2f3eb02000-7f2f3eb0e000 r--p 00000000 fe:00 9995392   /bin/the program\n\
                    7f2f3eb0e000-7f2f3ebd2000 r-xp 0000c000 fe:00 9995392   /bin/the program\n\
                    7f2f3ec0b000-7f2f3ec10000 rw-p 00000000 00:00 0 \n\
                    7fff00000000-7fff00001000 r-xp 00000000 00:00 0         [vdso]\n";
        let code = 0x7f2f_3eb0_e000..0x7f2f_3ebd_2000;
        assert_eq!(Mapped::of(maps, Path::new("/bin/the program")), Some(Mapped { code, offset: 0xc000 }));
        assert_eq!(Mapped::of(maps, Path::new("/bin/program")), None);
    }

    #[test]
    fn what_is_no_function_has_no_name() {
        assert!(Names::default().of([0, 1, usize::MAX]).is_empty());
    }
}
