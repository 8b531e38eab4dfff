//! What a function's name tells: its crate, and what it is for.

use serde::{Deserialize, Serialize};

/// What a function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Reading and writing JSON.
    Json,
    /// Giving out and taking back memory.
    Allocator,
    /// Encryption, certificates, and signatures of requests.
    Tls,
    /// CRC, MD5 and SHA of what is stored.
    Checksums,
    /// Requests and answers.
    Http,
    /// The AWS SDK's own code.
    AwsSdk,
    /// Tasks, timers, sockets and locks.
    Runtime,
    /// exportpool's code.
    Ours,
    /// Whatever else.
    Other,
}

impl Kind {
    /// All of them, in the order of pages.
    pub const ALL: [Self; 9] = [
        Self::Ours,
        Self::AwsSdk,
        Self::Http,
        Self::Tls,
        Self::Json,
        Self::Checksums,
        Self::Allocator,
        Self::Runtime,
        Self::Other,
    ];

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Allocator => "allocator",
            Self::Tls => "TLS and signing",
            Self::Checksums => "checksums",
            Self::Http => "HTTP",
            Self::AwsSdk => "AWS SDK",
            Self::Runtime => "runtime",
            Self::Ours => "exportpool",
            Self::Other => "other",
        }
    }
}

/// Names of types are within each other no deeper than this; a deeper one is nobody's.
const DEEPEST: usize = 8;
/// The crate of a function without a name.
pub const UNKNOWN: &str = "unknown";
/// How a function without a name is shown.
pub const UNNAMED: &str = "(unknown)";
/// Stands for the outer functions of a stack that was too deep to be noted whole.
pub const CUT_OFF: &str = "(outer functions not recorded)";

/// Functions of jemalloc that do not have its prefix: the compiler kept them local.
const JEMALLOC: [&str; 26] = [
    "_rjem_",
    "je_",
    "arena_",
    "rtree_",
    "tcache_",
    "edata_",
    "extent_",
    "extents_",
    "emap_",
    "large_",
    "ehooks_",
    "base_",
    "pa_",
    "pac_",
    "hpa_",
    "hpdata_",
    "sz_",
    "eset_",
    "ecache_",
    "decay_",
    "cache_bin_",
    "prof_",
    "tsd_",
    "bin_",
    "malloc_mutex_",
    "background_thread",
];
/// The allocator's functions, whichever it is.
const ALLOCATORS: [&str; 10] = [
    "malloc",
    "calloc",
    "realloc",
    "free",
    "cfree",
    "posix_memalign",
    "aligned_alloc",
    "mallocx",
    "sdallocx",
    "rallocx",
];
/// Assembler of ring and AWS-LC that does not have their prefix.
const CRYPTOGRAPHY: [&str; 15] = [
    "ring_core",
    "aws_lc",
    "aesni_",
    "aes_",
    "vpaes_",
    "gcm_",
    "bn_",
    "ecp_",
    "p256_",
    "p384_",
    "x25519_",
    "chacha20_",
    "poly1305_",
    "sha256_block",
    "sha512_block",
];

/// The crate that a function is of: of a method, that of its type. C functions are of `jemalloc`, `ring`, `aws-lc` or `libc`.
#[must_use]
pub fn crate_of(name: &str) -> &str {
    path(name, 0).map_or_else(|| plain(name), |path| path.split_once("::").map_or(path, |(first, _)| first))
}

/// What a function is for. `None`: it is the language's or the C library's, and does the work of whoever calls it.
#[must_use]
pub fn kind_of(name: &str) -> Option<Kind> {
    if trait_of(name).is_some_and(|name| name.starts_with("serde::") || name.starts_with("serde_core::")) {
        return Some(Kind::Json);
    }
    match crate_of(name) {
        "std" if is_within(name, &["std::sync::", "std::thread::"]) => Some(Kind::Runtime),
        "alloc" if name.starts_with("alloc::alloc::") => Some(Kind::Allocator),
        found => of_crate(found),
    }
}

/// The name up to its last part, closures left out: `TaskRunner::run` of `a::TaskRunner<S>::run::{{closure}}`.
#[must_use]
pub fn without_closures(name: &str) -> &str {
    let mut name = name;
    while let Some((before, last)) = name.rsplit_once("::") {
        if !last.starts_with('{') {
            break;
        }
        name = before;
    }
    name.strip_suffix("{{vtable.shim}}").unwrap_or(name)
}

/// The last part of a name, closures left out.
#[must_use]
pub fn last_part(name: &str) -> &str {
    let name = without_closures(name);
    name.rsplit_once("::").map_or(name, |(_, last)| last)
}

fn of_crate(name: &str) -> Option<Kind> {
    Some(match name {
        "core" | "alloc" | "std" | "hashbrown" | "compiler_builtins" | "libc" | "rustc_demangle"
        | UNKNOWN => {
            return None;
        }
        "jemalloc" | "tikv_jemallocator" | "tikv_jemalloc_sys" => Kind::Allocator,
        "serde_json" | "serde" | "serde_core" | "aws_smithy_json" | "ryu" | "itoa" | "zmij" => Kind::Json,
        "ring" | "aws-lc" | "webpki" | "tokio_rustls" | "aws_sigv4" | "hmac" | "untrusted" | "subtle" => {
            Kind::Tls
        }
        "sha1" | "sha2" | "md5" | "md_5" | "digest" | "block_buffer" | "aws_smithy_checksums" => {
            Kind::Checksums
        }
        "hyper"
        | "hyper_util"
        | "hyper_rustls"
        | "http"
        | "http_body"
        | "http_body_util"
        | "httparse"
        | "h2"
        | "reqwest"
        | "want"
        | "httpdate"
        | "aws_smithy_http_client" => Kind::Http,
        "mio" | "socket2" | "parking_lot" | "parking_lot_core" | "crossbeam_utils" | "slab" => Kind::Runtime,
        name if name.starts_with("exportpool") || name == "exportctl" => Kind::Ours,
        name if name.starts_with("rustls") || name.starts_with("aws_lc") => Kind::Tls,
        name if name.starts_with("crc") => Kind::Checksums,
        name if name.starts_with("aws_") => Kind::AwsSdk,
        name if name.starts_with("tokio")
            || name.starts_with("futures")
            || name.starts_with("pin_project") =>
        {
            Kind::Runtime
        }
        name if name.starts_with("tower") => Kind::Http,
        _ => Kind::Other,
    })
}

fn is_within(name: &str, modules: &[&str]) -> bool {
    let name = name.trim_start_matches('<');
    // What is of a thread alone is read on the way to everything: it is no lock.
    !name.starts_with("std::thread::local") && modules.iter().any(|module| name.starts_with(module))
}

/// Of a name without a path.
fn plain(name: &str) -> &'static str {
    let is_of = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let bare = name.trim_start_matches("__libc_").trim_start_matches("__GI_");
    if name.is_empty() || [UNNAMED, CUT_OFF].contains(&name) {
        UNKNOWN
    } else if is_of(&["__rust_alloc", "__rust_dealloc", "__rust_realloc", "__rdl_", "__rg_"])
        || is_of(&JEMALLOC)
        || ALLOCATORS.contains(&bare)
    {
        "jemalloc"
    } else if is_of(&["aws_lc"]) {
        "aws-lc"
    } else if is_of(&CRYPTOGRAPHY) {
        "ring"
    } else if is_of(&["rust_", "__rust_", "_R"]) || name == "main" {
        "std"
    } else {
        "libc"
    }
}

/// The path that says whose a function is. `None`: there is none in its name.
fn path(name: &str, depth: usize) -> Option<&str> {
    let name = bare(name);
    if depth > DEEPEST {
        return None;
    }
    let Some(within) = name.strip_prefix('<') else {
        let end = name.find(['<', '(', '[', ' ', ',', '{']).unwrap_or(name.len());
        let path = name.get(..end)?;
        return path.find("::").is_some_and(|at| at > 0).then_some(path);
    };
    let inner = within.get(..closing(within)?)?;
    let (of, through) = halves(inner);
    // A type without a path is a parameter or the language's: then the trait says it.
    path(of, depth + 1).or_else(|| path(through?, depth + 1)).or(Some("core::"))
}

/// The trait of a method of one.
fn trait_of(name: &str) -> Option<&str> {
    let within = name.strip_prefix('<')?;
    halves(within.get(..closing(within)?)?).1
}

/// A type without what is before its path.
fn bare(name: &str) -> &str {
    let mut name = name;
    loop {
        let before = name;
        for prefix in ["&", "mut ", "*const ", "dyn ", "impl ", "(", "["] {
            name = name.strip_prefix(prefix).unwrap_or(name);
        }
        name = name.strip_prefix("*mut ").unwrap_or(name);
        if name.len() == before.len() {
            return name;
        }
    }
}

/// Where the bracket closes that opened before.
fn closing(text: &str) -> Option<usize> {
    brackets(text).find(|(_, depth)| *depth < 0).map(|(at, _)| at)
}

/// Each angle bracket, and how deep it is after it: an arrow has none.
fn brackets(text: &str) -> impl Iterator<Item = (usize, i32)> {
    let mut depth = 0;
    let mut before = ' ';
    text.char_indices().filter_map(move |(at, letter)| {
        let is_arrow = std::mem::replace(&mut before, letter) == '-';
        match letter {
            '<' => depth += 1,
            '>' if !is_arrow => depth -= 1,
            _ => return None,
        }
        Some((at, depth))
    })
}

/// The type and the trait of `T as Trait`, or of `impl Trait for T`.
fn halves(inner: &str) -> (&str, Option<&str>) {
    if let Some((of, through)) = split(inner, " as ") {
        return (of, Some(through));
    }
    match inner.strip_prefix("impl ").and_then(|inner| split(inner, " for ")) {
        Some((through, of)) => (of, Some(through)),
        None => (inner, None),
    }
}

/// At the first separator that is in no brackets.
fn split<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let is_outside = |at: usize| {
        let before = brackets(text).take_while(|(bracket, _)| *bracket < at);
        before.last().is_none_or(|(_, depth)| depth == 0)
    };
    let at = text.match_indices(separator).map(|(at, _)| at).find(|at| is_outside(*at))?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

#[cfg(test)]
mod tests;
